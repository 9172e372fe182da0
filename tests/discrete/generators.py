"""Every generator of what is derived as discrete, tried one by one on the model."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call

from symfind.discrete.elements import Element, Involution, permutations
from symfind.discrete.part import Site, sites_of
from symfind.discrete.spec import PermutationSpec
from symfind.solve.solver import derive
from symfind.trace import trace


class Net(nn.Module):
    """A function of named tensors and an input."""

    def __init__(self, run: Callable[["Net", Tensor], Tensor], **parts: object) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            if isinstance(part, tuple):
                setattr(self, name, nn.Parameter(torch.randn(*part)))
            elif isinstance(part, Tensor):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def net(run: Callable[[Net, Tensor], Tensor], **parts: object) -> Net:
    """The same at fixed random weights."""
    torch.manual_seed(0)
    return Net(run, **parts).eval()


def derived(model: nn.Module, x: Tensor) -> tuple[PermutationSpec, list[Site]]:
    """What the rules alone say, nothing tried on the model."""
    graph = trace(model, (x,), {})
    shapes = {name: tuple(op.shape or ()) for name, op in graph.parameters.items()}
    return sites_of(derive(graph), shapes)


def elements(
    spec: PermutationSpec, sites: list[Site], rng: torch.Generator
) -> Iterator[tuple[str, Element]]:
    """A transposition, a cycle and a random element of every permutation; every single sign."""
    for name in spec.perms:
        yield from ((name, e) for e in permutations(spec, [name], 1, rng))
    for family in (s.family for s in sites if s.family is not None):
        for bits in torch.eye(family.count(), dtype=torch.float64):
            yield family.kind, Involution(family, bits)


def false(model: nn.Module, x: Tensor) -> set[str]:
    """What is derived and changes an output at a random point, on 64 inputs, in float64."""
    spec, sites = derived(model, x)
    rng = torch.Generator().manual_seed(1)
    model = model.double()
    theta = {n: torch.randn(p.shape, generator=rng, dtype=torch.float64)
             for n, p in model.named_parameters()}  # fmt: skip
    inputs = 2 * torch.randn(64, *x.shape[1:], generator=rng, dtype=torch.float64)
    found = set()
    for name, element in elements(spec, sites, rng):
        full = theta
        if name in spec.perms:  # statistics move with permutations, and are constants for signs
            full = theta | {b: 0.5 + torch.rand(spec.tensors[b].shape, generator=rng).double()
                            for b in spec.buffers}  # fmt: skip
        with torch.no_grad():
            before = functional_call(model, full, (inputs,))
            after = functional_call(model, {**full, **element(full)}, (inputs,))
        if float((after - before).abs().max()) > 1e-9 * float(before.abs().max()):
            found.add(name)
    return found


def groups(model: nn.Module, x: Tensor) -> list[str]:
    """Names of the permutation groups that are derived."""
    return sorted(s.group.name for s in derived(model, x)[1] if s.kind == "permutation")
