"""The rule of logsumexp on trial: absent, wrong, and as it is."""

from symfind.ops import registry
from tests.rules.harness import FALSE, Case, examine, sequences

case = Case("logsumexp", "logsumexp", sequences(lambda z: z.logsumexp(1)))


def trial(name):
    outcome = examine(case)
    rigid = [op.target for op, _ in outcome.derivation.lowered.gaps]
    verdict = "sound" if outcome.worst < FALSE else "FALSE DIRECTIONS"
    print(f"{name}: derived {outcome.derived}, measured {outcome.measured}, {verdict}", *rigid)


def wrong(b, x, dim, keepdim=False):
    """A maximum, as if scalings passed as well."""
    dims = [d % len(x.axes) for d in dim]
    return b.reduce(x, dims, keepdim, unit=1.0, peak=True)


registry.load_rules()
rule = registry.lower.rules.pop("aten.logsumexp")
trial("no rule")
registry.lower.rules["aten.logsumexp"] = wrong
trial("wrong rule")
registry.lower.rules["aten.logsumexp"] = rule
trial("the rule")
