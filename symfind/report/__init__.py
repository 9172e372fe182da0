"""The Report and its renderings. Nothing here needs torch."""

from symfind.report.certificate import Certificate, FoundField, NullEntry, NullSet, NullVector
from symfind.report.codec import ReportFormatError
from symfind.report.discrete import Discrete, DiscretePlace
from symfind.report.model import (
    KINDS,
    SCHEMA,
    Absent,
    Dimension,
    Factor,
    GeneratorText,
    Kind,
    ModelInfo,
    Place,
    Report,
    Residual,
    Timing,
    Unsupported,
    Verification,
    Versions,
)
from symfind.report.pages import page

__all__ = [
    "KINDS",
    "SCHEMA",
    "Absent",
    "Certificate",
    "Dimension",
    "Discrete",
    "DiscretePlace",
    "Factor",
    "FoundField",
    "GeneratorText",
    "Kind",
    "ModelInfo",
    "NullEntry",
    "NullSet",
    "NullVector",
    "Place",
    "Report",
    "ReportFormatError",
    "Residual",
    "Timing",
    "Unsupported",
    "Verification",
    "Versions",
    "page",
]
