"""Make torchvision importable where its compiled operators do not match the installed torch."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@cache
def torchvision_schema() -> torch.library.Library | None:
    """Declare the operators torchvision annotates at import, unless its extension provides them.

    transformers and timm both import torchvision; none of the models here runs its operators.
    The library is kept alive by the cache.
    """
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None or hasattr(torch.ops.torchvision, "nms"):
        return None
    for extension in Path(spec.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(str(extension))
            return None
        except OSError:
            continue
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(name + _SCHEMA)
    return library
