"""Run a hostile call, and say what is wrong with what came of it."""

import json
import logging
import os
import random
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import rich.style  # noqa: F401
import torch
from click.testing import CliRunner, Result

import symfind.conserve
import symfind.discovery
import symfind.exact  # noqa: F401  (what importing does to the process is not of a case)
from symfind.cli import main
from tests.hostile.cases import Case

SLOW = 60.0  # seconds of processor time


def prepare(case: Case, folder: Path) -> None:
    """Write the files of a case."""
    for name, content in case.files.items():
        path = folder / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_bytes(content.encode("utf-8", "surrogatepass"))
        else:
            content(path)


def faults(case: Case, folder: Path) -> list[str]:
    """Run a case in a folder of its own; what is wrong, nothing where all is well."""
    prepare(case, folder)
    here = {path.name: _content(path) for path in folder.iterdir()}
    before, start, modules = _state(), time.process_time(), set(sys.modules)
    home, path, filters = os.getcwd(), list(sys.path), list(warnings.filters)
    os.chdir(folder)
    try:
        result = CliRunner().invoke(main, list(case.arguments))
    finally:
        os.chdir(home)
    found = _judged(case, result)
    spent = time.process_time() - start
    if spent > SLOW:
        found.append(f"took {spent:.0f} s")
    found += [
        f"left {what} changed"
        for what, was in before.items()
        if _state()[what] != was and not (_reads_more(case) and "random" in what)
    ]
    now = {path.name: _content(path) for path in folder.iterdir()}
    changed = sorted(n for n in here if now.get(n) != here[n])
    if result.exit_code == 2:
        new = set(now) - set(here) - {"__pycache__"}
        found += [f"left {sorted(new)} behind"] if new else []
    else:  # a result may replace what is named as its place, and that is no source
        changed = [n for n in changed if n.endswith(".py") or n not in case.arguments]
        changed = [n for n in changed if n != "symfind.toml"]
    found += [f"changed {changed}"] if changed else []
    _forget(modules, path, filters)
    return found


def _reads_more(case: Case) -> bool:
    """Whether code of a user's is run that is not a model: numbers that it draws are its own."""
    return "--data" in case.arguments or case.arguments[0] == "rules"


def _content(path: Path) -> bytes | None:
    """Of a file, None of anything else."""
    regular = path.is_file() and not path.is_symlink()
    return path.read_bytes() if regular else None


def _judged(case: Case, result: Result) -> list[str]:
    found = []
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        found.append(f"raised {result.exception!r}")
    if result.exit_code not in (0, 1, 2):
        found.append(f"exit code {result.exit_code}")
    for text in ("Traceback (most recent", "internal error", "fault of symfind"):
        if text in result.output:
            found.append(f"says {text!r}: {result.stderr.strip()[-300:]}")
    if result.exit_code == 2:
        named = "rror: " in result.stderr or result.stderr.startswith("Usage: ")
        if not named or result.stdout:
            found.append(f"no message: {result.output[-200:]!r}")
        if case.redundant is not None:
            found.append(f"refused: {result.stderr.strip()[-300:]}")
    bad = {c for c in result.output if not c.isprintable() and c not in "\n\t"}
    if bad:
        found.append(f"prints {bad!r}")
    return found + _report(case, result)


def _report(case: Case, result: Result) -> list[str]:
    """What is wrong with a report on standard output."""
    if result.exit_code == 2 or "-" not in case.arguments[1:] or case.arguments[0] == "export":
        return []
    try:
        report: dict[str, Any] = json.loads(result.stdout)
    except ValueError:
        return [f"no JSON: {result.stdout[:200]!r}"]
    if "certificate" not in report or "dimension" not in report:
        return []
    found, redundant = [], report["dimension"]["redundant"]
    certificate = report["certificate"]
    nullity = certificate["nullity"]
    if certificate["on"] == "model" and nullity is not None and redundant > nullity:
        found.append(f"unsound: derived {redundant}, null {nullity}")
    if report["verification"]["status"] == "failed":
        found.append("a generator failed")
    if case.redundant is not None and redundant != case.redundant:
        found.append(f"redundant {redundant}, not {case.redundant}")
    return found


def _state() -> dict[str, Any]:
    return {
        "streams": (id(sys.stdout), id(sys.stderr)),
        "logging": logging.root.manager.disable,
        "the default dtype": torch.get_default_dtype(),
        "torch's random state": torch.get_rng_state().tolist(),
        "Python's random state": random.getstate(),
        "gradients": torch.is_grad_enabled(),
        "the folder": os.getcwd(),
    }


def _forget(modules: set[str], path: list[str], filters: list[Any]) -> None:
    """What a file of a case did to the process by itself must not meet the next one."""
    for name in set(sys.modules) - modules:
        if name in ("flash_attn", "xformers", "triton_stub") or name.startswith("symfind_file_"):
            sys.modules.pop(name, None)
    sys.path[:] = path
    warnings.filters[:] = filters  # type: ignore[index]
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.set_grad_enabled(True)
