"""``timm:NAME``."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from symfind.errors import LoadError
from symfind.load.build import unknown_setting
from symfind.load.files import explain, near
from symfind.load.meta import build_light
from symfind.load.operators import prepare_torchvision


def from_timm(name: str, settings: Mapping[str, Any]) -> nn.Module:
    """``timm.create_model`` with random weights, parameters on meta.

    Raises:
        LoadError: timm is not installed, or has no such model, or not with these settings.
    """
    prepare_torchvision()
    try:
        import timm
    except ImportError as error:
        raise LoadError(f"timm:{name} needs timm ({error}); pip install 'symfind[zoo]'") from error
    if ":" in name or not timm.is_model(name):
        names = timm.list_models()
        close = near(name, names)
        if "*" in name:
            close = timm.list_models(name)[:5]
        hint = f"did you mean {', '.join(close)}?" if close else "see timm.list_models()"
        raise LoadError(f"timm has no model {name!r} (nothing is downloaded); {hint}")
    if settings.get("pretrained"):
        raise LoadError(
            f"timm:{name}: nothing is downloaded, so there are no pretrained weights; "
            "drop that setting, or give --weights FILE"
        )
    arguments = {**settings, "pretrained": False}
    try:
        model = build_light(lambda: timm.create_model(name, **arguments))
    except TypeError as error:
        for key in settings:
            if f"'{key}'" in str(error):
                raise unknown_setting(f"timm:{name}", key, _arguments_of(name)) from error
        raise LoadError(explain(error, f"timm:{name} could not be built")) from error
    except Exception as error:
        raise LoadError(explain(error, f"timm:{name} could not be built")) from error
    return model


def _arguments_of(name: str) -> list[str]:
    import inspect

    import timm

    model = build_light(lambda: timm.create_model(name, pretrained=False))
    return list(inspect.signature(type(model).__init__).parameters)[1:]
