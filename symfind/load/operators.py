"""torchvision wheels whose compiled operators do not load beside the installed torch."""

import sys
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TypeVar

import torch

T = TypeVar("T")

# operators that torchvision describes to torch while it is being imported, compiled or not
_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_libraries: list[torch.library.Library] = []  # torch forgets a library that nobody holds


def with_operators(execute: Callable[[], T], quiet: bool = False) -> T:
    """The result of something that imports torchvision, or a package that imports it.

    Where it fails for want of torchvision's operators, they are declared, a warning says so unless
    `quiet`, and it runs once more: models can then be built and analysed, the operators not
    executed.
    """
    try:
        return execute()
    except Exception as error:
        if _libraries or not any(_missing_operator(cause) for cause in _causes(error)):
            raise
    _declare(quiet)
    return execute()


def import_torchvision(quiet: bool = False) -> ModuleType:
    """Import torchvision, whether or not its compiled operators load.

    Raises:
        ImportError: It is not installed.
    """

    def imported() -> ModuleType:
        import torchvision

        return torchvision  # type: ignore[no-any-return]

    return with_operators(imported, quiet)


def prepare_torchvision() -> None:
    """Make torchvision importable for packages that import it themselves, if it is there."""
    try:
        import_torchvision(quiet=True)  # nobody asked for it
    except ImportError:
        pass


def _missing_operator(error: BaseException) -> bool:
    text = str(error)
    return isinstance(error, RuntimeError) and "torchvision::" in text and "does not exist" in text


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those it was raised from: lazy imports report an error of their own."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _declare(quiet: bool) -> None:
    library = torch.library.Library("torchvision", "FRAGMENT")
    _libraries.append(library)
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)
    for module in [m for m in sys.modules if m.split(".")[0] == "torchvision"]:
        del sys.modules[module]
    if quiet:
        return
    warnings.warn(
        "the compiled operators of torchvision do not load beside this torch; models that execute "
        "them (detection) cannot be analysed, all others can",
        stacklevel=3,
    )
