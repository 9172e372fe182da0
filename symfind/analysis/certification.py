"""The certificate: whether the derived directions are all that the measurement sees."""

from typing import Any

from symfind.analysis.derived import Derived
from symfind.analysis.subject import Subject
from symfind.analysis.twins import certify_by_twins
from symfind.report.model import Certificate
from symfind.solve.support import unexplained_support
from symfind.verify import measure_nullity

DENSE_PARAMETERS = 3000
MOST_PARAMETERS = 10_000


def certify_derived(found: Derived, subject: Subject, wanted: str, proven: bool) -> Certificate:
    """Measure the nullity where that is possible, and hold the derived count against it.

    Args:
        found: what was derived.
        subject: the model.
        wanted: "auto", "always" or "never".
        proven: whether the generators were verified.
    """
    if wanted == "never":
        return Certificate("skipped", reason="not asked for")
    most = DENSE_PARAMETERS if wanted == "auto" else MOST_PARAMETERS
    if found.parameters > most:
        return certify_by_twins(found, subject)
    subject.tell("measuring the nullity")
    redundant = found.redundant
    measured = measure_nullity(
        subject.function(),
        subject.fresh(),
        seed=subject.seed,
        expected=redundant if proven else None,
        progress=subject.tell,
    )
    common: dict[str, Any] = {
        "method": "jacobian",
        "on": "model",
        "parameters": found.parameters,
        "nullity": measured.nullity,
        "redundant": redundant,
        "unexplained": None if measured.nullity is None else measured.nullity - redundant,
        "gap": measured.gap,
        "points": measured.points,
    }
    if measured.status == "undetermined" or measured.nullity is None:
        return Certificate("undetermined", reason=measured.reason, **common)
    if measured.nullity == redundant:
        return Certificate("complete", **common)
    if measured.nullity < redundant:
        return Certificate(
            "undetermined",
            reason="more was derived than measured: the inputs are special, or this is a bug",
            **common,
        )
    subject.tell("looking for what carries the unexplained directions")
    assert measured.theta is not None and measured.null is not None
    support = unexplained_support(measured.theta, measured.null, found.families, found.unread)
    return Certificate("incomplete", unexplained_support=support, **common)
