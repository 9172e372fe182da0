"""From a model to the permutations of its hidden indices."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import nn

from symfind.alone import alone
from symfind.analysis.pipeline import Tell
from symfind.analysis.subject import Subject, probe
from symfind.analysis.verification import VERIFIED_PARAMETERS
from symfind.discrete.part import spec_of, verified_spec
from symfind.discrete.spec import PermutationSpec
from symfind.load import resolve
from symfind.solve.solver import derive
from symfind.trace import trace_loaded


@alone()
def permutations(
    model: nn.Module | str,
    example_inputs: Any = None,
    output: Literal["raw", "softmax"] = "raw",
    verify: bool = True,
    device: str = "cpu",
    seed: int = 0,
    *,
    train: bool = False,
    inputs: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    progress: Tell = None,
) -> PermutationSpec:
    """Find the permutations of hidden indices that leave a model's outputs alone.

    Those that lie in a continuous group (a linear bond) are among them; they are marked.

    Args:
        model: a module, or a spec as on the command line.
        example_inputs: tensor, tuple or dict; optional where the spec provides them.
        output: "raw", or "softmax": outputs that differ by what softmax ignores are the same.
        verify: apply a random element to the model itself, where it fits in memory.
        device: where to verify.
        seed: of all random numbers.
        train: batch statistics as in training; running statistics are then not read.
        inputs: input specs that replace the example inputs, as `--input`.
        settings: keyword arguments for a factory, class or config, as `--set`.
        progress: called with a line on what is being done.

    Returns:
        The permutations and where they act. The model is unchanged.

    Raises:
        LoadError: the spec cannot be loaded.
        InputError: the inputs do not fit, or the model is not finite on them.
        TraceError: the model cannot be traced; the message names the line.
    """
    tell = progress or (lambda text: None)
    tell("loading the model")
    loaded = resolve(model, example_inputs, inputs=inputs, settings=settings, seed=seed)
    tell("tracing")
    graph = trace_loaded(loaded, train=train)
    tell("deriving permutations")
    shapes = {name: tuple(op.shape or ()) for name, op in graph.parameters.items()}
    spec = spec_of(derive(graph, output), shapes, _aliases(loaded.model))
    small = sum(op.numel() for op in loaded.model.parameters()) <= VERIFIED_PARAMETERS
    if not (verify and small and spec.perms):
        return spec
    tell("applying a random element to the model")
    subject = Subject(loaded, graph, output, train, device, seed, tell)
    function = subject.function()
    return verified_spec(spec, function, seed, lambda theta: probe(function, theta))


def _aliases(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """Other names of shared tensors in a model's state."""
    names: dict[int, list[str]] = {}
    tensors = (
        *model.named_parameters(remove_duplicate=False),
        *model.named_buffers(remove_duplicate=False),
    )
    for name, tensor in tensors:
        names.setdefault(id(tensor), []).append(name)
    return {first: tuple(rest) for first, *rest in names.values() if rest}
