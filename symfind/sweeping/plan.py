"""From patterns, files and ranges to the list of models."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from symfind.errors import InputError, LoadError
from symfind.sweeping.job import Job, Options
from symfind.sweeping.ranges import choices
from symfind.sweeping.zoos import ZOOS

_WILD = "*?["


@dataclass(frozen=True)
class Wanted:
    """One model that was asked for: its spec, what stands beside it, and where it is defined."""

    spec: str
    settings: Mapping[str, Any]
    inputs: tuple[str, ...]
    module: str = ""


def plan(
    specs: Sequence[str],
    settings: Mapping[str, Any],
    preferred: Mapping[str, Any],
    inputs: Sequence[str],
    options: Options,
    one_per_module: bool = False,
) -> list[Job]:
    """Every model once, in the order in which it was asked for.

    Args:
        specs: model specs, patterns of the zoos (`timm:vit_*`), and files that list either.
        settings: for all of them; several values make several jobs.
        preferred: settings for those models that take them.
        inputs: example inputs for those that bring none of their own.
        options: how they are analysed.
        one_per_module: of the models that one module of a zoo defines, the first only.

    Raises:
        InputError: a pattern without a match, a list that cannot be read, an empty range.
        LoadError: the package of a zoo is not installed.
    """
    jobs: dict[str, Job] = {}
    modules: set[str] = set()
    for wanted in (w for spec in specs for w in _wanted(spec)):
        if one_per_module and wanted.module:
            if wanted.module in modules:
                continue
            modules.add(wanted.module)
        for choice in choices({**settings, **wanted.settings}):
            given = wanted.inputs or tuple(inputs)
            job = Job(wanted.spec, choice, dict(preferred), given, options)
            jobs.setdefault(job.key, job)
    return list(jobs.values())


def _wanted(spec: str) -> Iterator[Wanted]:
    zoo, colon, pattern = spec.partition(":")
    if colon and zoo in ZOOS and any(c in pattern for c in _WILD):
        yield from _matches(zoo, pattern)
    elif spec.endswith((".txt", ".list")):
        yield from _listed(Path(spec))
    else:
        yield Wanted(spec, {}, ())


def _matches(zoo: str, pattern: str) -> list[Wanted]:
    try:
        names = ZOOS[zoo]()
    except ImportError as error:
        raise LoadError(f"{zoo}:{pattern} needs {zoo} ({error}); pip install 'symfind[zoo]'") from (
            error
        )
    found = [(name, module) for name, module in names if fnmatchcase(name, pattern)]
    if not found:
        raise InputError(f"{zoo} has no model that matches {pattern!r}; * stands for any letters")
    return [Wanted(f"{zoo}:{name}", {}, (), f"{zoo}:{module}") for name, module in found]


def _listed(path: Path) -> Iterator[Wanted]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read the list of models {path}: {reason}") from error
    for number, line in enumerate(lines, 1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise InputError(f"{path}:{number}: {error}") from error
        if words:
            yield from _line(words, f"{path}:{number}")


def _line(words: Sequence[str], where: str) -> Iterator[Wanted]:
    """`SPEC [--set KEY=VALUE] [--input SPEC] …`, as on the command line."""
    spec, *rest = words
    settings: dict[str, str] = {}
    inputs: list[str] = []
    for flag, value in zip(rest[::2], [*rest[1::2], ""], strict=False):
        key, equals, text = value.partition("=")
        if flag == "--set" and key and equals:
            settings[key] = text
        elif flag == "--input" and value:
            inputs.append(value)
        else:
            raise InputError(
                f"{where}: {flag} {value} is not understood; "
                "a line is SPEC, then any of --set KEY=VALUE and --input SPEC"
            )
    if spec.endswith((".txt", ".list")):
        raise InputError(f"{where}: a list names models, not other lists ({spec})")
    for wanted in _wanted(spec):
        yield Wanted(wanted.spec, settings, tuple(inputs), wanted.module)
