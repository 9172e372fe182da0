"""What the sizes of a model are called in its formulas."""

from collections.abc import Mapping, Sequence

from symfind.count.roles import role_names
from symfind.count.symbols import AxisSymbols, Symbols, local_names
from symfind.family.places import integers
from symfind.graph.primitives import Source
from symfind.load import Loaded, module_sizes


def symbols_of(loaded: Loaded, parameters: Mapping[str, Sequence[Source]]) -> Symbols:
    """The model's own names for sizes; of what is given ready one for every index."""
    if loaded.recipe is None or not integers(loaded.recipe.arguments):
        return AxisSymbols(role_names(parameters, dict(loaded.model.named_modules())))
    names = {**module_sizes(loaded.model), "": loaded.sizes}
    return Symbols(loaded.sizes, local_names(parameters, names))
