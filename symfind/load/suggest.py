"""Zoo specs that a bare name may have meant."""

import re
from collections.abc import Iterator

from symfind.load.operators import prepare_torchvision

_SHOWN = 3


def suggestions(name: str) -> list[str]:
    """Specs of models of the installed zoos with this name, the closest of each zoo first.

    A name as on a hub, `openai-community/gpt2`, is looked up by its last part.
    """
    wanted = _plain(name.rpartition("/")[2])
    found: list[str] = []
    for specs in (_torchvision, _transformers, _timm):
        try:
            found += list(specs(wanted))[:_SHOWN]
        except Exception:  # a zoo that is not installed, or does not import, has nothing to say
            continue
    return found


def hint(name: str) -> str:
    """A sentence on them, empty where there are none."""
    found = suggestions(name)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _torchvision(wanted: str) -> Iterator[str]:
    prepare_torchvision()
    from torchvision import models

    for name in models.list_models():
        if _plain(name) == wanted:
            yield f"torchvision:{name}"


def _timm(wanted: str) -> Iterator[str]:
    prepare_torchvision()
    import timm

    for name in timm.list_models():
        if _plain(name) == wanted:
            yield f"timm:{name}"


def _transformers(wanted: str) -> Iterator[str]:
    """Classes of the kind of model that the name begins with, those with a head first."""
    prepare_torchvision()
    from transformers.models.auto import modeling_auto as auto

    tables = (
        "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES", "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
        "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
        "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES", "MODEL_MAPPING_NAMES",
    )  # fmt: skip
    found: list[tuple[int, str]] = []
    for table in tables:
        for kind, classes in getattr(auto, table, {}).items():
            plain = _plain(kind)
            if len(plain) > 2 and wanted.startswith(plain):
                one = classes if isinstance(classes, str) else classes[0]
                found.append((len(plain), one))
    longest = max((n for n, _ in found), default=0)
    for n, one in found[:]:
        if n == longest:
            yield f"transformers:{one}"
            return
