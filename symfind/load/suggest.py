"""Zoo specs that a bare name may have meant."""

import re
from collections.abc import Iterator

from symfind.load.operators import prepare_torchvision

_SHOWN = 3
_SHORT = 2  # letters with which many other names begin


def suggestions(name: str) -> list[str]:
    """Specs of models of the installed zoos with this name, the closest of each zoo first.

    A name as on a hub, `openai-community/gpt2`, is looked up by its last part.
    """
    wanted = name.rpartition("/")[2].lower()
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
        if _plain(name) == _plain(wanted):
            yield f"torchvision:{name}"


def _timm(wanted: str) -> Iterator[str]:
    prepare_torchvision()
    import timm

    for name in timm.list_models():
        if _plain(name) == _plain(wanted):
            yield f"timm:{name}"


def _transformers(wanted: str) -> Iterator[str]:
    """The class that the kind of model which the name begins with is published with."""
    prepare_torchvision()
    from transformers.models.auto import configuration_auto, modeling_auto

    every = ((_begins(wanted, kind), kind) for kind in configuration_auto.CONFIG_MAPPING_NAMES)
    for _, kind in sorted(((fit, kind) for fit, kind in every if fit), reverse=True):
        for table in _tables(configuration_auto.CONFIG_MAPPING[kind]):
            classes = getattr(modeling_auto, table, {}).get(kind)
            if classes:
                yield f"transformers:{classes if isinstance(classes, str) else classes[0]}"
                return


def _begins(name: str, kind: str) -> tuple[bool, int] | None:
    """How well a name begins with that of a kind: whether with whole words, with how many letters.

    None where it does not; a short one may only be whole words.
    """
    letters = _plain(kind)
    found = re.match("[^a-z0-9]*".join(letters) + "(?![a-z0-9])", name)
    if found or len(letters) > _SHORT and _plain(name).startswith(letters):
        return found is not None, len(letters)
    return None


def _tables(config: type) -> tuple[str, ...]:
    """Names of transformers' tables of classes with a head, in which to look one after another.

    Many kinds have several: an encoder also continues text where its config makes it a decoder, and
    the half of a translator alone does.
    """
    encoder_decoder = _default(config, "is_encoder_decoder")
    language = ["SEQ_TO_SEQ_CAUSAL_LM", "MASKED_LM", "CAUSAL_LM"]
    if not encoder_decoder:
        language = ["CAUSAL_LM", "MASKED_LM", "SEQ_TO_SEQ_CAUSAL_LM"]
        if not _default(config, "is_decoder"):
            language[:2] = reversed(language[:2])
    heads = (f"MODEL_FOR_{head}_MAPPING_NAMES" for head in (*language, "IMAGE_CLASSIFICATION"))
    return (*heads, "MODEL_MAPPING_NAMES")


def _default(config: type, name: str) -> bool:
    """Whether a config says so of the models that it is made for by default."""
    try:
        return bool(getattr(config(), name, False))
    except Exception:  # one that cannot be made without settings
        return bool(getattr(config, name, False))
