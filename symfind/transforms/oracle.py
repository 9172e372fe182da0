"""A function of its inputs, in float64: values and gradients at many points at once.

The function may be a module at its own weights or any function of torch tensors. Its inputs of real
or complex numbers vary; of these, some are `moved` by a transformation. Masks and indices stay as
they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.load.inputs import Inputs, leaves, map_leaves
from symfind.verify.precision import widen

Values = Sequence[Tensor]
"""One tensor for each input that varies, with samples along the first axis."""

_CHUNK = 4_000_000  # entries of inputs that are evaluated at once
_AGREE = 1e-9  # of the outputs of a batch with those of its members


Evaluate = Callable[[Inputs], list[Tensor]]
"""A function of one call: all its floating outputs, each with its own axes."""


@dataclass(frozen=True)
class Oracle:
    """A function, and at which of its inputs it is looked.

    Attributes:
        evaluate: the function itself.
        inputs: an example call, in float64.
        varied: keys of the inputs that vary: all that hold real or complex numbers.
        moved: which of those a transformation moves.
        names: of all inputs, for people, by their keys.
        batched: whether the first axis of every input numbers independent samples.
        mapped: whether `torch.func.vmap` runs it over samples.
        name: of the function.
    """

    evaluate: Evaluate
    inputs: Inputs
    varied: tuple[str, ...]
    moved: tuple[bool, ...]
    names: dict[str, str]
    name: str
    batched: bool = False
    mapped: bool = False

    @property
    def example(self) -> list[Tensor]:
        """The varied inputs of the example call, samples along the first axis."""
        found = dict(leaves(self.inputs))
        return [found[key] if self.batched else found[key][None] for key in self.varied]

    def call(self, values: Values) -> Inputs:
        """A call in which the varied inputs have these values; the others are repeated.

        They are copies: a function may write to what it is given.
        """
        given = {key: value.clone() for key, value in zip(self.varied, values, strict=True)}
        count = len(values[0])

        def change(key: str, leaf: Any) -> Any:
            if key in given:
                return given[key] if self.batched else given[key][0]
            if self.batched and isinstance(leaf, Tensor) and leaf.ndim:
                return leaf[torch.arange(count) % len(leaf)]
            return leaf

        return map_leaves(self.inputs, change)

    def __call__(self, values: Values) -> Tensor:
        """Outputs of every sample, [samples, outputs]; not finite where the function is not."""
        pieces = [self._outputs(piece) for piece in self._pieces(values)]
        return torch.cat(pieces)

    def gradients(self, values: Values, rng: torch.Generator) -> tuple[Tensor, list[Tensor]]:
        """A random combination of the outputs of each sample, and its gradients.

        Returns:
            The scale of the outputs that were combined, [samples], and for every varied input the
            gradients of the combination, [samples, ...].
        """
        scales, found = [], []
        for piece in self._pieces(values):
            held = [x.detach().requires_grad_() for x in piece]
            with torch.enable_grad():
                outputs = self._outputs(held)
            self._check_differentiable(outputs)
            mix = torch.randn(outputs.shape, generator=rng, dtype=torch.float64)
            grads = torch.autograd.grad((outputs * mix).sum(), held, allow_unused=True)
            scales.append((outputs.detach() * mix).abs().sum(1))
            found.append(
                [torch.zeros_like(x) if g is None else g for x, g in zip(held, grads, strict=True)]
            )
        return torch.cat(scales), [torch.cat(parts) for parts in zip(*found, strict=True)]

    def structured(self, values: Values) -> list[Tensor]:
        """The outputs with their own axes, samples along the first."""
        if self.batched:
            return [output.detach() for output in self.evaluate(self.call(values))]
        rows = [self.evaluate(self.call([x[i : i + 1] for x in values])) for i in _range(values)]
        return [torch.stack([part.detach() for part in parts]) for parts in zip(*rows, strict=True)]

    def choosing(self, names: Sequence[str]) -> "Oracle":
        """The same where only inputs of these names are moved.

        Raises:
            InputError: there is none of that name, or it does not hold real numbers.
        """
        known = {self.names[key]: key for key in self.names}
        for name in names:
            if name not in known:
                raise InputError(f"there is no input {name!r}: it is one of {', '.join(known)}")
            if known[name] not in self.varied:
                raise InputError(f"input {name!r} holds no real numbers that could be moved")
        chosen = {known[name] for name in names}
        return replace(self, moved=tuple(key in chosen for key in self.varied))

    # ---------------------------------------------------------------------------------------------
    def _pieces(self, values: Values) -> list[list[Tensor]]:
        width = max(1, sum(x[0].numel() for x in values))
        size = max(1, _CHUNK // width) if self.batched or self.mapped else 1
        return [list(piece) for piece in zip(*(x.split(size) for x in values), strict=True)]

    def _outputs(self, values: Values) -> Tensor:
        if self.mapped:
            return torch.func.vmap(self._one)(tuple(values))
        outputs = self.evaluate(self.call(values))
        count = len(values[0])
        return torch.cat([part.reshape(count, -1) for part in outputs], 1)

    def _one(self, values: tuple[Tensor, ...]) -> Tensor:
        """All outputs of one sample, whose inputs have no axis of samples."""
        outputs = self.evaluate(self.call([value[None] for value in values]))
        return torch.cat([part.reshape(-1) for part in outputs])

    def _check_differentiable(self, outputs: Tensor) -> None:
        if not outputs.requires_grad:
            raise InputError(
                f"{self.name} does not depend on its input through torch operations that can be "
                "differentiated: write it with torch, without numpy, rounding or comparisons alone"
            )


def _range(values: Values) -> range:
    return range(len(values[0]))


def opened(evaluate: Evaluate, inputs: Inputs, names: dict[str, str],
           name: str) -> Oracle:  # fmt: skip
    """A function with an example call; sees whether its first axis numbers independent samples.

    Raises:
        InputError: no input holds real numbers, or the function is not finite.
    """
    inputs = map_leaves(inputs, lambda _, leaf: widen(leaf))
    floating = {k: x for k, x in leaves(inputs) if isinstance(x, Tensor) and _is_real(x)}
    if not floating:
        kinds = ", ".join(f"{names[k]} is {x.dtype}".replace("torch.", "")
                          for k, x in leaves(inputs) if isinstance(x, Tensor))  # fmt: skip
        raise InputError(
            f"no input of {name} holds real numbers ({kinds}): no continuous transformation acts "
            "on integers; give a model behind its embedding, or a float input"
        )
    evaluate(inputs)
    oracle = Oracle(evaluate, inputs, tuple(floating), (True,) * len(floating), names, name)
    oracle = replace(oracle, batched=_is_batched(oracle))
    return oracle if oracle.batched else replace(oracle, mapped=_is_mapped(oracle))


def _is_real(leaf: Tensor) -> bool:
    return leaf.is_floating_point() or leaf.is_complex()


def _is_batched(oracle: Oracle) -> bool:
    """Whether twice the samples give twice the outputs, each as before."""
    tensors = [x for _, x in leaves(oracle.inputs) if isinstance(x, Tensor) and x.ndim]
    found = dict(leaves(oracle.inputs))
    count = len(tensors[0]) if tensors else 0
    alike = all(len(x) == count for x in tensors)
    if not alike or any(found[key].ndim < 2 for key in oracle.varied):
        return False
    rng = torch.Generator().manual_seed(1)

    def moved(key: str, leaf: Any) -> Any:
        if key not in oracle.varied:
            return leaf
        noise = torch.randn(leaf.shape, generator=rng, dtype=leaf.dtype)
        return leaf + 0.1 * noise * leaf.abs().mean().clamp(min=1e-3)

    def both(key: str, leaf: Any) -> Any:
        rows = isinstance(leaf, Tensor) and leaf.ndim
        return torch.cat([leaf, dict(leaves(other))[key]]) if rows else leaf

    other = map_leaves(oracle.inputs, moved)
    one, two = oracle.evaluate(oracle.inputs), oracle.evaluate(other)
    try:
        together = oracle.evaluate(map_leaves(oracle.inputs, both))
    except Exception:  # whatever a function raises that takes no batch of another size
        return False
    if any(part.ndim == 0 or len(part) != count for part in one) or len(together) != len(one):
        return False
    return all(
        t.shape == (2 * count, *a.shape[1:]) and _close(t, torch.cat([a, b]))
        for t, a, b in zip(together, one, two, strict=True)
    )


def _is_mapped(oracle: Oracle) -> bool:
    """Whether many samples at once give what they give one by one, and gradients."""
    rng = torch.Generator().manual_seed(2)
    values = [
        x * (1.0 + 0.1 * torch.randn((3, *x.shape[1:]), generator=rng, dtype=x.dtype))
        for x in oracle.example
    ]
    mapped = replace(oracle, mapped=True)
    try:
        with torch.no_grad():
            alike = _close(mapped(values), oracle(values))
        draws = [torch.Generator().manual_seed(3) for _ in range(2)]
        pairs = zip(mapped.gradients(values, draws[0])[1],
                    oracle.gradients(values, draws[1])[1], strict=True)  # fmt: skip
        return alike and all(a.shape == b.shape for a, b in pairs)
    except Exception:  # whatever vmap does not take: data that decide, writes in place
        return False


def _close(a: Tensor, b: Tensor) -> bool:
    size = float(b.abs().max()) if b.numel() else 0.0
    return float((a - b).abs().max()) <= _AGREE * size if b.numel() else True
