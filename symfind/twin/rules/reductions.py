"""Operations along dimensions: those that keep them, and those that reduce them."""

from typing import Any

from symfind.trace import Op
from symfind.trace.kernels import resolve
from symfind.twin.relations import Relations, Rewrite, relation


@relation("softmax", "log_softmax", "_safe_softmax", "cumsum", "cumprod", "cummax", "cummin",
          "logcumsumexp", "flip", "tril", "triu", "sort", "argsort", "roll", "dropout",
          "nan_to_num", "renorm")  # fmt: skip
def along(r: Relations, op: Op) -> None:
    """Every result has the shape of the operand."""
    for out in r.axes[id(op)]:
        r.broadcast(out, r.of(op.args[0]))


@relation("sum", "mean", "amax", "amin", "var", "std", "norm", "linalg_vector_norm", "prod", "any",
          "all", "argmax", "argmin", "logsumexp", "max", "min", "median", "mode", "count_nonzero",
          "var_mean", "std_mean", "nansum", "nanmean", "aminmax")  # fmt: skip
def reduce(r: Relations, op: Op) -> None:
    """Dimensions go, or stay with size one."""
    named = _named(op)
    if isinstance(named.get("other"), Op):
        r.broadcast(r.of(op), *(r.of(x) for x in op.operands))
        return
    x = r.of(op.args[0])
    dims = named.get("dim")
    dims = [dims] if isinstance(dims, int) else list(dims or range(len(x)))
    gone = {d % len(x) for d in dims if isinstance(d, int)} if x else set()
    rest = [a for d, a in enumerate(x) if d not in gone]
    for out in r.axes[id(op)]:
        kept = len(out) == len(x) and bool(gone)
        mine = [a for d, a in enumerate(out) if d not in gone] if kept else list(out)
        for axis, old in zip(mine, rest, strict=True):
            r.same(axis, old)


def _named(op: Op) -> dict[str, Any]:
    schema = resolve(op.target)._schema  # type: ignore[attr-defined]
    names = [a.name for a in schema.arguments if not a.kwarg_only]
    return {**dict(zip(names, op.args, strict=False)), **op.kwargs}


@relation("diff")
def diff(r: Relations, op: Op) -> None:
    """Differences of neighbours; as many as before where one entry was put in front."""
    for axis, old in zip(r.of(op), r.of(op.args[0]), strict=True):
        if axis.size == old.size:
            r.same(axis, old)
        else:
            r.pin(axis, old)


@relation("topk")
def topk(r: Relations, op: Op) -> None:
    """The number of chosen entries stays."""
    for out in r.axes[id(op)]:
        for axis, old in zip(out, r.of(op.args[0]), strict=True):
            if axis.size == old.size:
                r.same(axis, old)
            else:
                r.pin(axis, old)


@relation("glu")
def glu(r: Relations, op: Op) -> None:
    """One half of a dimension gates the other."""
    x, out = r.of(op.args[0]), r.of(op)
    dim = (op.args[1] if len(op.args) > 1 else -1) % len(x)
    for d, (axis, old) in enumerate(zip(out, x, strict=True)):
        r.concatenated(old, [axis, axis] if d == dim else [axis])


@relation("one_hot")
def one_hot(r: Relations, op: Op) -> Rewrite:
    """Rows of the identity."""
    *lead, last = r.of(op)
    for axis, old in zip(lead, r.of(op.args[0]), strict=True):
        r.same(axis, old)
    return Rewrite({1: lambda e: e(last)})


@relation("cosine_similarity", "pairwise_distance")
def similarity(r: Relations, op: Op) -> None:
    """Two wires compared along one dimension."""
    x, y = (list(r.of(a)) for a in op.args[:2])
    dim = op.args[2] if "cosine" in op.target and len(op.args) > 2 else -1
    for a, b in zip(x, y, strict=False):
        if a.size == b.size:
            r.same(a, b)
    if len(r.of(op)) < len(x):
        x.pop(dim)
        r.broadcast(r.of(op), x)


@relation("cdist", "_cdist_forward")
def cdist(r: Relations, op: Op) -> None:
    """Distances of all pairs."""
    x, y, out = r.of(op.args[0]), r.of(op.args[1]), r.of(op)
    r.same(x[-1], y[-1])
    r.same(out[-2], x[-2])
    r.same(out[-1], y[-2])
    r.broadcast(out[:-2], x[:-2], y[:-2])
