"""From a model to a functional ATen graph, by torch.export or by what else works."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.export.graph_signature import InputKind, OutputKind
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from symfind.errors import TraceError
from symfind.trace.blame import data_dependent, location
from symfind.trace.exported import Exported, Source, given
from symfind.trace.guard import convert_tensors
from symfind.trace.wrapper import Wrapper, to_device

Attempt = Callable[[Wrapper, FakeTensorMode | None], Exported]


def attempts(model: nn.Module) -> list[tuple[Attempt, str | None]]:
    """Ways to export, each with the kind of attention that transformers shall use for it."""
    ways: list[tuple[Attempt, str | None]] = [(_direct, None)]
    if any(hasattr(getattr(m, "config", None), "_attn_implementation") for m in model.modules()):
        ways.append((_direct, "eager"))
    return [*ways, (_proxied, None), (_valued, None), (_differentiated, None), (_symbolic, None)]


def prepare(
    model: nn.Module, args: tuple, kwargs: dict[str, Any]
) -> tuple[Wrapper, FakeTensorMode | None]:
    """Wrap ``model``; one without storage gets fake tensors that pretend to be on the cpu."""
    tensors = [*model.parameters(), *model.buffers()]
    if not any(t.device.type == "meta" for t in tensors):
        device = tensors[0].device if tensors else torch.device("cpu")
        return Wrapper(model, to_device(args, device), to_device(kwargs, device)), None
    mode = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)
    memory: dict[int, Tensor] = {}

    def fake(tensor: Tensor) -> Tensor:
        if tensor.device.type != "meta":
            return tensor
        if id(tensor) not in memory:
            with mode:
                copy: Tensor = torch.empty_strided(
                    tensor.shape, tensor.stride(), dtype=tensor.dtype, device="cpu"
                )
            if isinstance(tensor, nn.Parameter):
                copy = nn.Parameter(copy, tensor.requires_grad)
            memory[id(tensor)] = copy
        return memory[id(tensor)]

    convert_tensors(model, fake)
    wrapper = Wrapper(model, args, kwargs)
    for slot in wrapper.slots:
        leaf = wrapper.leaves[slot]
        with mode:
            wrapper.leaves[slot] = torch.empty(leaf.shape, dtype=leaf.dtype, device="cpu")
    return wrapper, mode


def _direct(wrapper: Wrapper, mode: FakeTensorMode | None) -> Exported:
    program = torch.export.export(wrapper, tuple(wrapper.tensors), strict=False)
    return _functional(program, wrapper, None)


def _proxied(wrapper: Wrapper, mode: FakeTensorMode | None) -> Exported:
    """Record with make_fx, which does not mind models that assign to themselves."""
    tensors = {**dict(wrapper.named_parameters()), **dict(wrapper.named_buffers())}
    return _recorded(wrapper, mode, tensors)


def _valued(wrapper: Wrapper, mode: FakeTensorMode | None) -> Exported:
    """The same, but forward may read numbers from buffers, whose values are known."""
    if mode is not None:
        raise TraceError("buffers without values")
    return _recorded(wrapper, mode, dict(wrapper.named_parameters()))


def _differentiated(wrapper: Wrapper, mode: FakeTensorMode | None) -> Exported:
    """Record below autograd, so that derivatives that forward takes are recorded as well."""
    tensors = {**dict(wrapper.named_parameters()), **dict(wrapper.named_buffers())}
    return _recorded(wrapper, mode, tensors, above=False)


def _recorded(
    wrapper: Wrapper, mode: FakeTensorMode | None, named: dict[str, Tensor], above: bool = True
) -> Exported:
    from torch.fx.experimental.proxy_tensor import make_fx

    names = list(named)

    def call(*flat: Tensor) -> tuple[Tensor, ...]:
        state = dict(zip(names, flat, strict=False))
        return torch.func.functional_call(wrapper, state, tuple(flat[len(names) :]))

    flat = [*named.values(), *wrapper.tensors]
    tracing: Literal["real", "fake"] = "real" if mode is not None else "fake"
    with mode or nullcontext():
        module = make_fx(
            call, tracing_mode=tracing, pre_dispatch=above, _allow_non_fake_inputs=True
        )(*flat)
        _check_constants(module, wrapper)
        program = torch.export.export(module, tuple(flat), strict=False)
    return _functional(program, wrapper, names)


def _symbolic(wrapper: Wrapper, mode: FakeTensorMode | None) -> Exported:
    """Record with the symbolic tracer of torch.fx, which treats known modules as opaque."""
    inner = fx.symbolic_trace(wrapper.model)
    wrapper.model = inner
    return _direct(wrapper, mode)


def _functional(program: Any, wrapper: Wrapper, names: list[str] | None) -> Exported:
    """Make ``program`` functional; ``names``: tensors of the model that are its first inputs."""
    program = program.run_decompositions({})
    _check(program, wrapper)
    signature = program.graph_signature
    sources: list[Source] = []
    users = 0
    lead = len(names or ())
    for spec in signature.input_specs:
        if spec.kind is InputKind.USER_INPUT:
            if users < lead:
                assert names is not None
                sources.append(Source("tensor", names[users].removeprefix("model.")))
            else:
                at = users - lead
                sources.append(given(wrapper.names[at], wrapper.tensors[at]))
            users += 1
        elif spec.kind in (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR):
            data = program.constants.get(spec.target)
            if data is None:
                data = program.state_dict.get(spec.target)
            sources.append(Source("tensor", spec.target.removeprefix("model."), data))
        else:
            sources.append(Source("skip", spec.target or ""))
    results = [
        i for i, spec in enumerate(signature.output_specs) if spec.kind is OutputKind.USER_OUTPUT
    ]
    return Exported(program.graph, sources, results, list(wrapper.record.outputs))


def _check(program: Any, wrapper: Wrapper) -> None:
    """Make sure that no number is read out of a tensor, and that all sizes are numbers.

    Raises:
        TraceError: there is one, and what depends on it would be lost; or one is not.
    """
    for node in program.graph.nodes:
        where = location(node.meta.get("stack_trace") or "")
        if node.target in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.item.default):
            raise data_dependent(wrapper.model, "number", where)
        value = node.meta.get("val")
        for tensor in value if isinstance(value, (tuple, list)) else [value]:
            if isinstance(tensor, Tensor) and any(_unknown(n) for n in tensor.shape):
                raise data_dependent(wrapper.model, "count", where)


def _unknown(size: Any) -> bool:
    return isinstance(size, torch.SymInt) and size.node.maybe_as_int() is None


def _check_constants(module: nn.Module, wrapper: Wrapper) -> None:
    """Make sure that nothing which was computed from parameters and inputs became a constant.

    Raises:
        TraceError: derivatives that forward takes did.
    """
    held: set[int] = set()
    for inner in wrapper.modules():
        for value in inner.__dict__.values():
            held.update(map(id, value if isinstance(value, list) else [value]))
        held.update(map(id, (*inner._buffers.values(), *inner._parameters.values())))
    for tensor in [*module.buffers(), *module.parameters(), *module.__dict__.values()]:
        if isinstance(tensor, FakeTensor) and id(tensor) not in held:
            raise TraceError(
                f"cannot trace {type(wrapper.model).__name__}: forward takes derivatives in a way "
                "that cannot be recorded. Write them with torch.func"
            )
