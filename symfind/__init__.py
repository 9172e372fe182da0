"""Continuous parameter-space symmetries of PyTorch models, with proofs that fit in a number.

``import symfind`` is cheap: torch and sympy are imported when a name below is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symfind.action.record import Record
    from symfind.algebra.generator import Generator
    from symfind.conserve import Conserved
    from symfind.discovery import Discovery
    from symfind.discrete import PermutationSpec
    from symfind.errors import (
        AlgebraError,
        ExactError,
        InputError,
        LoadError,
        OutputError,
        SymfindError,
        TraceError,
    )
    from symfind.exact import ExactNullity
    from symfind.lie import Identification, identify
    from symfind.ops.own import rule
    from symfind.report import Certificate, Factor, Report
    from symfind.session import (
        Session,
        align,
        analyze,
        apply,
        conserved,
        dims,
        discover,
        exact_nullity,
        fix,
        open,
        permutations,
        teleport,
    )
    from symfind.sweeping import Sweep, sweep
    from symfind.transforms import (
        Equivariance,
        Found,
        equivariance,
        input_permutations,
        inputs,
    )

__version__ = "0.1.0"

_HOMES = {
    "Conserved": "symfind.conserve",
    "PermutationSpec": "symfind.discrete",
    "Discovery": "symfind.discovery",
    "Equivariance": "symfind.transforms",
    "Found": "symfind.transforms",
    "equivariance": "symfind.transforms",
    "input_permutations": "symfind.transforms",
    "inputs": "symfind.transforms",
    "AlgebraError": "symfind.errors",
    "ExactError": "symfind.errors",
    "InputError": "symfind.errors",
    "LoadError": "symfind.errors",
    "OutputError": "symfind.errors",
    "SymfindError": "symfind.errors",
    "TraceError": "symfind.errors",
    "ExactNullity": "symfind.exact",
    "identify": "symfind.lie",
    "Identification": "symfind.lie",
    "Certificate": "symfind.report",
    "Factor": "symfind.report",
    "Generator": "symfind.algebra.generator",
    "Record": "symfind.action.record",
    "Report": "symfind.report",
    "align": "symfind.session",
    "rule": "symfind.ops.own",
    "analyze": "symfind.session",
    "apply": "symfind.session",
    "conserved": "symfind.session",
    "dims": "symfind.session",
    "discover": "symfind.session",
    "exact_nullity": "symfind.session",
    "fix": "symfind.session",
    "open": "symfind.session",
    "permutations": "symfind.session",
    "teleport": "symfind.session",
    "Session": "symfind.session",
    "Sweep": "symfind.sweeping",
    "sweep": "symfind.sweeping",
}

__all__ = [
    "AlgebraError",
    "Certificate",
    "Conserved",
    "Discovery",
    "Equivariance",
    "ExactError",
    "ExactNullity",
    "Factor",
    "Generator",
    "Found",
    "Identification",
    "InputError",
    "LoadError",
    "OutputError",
    "PermutationSpec",
    "Record",
    "Report",
    "Session",
    "Sweep",
    "SymfindError",
    "TraceError",
    "__version__",
    "align",
    "analyze",
    "apply",
    "conserved",
    "dims",
    "discover",
    "equivariance",
    "exact_nullity",
    "fix",
    "identify",
    "input_permutations",
    "inputs",
    "open",
    "permutations",
    "rule",
    "sweep",
    "teleport",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'symfind' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
