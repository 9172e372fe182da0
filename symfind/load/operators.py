"""torchvision wheels whose compiled operators do not load beside the installed torch."""

import sys
import warnings
from types import ModuleType

import torch

# operators that torchvision describes to torch while it is being imported, compiled or not
_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_libraries: list[torch.library.Library] = []  # torch forgets a library that nobody holds


def declare_missing_operators(error: RuntimeError) -> bool:
    """Declare torchvision's operators after its import failed for want of them.

    Args:
        error: What the import raised.

    Returns:
        Whether that was the cause, so that the import is worth another try. Says once on standard
        error what is missing: the models can be built and analysed, the operators not executed.
    """
    if "torchvision::" not in str(error) or "does not exist" not in str(error) or _libraries:
        return False
    library = torch.library.Library("torchvision", "FRAGMENT")
    _libraries.append(library)
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)
    for module in [m for m in sys.modules if m.split(".")[0] == "torchvision"]:
        del sys.modules[module]
    warnings.warn(
        "the compiled operators of torchvision do not load beside this torch; models that execute "
        "them (detection) cannot be analysed, all others can",
        stacklevel=2,
    )
    return True


def import_torchvision() -> ModuleType:
    """Import torchvision, whether or not its compiled operators load.

    Raises:
        ImportError: It is not installed.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if not declare_missing_operators(error):
            raise
        import torchvision
    return torchvision  # type: ignore[no-any-return]


def prepare_torchvision() -> None:
    """Make torchvision importable for packages that import it themselves, if it is there."""
    try:
        import_torchvision()
    except ImportError:
        pass
