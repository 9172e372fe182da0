"""A module as a pure float64 function of its trainable parameters."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.utils._pytree import tree_map

from symfind.errors import InputError
from symfind.load.outputs import results
from symfind.points.manner import PLAIN, Manner
from symfind.verify.calm import calmed
from symfind.verify.infinite import finite
from symfind.verify.isolation import isolated
from symfind.verify.placed import placed
from symfind.verify.precision import double_precision, widen
from symfind.verify.reverse import reverse_rows
from symfind.verify.sampling import Law
from symfind.verify.shared import first_names

Point = Mapping[str, Tensor]
Liven = Callable[[Mapping[str, Tensor], torch.Generator, Manner], dict[str, Tensor]]

_STEP = 1e-3  # of a difference, of the size of the weights
_SHRINKINGS, _SHRINK = 12, 0.3  # towards the initial values, and by which part
_LARGEST = 1e6  # output of a function that is to be differentiated
_LIGHT = 20_000  # parameters, up to which derivatives along a direction are taken backwards
_STENCIL = ((1, 3 / 4), (2, -3 / 20), (3, 1 / 60))


class InputsLike(Protocol):
    """What one call of a model is given."""

    @property
    def args(self) -> tuple[Any, ...]: ...  # noqa: D102
    @property
    def kwargs(self) -> dict[str, Any]: ...  # noqa: D102


class Call(NamedTuple):
    """Positional and keyword arguments of one call of a model."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Function:
    """The map from named trainable parameters to the outputs of `model`, in float64.

    Shared parameters appear once, under their first name. The module itself is never changed: its
    weights, buffers, mode flags and attributes, and the random state, are as before each call.

    Args:
        model: the module; may be on the meta device.
        args: positional inputs used when a call gives none.
        kwargs: keyword inputs used when a call gives none.
        train: evaluate in training mode (batch statistics; dropout stays off).
        output: "raw", or "softmax": outputs up to what softmax over their last axis ignores.
        device: where to evaluate.
        buffers: values for buffers that are on the meta device, by name.
        liven: makes of a random point, on the CPU, one at which units live.

    Raises:
        InputError: a buffer has no value, or there is no real trainable parameter.
    """

    def __init__(
        self,
        model: nn.Module,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        train: bool = False,
        output: Literal["raw", "softmax"] = "raw",
        device: str | torch.device = "cpu",
        buffers: Mapping[str, Tensor] | None = None,
        liven: Liven | None = None,
    ) -> None:
        self._model, self._liven = model, liven
        self._train = train
        self._softmax = output == "softmax"
        self.device = torch.device(device)
        self.inputs = self.place(Call(args, dict(kwargs or {})))
        trainable = {n: p for n, p in model.named_parameters() if p.requires_grad and p.numel()}
        for name, parameter in trainable.items():
            if not parameter.is_floating_point():
                raise InputError(
                    f"parameter {name} is {parameter.dtype}; only real floating "
                    "parameters can be analysed: freeze it (requires_grad=False)"
                )
        self.names: tuple[str, ...] = tuple(trainable)
        self.shapes: dict[str, tuple[int, ...]] = {n: tuple(p.shape) for n, p in trainable.items()}
        self.count: int = sum(p.numel() for p in trainable.values())
        self._laws = {n: Law.of(model, n) for n in self.names}
        self._constants = self._frozen() | self._buffers(buffers or {})
        self._first = first_names(model)

    def place(self, inputs: InputsLike) -> Call:
        """The inputs in float64, where the function is evaluated."""

        def place(value: Any) -> Any:
            return widen(value.to(self.device)) if isinstance(value, Tensor) else value

        return Call(tree_map(place, tuple(inputs.args)), tree_map(place, dict(inputs.kwargs)))

    def _frozen(self) -> dict[str, Tensor]:
        rng = torch.Generator().manual_seed(0)
        held = [(n, p) for n, p in self._model.named_parameters() if n not in self.shapes]
        frozen = {n: p.detach() for n, p in held}
        return {
            name: (Law.of(self._model, name).draw(rng) if value.is_meta else widen(value))
            .to(self.device)
            for name, value in frozen.items()
        }  # fmt: skip

    def _buffers(self, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        values = {}
        for name, buffer in self._model.named_buffers():
            value = given.get(name, buffer).detach()
            if value.is_meta:
                raise InputError(
                    f"buffer {name} has no value (meta device): build the model on "
                    "a real device, or give the values of its buffers"
                )
            values[name] = widen(value.to(self.device))
        return values

    def hold(self, values: Point) -> None:
        """Give buffers and frozen parameters other values, from here on."""
        for name in self._constants:
            if name in values:
                self._constants[name] = widen(values[name].detach().to(self.device))

    def random_point(self, rng: torch.Generator, manner: Manner = PLAIN) -> dict[str, Tensor]:
        """Draw generic parameters: fan-in scaled weights, gains about one, nonzero biases.

        Where it is known how, such that units live; where the function is not finite there, or
        too large to be differentiated, in the plain manner, and nearer to the initial values.
        """
        theta = {name: law.draw(rng) for name, law in self._laws.items()}
        if manner.turned:
            theta = {n: law.turned(theta[n], manner.turned, rng) for n, law in self._laws.items()}
        if self._liven is not None:
            theta = self._liven(theta, rng, manner)
        theta = {name: value.to(self.device).contiguous() for name, value in theta.items()}
        if self._liven is None:
            return (
                theta
                if manner == PLAIN or self._moderate(theta) is not None
                else self.random_point(rng)
            )
        value = self._moderate(theta)
        if value is None and manner != PLAIN:
            return self.random_point(rng)
        for _ in range(_SHRINKINGS):
            if value is not None:
                break
            theta = {n: v + _SHRINK * (self._initial(n) - v) for n, v in theta.items()}
            value = self._moderate(theta)
        return calmed(self, theta, value)

    def _initial(self, name: str) -> Tensor:
        """The value that a parameter was given; zero where it has none."""
        value = self._model.get_parameter(name).detach()
        value = torch.zeros(value.shape) if value.is_meta else value
        return value.to(self.device, torch.float64)

    def _moderate(self, theta: Point) -> Tensor | None:
        """The output, where it is finite and not too large to be differentiated."""
        try:
            value = self(theta)
        except InputError:
            return None
        return value if not value.numel() or float(value.abs().max()) < _LARGEST else None

    @contextmanager
    def scope(self) -> Iterator[None]:
        """The state in which `evaluate` may be called."""
        with isolated(self._model, train=self._train), double_precision():
            yield

    def evaluate(self, theta: Point, inputs: Call) -> Tensor:
        """All floating outputs, concatenated; inside a `scope`, of placed inputs, any transform."""
        # Buffers are cloned here, inside any transform, because a forward pass may write to them.
        constants = {n: v.clone() for n, v in self._constants.items()}
        inputs = Call(*tree_map(lambda v: v.clone() if isinstance(v, Tensor) else v, inputs))
        values = {**constants, **{self._first.get(n, n): v for n, v in theta.items()}}
        parts = [torch.view_as_real(t) if t.is_complex() else t
                 for t in self.results(values, inputs)]  # fmt: skip
        if self._softmax:
            parts = [p.log_softmax(-1) if p.ndim else p for p in parts]
        flat = [part.reshape(-1).double() for part in parts]
        value = flat[0] if len(flat) == 1 else torch.cat(flat)
        if not value.numel():
            raise InputError("the model returned tensors without entries: give larger inputs")
        return value

    def results(self, values: Point, inputs: Call) -> list[Tensor]:
        """The floating outputs of the model with these parameters and buffers."""
        with placed(self._model, values):
            result = self._model(*inputs.args, **inputs.kwargs)
        found = [tensor for _, tensor in results(result)]
        if not found:
            raise InputError(f"the model returned no floating-point tensor, but {type(result)}")
        return found

    def __call__(self, theta: Point, inputs: InputsLike | None = None) -> Tensor:
        """Evaluate all floating outputs, concatenated: shape (rows,), float64.

        Raises:
            InputError: an output is NaN or infinite.
        """
        call = self.inputs if inputs is None else self.place(inputs)
        with self.scope():
            value = self.evaluate(theta, call)
        if torch._C._are_functorch_transforms_active():
            return value  # its values cannot be looked at inside a transform
        if not any(t.requires_grad for t in theta.values()):
            value = value.detach()  # forward may have asked for derivatives by its inputs
        return finite(value, "the output", theta)

    def jvp(self, theta: Point, direction: Point, inputs: InputsLike | None = None) -> Tensor:
        """Directional derivative at `theta`, shape (rows,); names absent in `direction` are fixed.

        Raises:
            InputError: an output or derivative is NaN or infinite.
        """
        return self.linearised(theta, direction, inputs)[1]

    def linearised(
        self, theta: Point, direction: Point, inputs: InputsLike | None = None
    ) -> tuple[Tensor, Tensor]:
        """Outputs and their directional derivative at `theta`, both of shape (rows,).

        Raises:
            InputError: an output or derivative is NaN or infinite.
        """
        call = self.inputs if inputs is None else self.place(inputs)
        value, tangent = self._linearised(theta, direction, call)
        finite(value, "the output", theta)
        return value, finite(tangent, "the derivative of the output", theta)

    def _linearised(self, theta: Point, direction: Point, call: Call) -> tuple[Tensor, Tensor]:
        ways = [self._forward_jvp, self._double_reverse_jvp]
        # Twice backwards takes no rule but those of reverse derivatives; torch loads the others,
        # and a compiler with them, at the first use: longer than all of a small model takes.
        for way in ways[::-1] if self.count <= _LIGHT else ways:
            try:
                return way(theta, direction, call)
            except (NotImplementedError, RuntimeError) as error:
                if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
                    raise
                failed = error  # the fault of this kind of derivative alone, perhaps
        if "derivative" not in str(failed) and not isinstance(failed, NotImplementedError):
            raise failed
        return self(theta, call), self.difference(theta, direction, call)

    def _forward_jvp(self, theta: Point, direction: Point, call: Call) -> tuple[Tensor, Tensor]:
        with forward_ad.dual_level(), torch.no_grad():
            dual = {n: forward_ad.make_dual(v, direction[n].to(v)) if n in direction else v
                    for n, v in theta.items()}  # fmt: skip
            with self.scope():
                value, tangent = forward_ad.unpack_dual(self.evaluate(dual, call))
        return value, torch.zeros_like(value) if tangent is None else tangent

    def _double_reverse_jvp(
        self, theta: Point, direction: Point, call: Call
    ) -> tuple[Tensor, Tensor]:
        # For operations without forward derivatives: Jᵀu is linear in u; differentiate it by u.
        names = [n for n in theta if n in direction]
        with torch.enable_grad():
            leaves = {n: v.detach().requires_grad_(n in direction) for n, v in theta.items()}
            with self.scope():
                value = self.evaluate(leaves, call)
            cotangent = torch.zeros_like(value, requires_grad=True)
            pulled = torch.autograd.grad(value, [leaves[n] for n in names], cotangent,
                                         create_graph=True, allow_unused=True)  # fmt: skip
            used = [(p, direction[n].to(p)) for p, n in zip(pulled, names, strict=True)
                    if p is not None]  # fmt: skip
            if not used:
                return value.detach(), torch.zeros_like(value)
            (tangent,) = torch.autograd.grad([p for p, _ in used], cotangent, [d for _, d in used],
                                             allow_unused=True)  # fmt: skip
        value = value.detach()
        return value, torch.zeros_like(value) if tangent is None else tangent

    def difference(
        self,
        theta: Point,
        direction: Point,
        inputs: InputsLike | None = None,
        step: float = _STEP,
    ) -> Tensor:
        """Directional derivative from values alone (differences of order six), shape (rows,).

        `step` is of the size of the weights: short ones meet few kinks, long ones little rounding.

        Raises:
            InputError: an output is NaN or infinite.
        """
        moved = [n for n in theta if n in direction]
        size, speed = (sum(float(x[n].double().square().sum()) for n in moved) ** 0.5
                       for x in (theta, direction))  # fmt: skip
        h = step * (size or 1.0) / (speed or 1.0)

        def at(k: float) -> Tensor:
            shifted = {n: v + k * h * direction[n].to(v) if n in direction else v
                       for n, v in theta.items()}  # fmt: skip
            return self(shifted, inputs)

        return (
            sum((w * (at(k) - at(-k)) for k, w in _STENCIL), torch.zeros((), device=self.device))
            / h
        )

    def jacobian(self, theta: Point, inputs: InputsLike | None = None) -> Tensor:
        """Dense Jacobian at `theta`, shape (rows, parameters), columns in the order of `names`.

        Forward mode when there are far more rows than parameters, else reverse mode; in chunks.

        Raises:
            InputError: an output or derivative is NaN or infinite.
        """
        call = self.inputs if inputs is None else self.place(inputs)
        jacobian = None
        if self(theta, call).numel() > 3 * self.count:
            jacobian = self._forward_jacobian(theta, call)
        if jacobian is None:
            return self.pullback(theta, call)
        return finite(jacobian, "the Jacobian", theta)

    def pullback(self, theta: Point, call: Call, cotangents: Tensor | None = None) -> Tensor:
        """Cotangents, shape (count, rows), times the Jacobian; all of the Jacobian without them.

        Raises:
            InputError: an output or derivative is NaN or infinite.
        """
        with torch.enable_grad():
            leaves = {n: _laid_out(v.detach()).requires_grad_() for n, v in theta.items()}
            with self.scope():
                value = self.evaluate(leaves, call)
        finite(value.detach(), "the output", theta)
        pulled = reverse_rows(value, [leaves[n] for n in self.names], cotangents)
        return finite(pulled, "the Jacobian", theta)

    def _forward_jacobian(self, theta: Point, call: Call) -> Tensor | None:
        rest = {n: v for n, v in theta.items() if n not in self.shapes}
        flat = self.flatten(theta)

        def along(vector: Tensor) -> Tensor:
            def evaluate(point: Tensor) -> Tensor:
                return self.evaluate({**rest, **self.unflatten(point)}, call)

            return torch.func.jvp(evaluate, (flat,), (vector,))[1]

        try:
            with self.scope():
                eye = torch.eye(flat.numel(), dtype=flat.dtype, device=flat.device)
                return torch.func.vmap(along, chunk_size=64)(eye).T
        except (RuntimeError, NotImplementedError):
            return None  # not every model can run under vmap; reverse mode needs none of it

    def flatten(self, values: Point) -> Tensor:
        """Concatenate named tensors in the order of `names`: shape (parameters,)."""
        return torch.cat([values[n].reshape(-1) for n in self.names])

    def unflatten(self, vector: Tensor) -> dict[str, Tensor]:
        """Split a vector of shape (parameters,) into the named tensors."""
        sizes = [torch.Size(self.shapes[n]).numel() for n in self.names]
        parts = vector.split(sizes)
        return {n: p.view(self.shapes[n]) for n, p in zip(self.names, parts, strict=True)}


def _laid_out(value: Tensor) -> Tensor:
    """A copy with the last dimension first in memory: other strides slow what they reach."""
    return value.clone(memory_format=torch.contiguous_format)
