"""Numbers and sentences that all renderings share."""

from collections.abc import Mapping, Sequence

from symfind.report.certificate import Certificate
from symfind.report.discrete import Discrete, DiscretePlace
from symfind.report.model import Factor, Report, Verification

CHANGES = "What stands behind an arrow is the change, each A or a with coefficients of its own"
"""Of fields that were found from derivatives, in words."""


def count(value: int | None) -> str:
    """Write an integer with thousands separators; a dash for None."""
    return "-" if value is None else f"{value:,}"


def share(part: int, whole: int) -> str:
    """Write `part / whole` as a percentage that is never rounded to zero or to all."""
    if whole <= 0 or part == 0:
        return "0%"
    if part == whole:
        return "100%"
    percent = 100 * part / whole
    if percent < 0.01:
        return "<0.01%"
    if percent > 99.99:
        return ">99.99%"
    return f"{percent:.2f}%"


def small(value: float | None) -> str:
    """Write a residual with two significant digits; a dash for None."""
    return "-" if value is None else f"{value:.1e}"


def plural(number: int, noun: str) -> str:
    """Write a count and its noun, `1 point`, `1,024 points`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def some_of(names: Sequence[str], most: int = 4) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def where(factor: Factor) -> str:
    """Name all sites at once: in words, else by the id with a starred module path."""
    return factor.place


def finite(item: Discrete) -> str:
    """Say what a finite group does, where, and at how many sites."""
    others = f" and {item.sites - 1:,} more" if item.sites > 1 else ""
    place = item.module or item.id.partition(":")[0]
    times = f" ({plural(item.sites, 'site')})" if item.module else others
    what = item.text if item.kind == "reflection" else f"{item.kind}s"
    return f"{what} at {place}{times}"


def axes(one: DiscretePlace) -> str:
    """Tensors that a finite group moves at one site, with the dimensions along which it does."""
    sides: dict[tuple[int, ...], list[str]] = {}
    for name, dims in one.axes.items():
        sides.setdefault(dims, []).append(name)
    said = []
    for dims, names in sides.items():
        along = f"along dim {', '.join(map(str, dims))} of " if dims else ""
        said.append(along + ", ".join(names))
    return "; ".join(said)


def elsewhere(broke: Sequence[Mapping[str, int]]) -> str:
    """Counts at other sizes, by the arguments in which these differ from each other."""
    alike = {name for name in broke[0] if len({one.get(name) for one in broke}) == 1}
    hidden = {"redundant"} | (alike if len(broke) > 1 else set())
    return "; ".join(
        f"{one['redundant']:,} at "
        + ", ".join(f"{k}={n:,}" for k, n in one.items() if k not in hidden)
        for one in broke
    )


def by_size(factors: tuple[Factor, ...]) -> list[Factor]:
    """Sort the largest first and inert parameters last, keeping the order of the report in ties."""
    return sorted(factors, key=lambda factor: (factor.kind == "inert", -factor.total))


def inputs(report: Report) -> str:
    """Write the inputs on one line, `input_ids i64[1,1024]`."""
    return ", ".join(f"{name} {kind}" for name, kind in report.model.inputs.items()) or "none"


def used_sizes(report: Report) -> dict[str, int]:
    """Return the sizes that the formulas of the report mention, in the order of the report."""
    formulas = [report.dimension.formula, *(factor.formula for factor in report.factors)]
    names = {word for formula in formulas for word in _identifiers(formula)}
    return {name: size for name, size in report.dimension.sizes.items() if name in names}


def effective_label(report: Report) -> str:
    """Say what the effective count is: the functional dimension, or only a bound on it."""
    if report.is_complete:
        twin = " (shown on the twin)" if report.certificate.on == "twin" else ""
        return f"functional dimension{twin}"
    return "upper bound on the functional dimension"


def status(certificate: Certificate) -> str:
    """The status of a certificate, with where that was seen where it was not on the model."""
    return certificate.status + (" on twins" if certificate.on == "twin" else "")


def certificate_sentence(certificate: Certificate) -> str:
    """Say in words what the certificate shows, starting with its status."""
    reason = f": {certificate.reason}" if certificate.reason else ""
    if certificate.status == "skipped":
        return f"skipped{reason}"
    subject = f"the {certificate.on}" if certificate.on else "the model"
    if certificate.parameters is not None:
        subject += f" ({plural(certificate.parameters, 'parameter')})"
    counts = f"nullity {count(certificate.nullity)}, derived {count(certificate.redundant)}"
    if certificate.status == "complete":
        text = f"complete: on {subject} {counts}; all that is null there is derived"
    elif certificate.status == "incomplete":
        text = f"incomplete: on {subject} {counts}, unexplained {count(certificate.unexplained)}"
    else:
        measured = certificate.nullity is not None
        text = f"undetermined{reason}" + (f"; on {subject} {counts}" if measured else "")
    return text + _measurement(certificate)


def verification_sentence(verification: Verification) -> str:
    """Say in words how the generators fared, starting with the status."""
    reason = f": {verification.reason}" if verification.reason else ""
    if verification.status == "skipped":
        return f"skipped{reason}"
    setting = ", ".join(part for part in (verification.dtype, verification.device) if part)
    setting = f" ({setting})" if setting else ""
    if verification.status == "failed":
        failed = plural(len(verification.failed), "factor")
        return f"failed: {failed} failed and left the totals{setting}"
    worst = "" if verification.worst is None else f": worst residual {small(verification.worst)}"
    given = ", ".join(f"{name} {kind}" for name, kind in (verification.inputs or {}).items())
    return f"verified on {subject_of(verification)}{given and ' on ' + given}{worst}{setting}"


def subject_of(verification: Verification) -> str:
    """What generators were checked on."""
    if verification.on is None:
        return "the model itself"
    sizes = ", ".join(f"{name}={n}" for name, n in verification.on.items() if "." not in name)
    size = plural(verification.parameters or 0, "parameter")
    return f"a model of the same family with {size} ({sizes})"


def _measurement(certificate: Certificate) -> str:
    parts = []
    if certificate.gap is not None and None not in certificate.gap:
        above, below = certificate.gap
        parts.append(f"gap 10^{above:.1f} to 10^{below:.1f}")
    if certificate.points:
        parts.append(plural(len(certificate.points), "random point"))
    return f" ({', '.join(parts)})" if parts else ""


def _identifiers(formula: str) -> set[str]:
    cleaned = "".join(c if c.isalnum() or c in "_." else " " for c in formula)
    return {word for word in cleaned.split() if not word[0].isdigit()}
