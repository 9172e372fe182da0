"""Softmax and attention."""

import torch

from symfind.algebra.axes import Axis
from symfind.graph.builder import Builder
from symfind.graph.extents import Relations, alike
from symfind.graph.primitives import Node
from symfind.ops.finite import allows, finite
from symfind.ops.registry import lower, sizes
from symfind.trace import Op


@lower("softmax")
def softmax(b: Builder, x: Node, dim: int, *_: object, **__: object) -> Node:
    """Softmax over one dimension."""
    return b.softmax(x, [dim])


@lower("_safe_softmax")
def safe_softmax(b: Builder, x: Node, dim: int, *_: object, **__: object) -> Node:
    """The same, but zero where nothing of a row is left."""
    return b.softmax(x, [dim], partial=not finite(b.op.args[0]))


@lower("log_softmax")
def log_softmax(b: Builder, x: Node, dim: int, *_: object, **__: object) -> Node:
    """Blind to the same constants as softmax."""
    return b.pointwise(b.softmax(x, [dim]))


sizes("softmax", "log_softmax", "_safe_softmax")(alike)


@lower("scaled_dot_product_attention")
def attention(
    b: Builder,
    q: Node,
    k: Node,
    v: Node,
    mask: Node | None = None,
    dropout: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Node:
    """softmax(q kᵀ / √d + mask) v; query heads may share keys and values in groups.

    A query that may see no key gets zero.
    """
    lead = len(q.axes) - 2
    batch: list[object] = list(range(lead))
    kv = list(batch)
    shape = None
    if lead and q.shape[lead - 1] != k.shape[lead - 1]:
        heads, groups = q.shape[lead - 1], k.shape[lead - 1]
        shape = [*q.shape[: lead - 1], heads]
        q = b.view(q, [*q.shape[: lead - 1], groups, heads // groups, *q.shape[lead:]])
        batch = [*batch, "shared"]
    scores = b.contract([q, k], [[*batch, "q", "d"], [*kv, "k", "d"]], [*batch, "q", "k"])
    still = not scores.varies and mask is None and not is_causal
    scores = b.scale(scores, (scale or q.shape[-1] ** -0.5) if still else float("nan"))
    if mask is not None and b.learned(mask):
        if shape is not None:
            scores = b.view(scores, [*shape, *scores.shape[-2:]])
        scores = b.add(scores, mask)
        if shape is not None:
            scores = b.view(scores, [*q.shape[:-2], *scores.shape[-2:]])
    elif mask is not None and mask.varies and _soft(mask):
        scores = b.add(scores, b.opaque([mask], mask.shape)) if shape is None else scores
    partial = mask is not None and not allows(_mask(b.op))
    p = b.softmax(scores, [-1], partial)
    y = b.contract([p, v], [[*batch, "q", "k"], [*kv, "k", "e"]], [*batch, "q", "e"])
    return y if shape is None else b.view(y, [*shape, *y.shape[-2:]])


def _mask(op: Op) -> Op:
    """The traced mask of an attention."""
    found = op.args[3] if len(op.args) > 3 else op.kwargs["attn_mask"]
    assert isinstance(found, Op)
    return found


def _soft(mask: Node) -> bool:
    return mask.op is not None and mask.op.dtype != torch.bool


@sizes("scaled_dot_product_attention")
def attention_sizes(r: Relations, op: Op) -> None:
    """softmax(q kᵀ) v; fewer keys than queries where groups share them."""
    query, key, value, mask = (*op.args, None, None)[:4]
    q, k, v, out = r.of(query), r.of(key), r.of(value), r.of(op)
    r.same(q[-1], k[-1])
    r.same(v[-1], out[-1])
    r.same(k[-2], v[-2])
    r.same(q[-2], out[-2])
    r.broadcast(out[:-2], q[:-2])
    r.broadcast(k[:-2], v[:-2])
    for shared, each in zip(k[:-2], q[:-2], strict=False):
        if shared.size == each.size:
            r.same(shared, each)
        elif shared.size > 1:
            group = Axis(each.size // shared.size)
            r.flattened(each, [shared, group])
    r.copies += out[:-2]
    if isinstance(mask, Op):
        r.broadcast([*out[:-2], q[-2], k[-2]], r.of(mask))
