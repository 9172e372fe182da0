from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from symfind.load.inputs import Inputs
from symfind.load.recipe import Recipe


@dataclass
class Loaded:
    """A model ready to be analysed.

    Attributes:
        model: The module. Zoo models have their parameters on the meta device and their buffers,
            which are constants of the graph, on the CPU.
        inputs: Example inputs, real CPU tensors.
        name: The class or zoo name, for people.
        spec: The spec as it was given.
        sizes: The model's own names for its integer sizes, for formulas (``n_embd`` = 768).
        weights: A given point: parameter name to tensor, matched to the model; ``None`` without
            ``--weights``.
        recipe: How to make the model again with other arguments; ``None`` for one that was
            handed over as it is.
        otherwise: Others to be tried where the model does not run as it is, each with what it was
            given in words.
    """

    model: nn.Module
    inputs: Inputs
    name: str
    spec: str
    sizes: dict[str, int] = field(default_factory=dict)
    weights: Mapping[str, Tensor] | None = None
    recipe: Recipe | None = None
    otherwise: "Callable[[], Iterator[tuple[Loaded, str]]] | None" = None

    def become(self, other: "Loaded") -> None:
        """Hold what another holds, where this one does not run."""
        self.model, self.inputs = other.model, other.inputs
        self.sizes, self.recipe = other.sizes, other.recipe
