"""A stand-in for the analysis that loads the model and then reports what it is told to."""

import sys
import warnings
from types import ModuleType
from typing import Any

from symfind.report import Report


def install(report: Report, calls: list[dict[str, Any]] | None = None) -> ModuleType:
    """Build a module `symfind.session` whose `analyze` gives this report."""
    stub = ModuleType("symfind.session")

    def analyze(model: str, **arguments: Any) -> Report:
        from symfind.load import load

        if calls is not None:
            calls.append({"model": model, **arguments})
        if arguments["progress"]:
            arguments["progress"]("tracing")
        keys = ("inputs", "settings", "weights")
        load(model, **{key: arguments[key] for key in keys if key in arguments})
        warnings.warn("somebody else is deprecated", DeprecationWarning, stacklevel=1)
        return report

    stub.analyze = analyze  # type: ignore[attr-defined]
    sys.modules["symfind.session"] = stub
    return stub
