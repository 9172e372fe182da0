"""How a model was made, so that it can be made again with other arguments.

A file says `model = GPT(GPTConfig())`, a zoo calls the class behind a name, a user names a class or
a function. In all of these something is called with arguments that hold the sizes. They are noted
while the model is loaded: `torch.nn.Module.__init__` is told of every module before anything else
is done in it, and the frames above it still hold what its constructor was called with.
"""

import contextlib
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

from torch import nn
from torch.utils._pytree import tree_map

from symfind.load.build import bare, check_model
from symfind.load.meta import build_light, isolated_randomness
from symfind.load.pairs import with_pairs

Make = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Recipe:
    """What was called to make a model.

    Attributes:
        arguments: by name; of a config the dotted paths of its fields.
        make: calls it again with some of the arguments changed; it gives a module, or a pair of a
            module and its example inputs.
    """

    arguments: Mapping[str, Any]
    make: Make

    def again(self, changes: Mapping[str, Any], seed: int = 0) -> tuple[nn.Module, Any]:
        """The model with other arguments, and the example inputs that came with it, or None.

        Whatever its constructor raises is passed on.
        """
        with (
            isolated_randomness(seed),
            warnings.catch_warnings(),
            contextlib.redirect_stdout(sys.stderr),
        ):
            warnings.simplefilter("ignore")
            made = self.make(changes)
        model, example = made if isinstance(made, tuple) else (made, None)
        model = bare(model)
        check_model(model, type(model).__name__)
        return with_pairs(model), example


Calls = dict[int, tuple[nn.Module, Recipe]]


@contextlib.contextmanager
def recording() -> Iterator[Calls]:
    """Note what the constructor of every module that is made inside was called with."""
    calls: Calls = {}
    plain = nn.Module.__init__

    def noted(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        frame = _constructor(self, sys._getframe(1))
        plain(self, *args, **kwargs)
        if frame is not None:
            calls[id(self)] = (self, _recipe(type(self), frame))

    nn.Module.__init__ = noted  # type: ignore[method-assign]
    try:
        yield calls
    finally:
        nn.Module.__init__ = plain  # type: ignore[method-assign]


def _constructor(module: nn.Module, frame: FrameType | None) -> FrameType | None:
    """The outermost of the constructors of a module that are running."""
    found = None
    while frame is not None and frame.f_code.co_name in ("__init__", "inner_init", "wrapper"):
        names = frame.f_code.co_varnames[:1]
        if not names or frame.f_locals.get(names[0]) is not module:
            break
        found, frame = frame, frame.f_back
    return found


def _recipe(kind: type[nn.Module], frame: FrameType) -> Recipe:
    names, rest, named, values = inspect.getargvalues(frame)
    positional = _copied(tuple(values[rest]) if rest else ())
    keywords = _copied(dict(values[named]) if named else {})
    own = {name: _copied(values[name]) for name in names[1:] if name in values}

    def make(changes: Mapping[str, Any]) -> nn.Module:
        given = _copied({**own, **keywords, **changes})
        if not positional:
            return build_light(lambda: kind(**given))
        before = [given.pop(name) for name in own if name in given]
        return build_light(lambda: kind(*before, *_copied(positional), **given))

    return Recipe({**own, **keywords}, make)


def _copied(value: Any) -> Any:
    """The same in containers of its own: constructors take theirs apart."""
    return tree_map(lambda leaf: leaf, value)


def of_function(value: Callable[..., Any], settings: Mapping[str, Any]) -> Recipe | None:
    """The recipe of a function or class with arguments of its own, None where it has no integers.

    Args:
        value: what is called.
        settings: what it is called with, besides its defaults.
    """
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return None
    given = {p.name: p.default for p in parameters if p.default is not p.empty}
    given |= settings
    if not any(isinstance(v, int) and not isinstance(v, bool) for v in given.values()):
        return None
    return Recipe(given, lambda changes: value(**{**settings, **changes}))


def of_config(config: Any, make: Make) -> Recipe:
    """The recipe of a model that is made from a config, itself of configs perhaps.

    Args:
        config: of the model.
        make: makes the model with some of its fields changed, by their dotted paths.
    """
    return Recipe(dict(_fields(config, "")), make)


def _fields(config: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in vars(config).items():
        if name.startswith("_"):
            continue
        if hasattr(value, "model_type") and hasattr(value, "to_dict"):
            yield from _fields(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
