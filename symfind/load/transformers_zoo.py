"""``transformers:CLASS`` and ``transformers:path/config.json``."""

import inspect
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from symfind.errors import LoadError
from symfind.load.build import unknown_setting
from symfind.load.completed import complete, warn_assumed
from symfind.load.files import explain, near
from symfind.load.meta import build_light
from symfind.load.operators import prepare_torchvision


def from_transformers(name: str, settings: Mapping[str, Any]) -> nn.Module:
    """A transformers class with its default config, or the model of a config file.

    Parameters are on meta, attention is spelled out (``attn_implementation="eager"``), and no cache
    is kept; ``settings`` may change these.

    Raises:
        LoadError: transformers is not installed, or has no such class, or the config file or the
            settings do not make a config.
    """
    prepare_torchvision()
    try:
        import transformers
    except ImportError as error:
        raise LoadError(
            f"transformers:{name} needs transformers ({error}); pip install 'symfind[zoo]'"
        ) from error
    where = f"transformers:{name}"
    with _quiet(transformers.logging):
        if name.endswith(".json") or "/" in name or Path(name).exists():
            content = _read_config(Path(name), where)
            kind, config = _from_file(transformers, content, settings, where)
        else:
            kind = _model_class(transformers, name)
            config = _config(kind.config_class, {}, settings, where)
    _prefer(config, "use_cache", False, settings)
    # backbones that would fetch their own weights
    _prefer(config, "use_pretrained_backbone", False, settings)
    if "attn_implementation" not in settings:
        config._attn_implementation = "eager"
    with _offline(), _quiet(transformers.logging):
        try:
            return build_light(lambda: kind(config))
        except Exception as error:
            model = _completed(kind, config, where)
            if model is None:
                raise LoadError(explain(error, f"{where} could not be built")) from error
            return model


def _completed(kind: Any, config: Any, where: str) -> nn.Module | None:
    """The model with what its config leaves open filled in, where that is what it lacked."""
    filled = complete(config)
    if not filled:
        return None
    try:
        model = build_light(lambda: kind(config))
    except Exception:  # then the first error says more
        return None
    warn_assumed(where, filled)
    return model


def _model_class(transformers: Any, name: str) -> Any:
    try:
        found = getattr(transformers, name)
    except Exception as error:
        names = [n for n in dir(transformers) if "Model" in n or "For" in n]
        if name in names:
            raise LoadError(f"transformers:{name} cannot be imported: {error}") from error
        close = near(name, names)
        hint = (
            f"did you mean {', '.join(close)}?" if close else "name a class such as GPT2LMHeadModel"
        )
        raise LoadError(f"transformers has no class {name!r}; {hint}") from None
    if not (inspect.isclass(found) and issubclass(found, nn.Module)):
        if name.startswith("AutoModel"):
            raise LoadError(
                f"transformers:{name} takes its class from a config; write "
                "transformers:path/config.json, or a class such as GPT2LMHeadModel"
            )
        raise LoadError(f"transformers:{name} is not a model; name a class such as GPT2LMHeadModel")
    if getattr(found, "config_class", None) is None:
        raise LoadError(
            f"transformers:{name} has no config of its own; name a concrete model class"
        )
    return found


def _read_config(path: Path, where: str) -> dict[str, Any]:
    if path.is_dir():
        path = path / "config.json"
    if not path.is_file():
        raise LoadError(
            f"{where}: no such file; nothing is downloaded, so give a path on this disk"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise LoadError(f"{where}: not a JSON file: {error}") from error
    if not isinstance(content, dict):
        raise LoadError(f"{where}: a config is a JSON object, this is a {type(content).__name__}")
    return content


def _from_file(
    transformers: Any, content: dict[str, Any], settings: Mapping[str, Any], where: str
) -> tuple[Any, Any]:
    architectures = content.get("architectures") or []
    kind = None
    if architectures:
        kind = _model_class(transformers, str(architectures[0]))
        config_class = kind.config_class
    else:
        try:
            config_class = type(transformers.AutoConfig.for_model(content.get("model_type")))
        except Exception as error:
            raise LoadError(
                f"{where}: neither architectures nor a model_type that transformers knows "
                f"(model_type={content.get('model_type')!r}); add one to the file"
            ) from error
    config = _config(config_class, content, settings, where)
    if kind is None:
        try:
            kind = transformers.AutoModel._model_mapping[type(config)]
        except KeyError as error:
            raise LoadError(
                f"{where}: no base model for {type(config).__name__}; add architectures to the file"
            ) from error
    return kind, config


def _config(
    config_class: Any, content: Mapping[str, Any], settings: Mapping[str, Any], where: str
) -> Any:
    """A config of the file's content and the settings; ``vision_config.depth`` reaches inside."""
    try:
        plain = config_class.from_dict(dict(content)) if content else config_class()
    except Exception as error:
        raise LoadError(explain(error, f"{where}: the config is not accepted")) from error
    if not settings:
        return plain
    merged = dict(content)
    for key, value in settings.items():
        _check_known(plain, key, where)
        *parents, last = key.split(".")
        place = merged
        for parent in parents:
            place[parent] = dict(place.get(parent) or {})
            place = place[parent]
        place[last] = value
    merged.pop("attn_implementation", None)
    try:
        # not from_dict: it applies some settings after construction, when others have been derived
        config = config_class(**merged)
    except Exception as error:
        shown = " ".join(f"{key}={value}" for key, value in settings.items())
        raise LoadError(explain(error, f"{where} does not accept {shown}")) from error
    if "attn_implementation" in settings:
        config._attn_implementation = settings["attn_implementation"]
    return config


def _check_known(config: Any, key: str, where: str) -> None:
    if key == "attn_implementation":
        return
    value = config
    for part in key.split("."):
        if not hasattr(value, part):
            known = [n for n in {**vars(value), **value.attribute_map} if not n.startswith("_")]
            raise unknown_setting(where, part, known, key)
        value = getattr(value, part)


def _prefer(config: Any, name: str, value: Any, settings: Mapping[str, Any]) -> None:
    """Set a config field, also of nested configs, that the user left alone."""
    if name in settings:
        return
    if hasattr(config, name):
        setattr(config, name, value)
    for part in list(vars(config).values()):
        if hasattr(part, "model_type") and hasattr(part, "to_dict"):
            _prefer(part, name, value, settings)


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """Keep back advice about speed and token ids, which no analysis depends on."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


@contextmanager
def _offline() -> Iterator[None]:
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
