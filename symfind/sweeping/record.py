"""What is kept of one analysis: a line of a table, not a whole report."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from symfind.report.model import Report

if TYPE_CHECKING:
    from symfind.conserve.model import Conserved
    from symfind.report.explained import Explanation

SCHEMA = "symfind.sweep/1"


def record(report: Report, laws: int | None = None, operations: int = 0) -> dict[str, Any]:
    """The counts, groups and verdicts of a report.

    The learning coefficient λ of a model is at most half the dimension of what its parameters can
    do: λ ≤ (parameters - redundant)/2 (Watanabe, *Algebraic Geometry and Statistical Learning
    Theory*, 2009). `lambda_bound` is that bound, not the coefficient.

    Args:
        report: of the model.
        laws: how many quantities gradient flow conserves, None where that was not counted.
        operations: how many parameters reach, with and without a rule.
    """
    d, c, v = report.dimension, report.certificate, report.verification
    return {
        "status": "analysed",
        "name": report.model.name,
        "dimension": {
            "parameters": d.parameters,
            "algebra": d.algebra,
            "symmetry": d.symmetry,
            "inert": d.inert,
            "redundant": d.redundant,
            "effective": d.effective,
            "formula": d.formula,
        },
        "kinds": _kinds(report),
        "groups": [[f.kind, f.group, f.sites, f.total] for f in report.factors],
        "operations": operations,
        "laws": laws,
        "lambda_bound": d.effective / 2,
        "verification": {"status": v.status, "worst": v.worst, "reason": v.reason},
        "certificate": {
            "status": c.status, "on": c.on, "parameters": c.parameters, "nullity": c.nullity,
            "redundant": c.redundant, "unexplained": c.unexplained, "reason": c.reason,
        },
        "unsupported": {item.op: len(item.nodes) for item in report.unsupported},
        "versions": {"symfind": report.versions.symfind, "torch": report.versions.torch},
    }  # fmt: skip


def _kinds(report: Report) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for factor in report.factors:
        totals[factor.kind] += factor.total
    return dict(totals)


def texts(why: "Explanation", laws: "Conserved | None") -> dict[str, Any]:
    """What a page says besides the report: why groups are no larger, and what flow conserves.

    Args:
        why: what cuts the groups of all wires down.
        laws: conserved quantities, None where they were not looked for.
    """
    wires = [
        {
            "name": w.name, "role": w.role, "size": w.size, "group": w.group,
            "copies": w.copies, "rotated": w.rotated,
            "reasons": [[r.words, r.leaves, r.restores] for r in w.reasons],
        }
        for w in why.wires
    ]  # fmt: skip
    if laws is None:
        return {"wires": wires}
    kept = [[law.factor, law.text, law.latex, law.range, law.functions] for law in laws.laws]
    return {
        "wires": wires,
        "laws": {"count": laws.count, "lawless": laws.lawless, "open": list(laws.open),
                 "kept": kept},
    }  # fmt: skip


def failure(reason: str, message: str) -> dict[str, Any]:
    """What is kept of an analysis that came to no end.

    Args:
        reason: one of a few: `time`, `memory`, `crash`, or the class of an error.
        message: what there is to say.
    """
    return {"status": "failed", "reason": reason, "message": message}
