"""Points in parameter space, besides random ones, where the nullity is measured."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from symfind.errors import InputError
from symfind.load import Loaded, initialised

POINTS = ("generic", "init", "weights")

Values = Callable[[], Mapping[str, Tensor] | None]


def asked_points(
    points: str | Sequence[str], loaded: Loaded, settings: Mapping[str, Any], seed: int
) -> dict[str, Values]:
    """What gives the values at every point that was asked for, besides generic ones.

    Args:
        points: names among `POINTS`, as a sequence or joined by commas.
        loaded: the model; a point that was loaded with it is always among them.
        settings: with which it was built.
        seed: of its initialisation.

    Raises:
        InputError: a name is none of these, or there are no weights.
    """
    names = points.split(",") if isinstance(points, str) else list(points)
    names = [name.strip() for name in names]
    for name in names:
        if name not in POINTS:
            raise InputError(f"no point {name!r}; points are {', '.join(POINTS)}")
    if "weights" in names and loaded.weights is None:
        raise InputError("the point 'weights' needs a weight file: give --weights FILE")
    found: dict[str, Values] = {}
    if "init" in names:
        found["init"] = lambda: _initial(loaded, settings, seed)
    if loaded.weights is not None:
        found["weights"] = lambda: loaded.weights
    return found


def _initial(loaded: Loaded, settings: Mapping[str, Any], seed: int) -> Mapping[str, Tensor] | None:
    """The values that a model has once it is built; a model on the meta device is built again."""
    model: nn.Module | None = loaded.model
    if any(p.is_meta for p in loaded.model.parameters()):
        model = initialised(loaded.spec, settings, seed)
    if model is None:
        return None
    return {name: p.detach() for name, p in model.named_parameters()}
