"""What is to be analysed: one model at one choice of settings."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Options:
    """How every model of a sweep is analysed; see `symfind.analyze`.

    Attributes:
        laws: whether the conserved quantities of gradient flow are counted as well.
        texts: whether these are kept in words, with what cuts the groups down.
        formula: whether counts are held against other sizes, for a formula.
    """

    output: Literal["raw", "softmax"] = "raw"
    train: bool = False
    verify: bool = True
    certify: Literal["auto", "always", "never"] = "auto"
    device: str = "cpu"
    seed: int = 0
    budget: float | None = None
    laws: bool = False
    texts: bool = False
    formula: bool = True


@dataclass(frozen=True)
class Job:
    """One model.

    Attributes:
        spec: what `symfind analyze` takes.
        settings: keyword arguments, as `--set` takes them; texts are parsed, others passed on.
        preferred: settings for those models that take them.
        inputs: example inputs, as `--input` takes them.
        options: how it is analysed.
    """

    spec: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    preferred: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    options: Options = Options()

    @property
    def key(self) -> str:
        """A name that two jobs share only if they ask for the same."""
        asked = asdict(self)
        if self.options.formula:
            del asked["options"]["formula"]  # files that were written without the choice go on
        text = json.dumps(asked, sort_keys=True, default=repr)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def title(self) -> str:
        """For people: the spec with its settings."""
        return " ".join([self.spec, *(f"{key}={value}" for key, value in self.settings.items())])

    def described(self) -> dict[str, Any]:
        """The part of a record that says what was asked for."""
        settings = {key: plain(value) for key, value in self.settings.items()}
        return {"key": self.key, "spec": self.spec, "settings": settings}


def plain(value: Any) -> Any:
    """A value that JSON can say: a number, a truth, a text."""
    return value if isinstance(value, str | int | float | bool | None) else repr(value)
