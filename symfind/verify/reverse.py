"""Rows of a derivative, many at a time where the backward pass can be batched."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch._functorch.eager_transforms import (
    _create_differentiable,
    _undo_create_differentiable,
    _wrap_all_tensors,
    grad_increment_nesting,
)


def reverse_rows(value: Tensor, leaves: list[Tensor], cotangents: Tensor | None) -> Tensor:
    """Products of cotangents with the derivative of a value, taken backwards.

    Args:
        value: of any shape.
        leaves: it is differentiated by.
        cotangents: [rows, *shape of the value]; every unit vector where None.

    Returns:
        [rows, entries of all leaves].
    """
    size, count = value.numel(), sum(leaf.numel() for leaf in leaves)
    rows = size if cotangents is None else len(cotangents)
    if not value.requires_grad:
        return value.new_zeros(rows, count)

    def pull(cotangent: Tensor, batched: bool) -> Tensor:
        lead = cotangent.shape[:1] if batched else (1,)
        grads: tuple[Tensor | None, ...] = torch.autograd.grad(
            value, leaves, cotangent, retain_graph=True, allow_unused=True,
            is_grads_batched=batched)  # fmt: skip
        return torch.cat([value.new_zeros(*lead, leaf.numel()) if g is None
                          else g.reshape(*lead, -1)
                          for g, leaf in zip(grads, leaves, strict=True)], 1)  # fmt: skip

    def one_by_one(cotangent: Tensor) -> Tensor:
        return torch.cat([pull(row, False) for row in cotangent])

    pulled = value.new_empty(rows, count)
    chunk = max(1, min(256, 20_000_000 // max(count, 1)))
    batch: Callable[[Tensor], Tensor] = one_by_one if rows == 1 else lambda c: pull(c, True)
    for start in range(0, rows, chunk):
        width = min(chunk, rows - start)
        if cotangents is None:
            cotangent = value.new_zeros(width, size)
            cotangent[torch.arange(width), start + torch.arange(width)] = 1.0
        else:
            cotangent = cotangents[start : start + width]
        try:
            block = batch(cotangent)
            sound = start > 0 or rows == 1 or _alike(block[-1], pull(cotangent[-1], False)[0])
        except RuntimeError:  # a backward that vmap cannot batch
            sound = False
        if not sound:
            batch = one_by_one
            block = batch(cotangent)
        pulled[start : start + width] = block
    return pulled


def _alike(batched: Tensor, alone: Tensor) -> bool:
    """Whether a row of many is the row by itself: not all that vmap batches is right."""
    largest = max(float(batched.abs().amax()), float(alone.abs().amax())) if len(alone) else 0.0
    return torch.allclose(batched, alone, rtol=1e-6, atol=1e-8 * largest, equal_nan=True)


def pulled_back(
    evaluate: Callable[[Tensor], Tensor], point: Tensor, cotangents: Tensor
) -> tuple[Tensor, Tensor]:
    """A value and the products of cotangents with its derivative, inside any transform.

    As `torch.func.vjp`, which loads a compiler in order to switch it off: longer than all of a
    small model takes.

    Args:
        evaluate: from a tensor like `point` to one of shape (size,).
        point: [count].
        cotangents: [rows, size].

    Returns:
        The value, and [rows, count].
    """
    with grad_increment_nesting() as level, torch.enable_grad():
        (leaf,) = _wrap_all_tensors((point,), level)
        _create_differentiable(leaf, level)
        result = evaluate(leaf)
        value = _undo_create_differentiable(result, level)
    if not result.requires_grad:
        return value, point.new_zeros(len(cotangents), *point.shape)

    def pull(cotangent: Tensor) -> Tensor:
        (found,) = torch.autograd.grad(result, leaf, cotangent, retain_graph=True)
        return found

    return value, torch.func.vmap(pull)(cotangents)
