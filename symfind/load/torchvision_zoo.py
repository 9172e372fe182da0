"""``torchvision:NAME``."""

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

from torch import nn

from symfind.errors import LoadError
from symfind.load.build import unknown_setting
from symfind.load.files import explain, near
from symfind.load.meta import build_light, keeps_values
from symfind.load.operators import import_torchvision


def from_torchvision(name: str, settings: Mapping[str, Any]) -> nn.Module:
    """``torchvision.models.get_model`` with random weights, parameters on meta.

    Raises:
        LoadError: torchvision is not installed, or has no such model, or not with these settings.
    """
    try:
        import_torchvision()
        from torchvision import models
    except ImportError as error:
        raise LoadError(
            f"torchvision:{name} needs torchvision ({error}); pip install 'symfind[zoo]'"
        ) from error
    names = models.list_models()
    if name not in names:
        close = near(name, names)
        hint = (
            f"did you mean {', '.join(close)}?" if close else "see torchvision.models.list_models()"
        )
        raise LoadError(f"torchvision has no model {name!r}; {hint}")
    parameters = inspect.signature(models.get_model_builder(name)).parameters
    if "pretrained" in settings or str(settings.get("weights") or "") not in ("", "None"):
        raise LoadError(
            f"torchvision:{name}: nothing is downloaded, so there are no pretrained weights; "
            "drop that setting, or give --weights FILE"
        )
    arguments = {key: None for key in ("weights", "weights_backbone") if key in parameters}
    if name in ("googlenet", "inception_v3") and not keeps_values():
        # their slow initialisation, deprecated with a warning, draws values that nobody reads
        arguments["init_weights"] = False  # type: ignore[assignment]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = build_light(lambda: models.get_model(name, **{**arguments, **settings}))
    except TypeError as error:
        for key in settings:
            if f"'{key}'" in str(error):
                known = [k for k, p in parameters.items() if p.kind is not p.VAR_KEYWORD]
                raise unknown_setting(f"torchvision:{name}", key, known) from error
        raise LoadError(explain(error, f"torchvision:{name} could not be built")) from error
    except Exception as error:
        raise LoadError(explain(error, f"torchvision:{name} could not be built")) from error
    return model
