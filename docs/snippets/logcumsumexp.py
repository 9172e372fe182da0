"""The rule of logcumsumexp on trial: absent, wrong, and as it is."""

from symfind.ops import registry
from tests.rules.harness import FALSE, Case, examine, sequences

case = Case("logcumsumexp", "logcumsumexp", sequences(lambda z: z.logcumsumexp(1)))


def trial(name):
    outcome = examine(case)
    rigid = [op.target for op, _ in outcome.derivation.lowered.gaps]
    verdict = "sound" if outcome.worst < FALSE else "FALSE DIRECTIONS"
    print(f"{name}: derived {outcome.derived}, measured {outcome.measured}, {verdict}", *rigid)


def wrong(b, x, dim):
    """A running maximum, as if scalings passed as well."""
    return b.mix(x, [dim], [x.shape[dim]], unit=1.0, peak=True)


registry.load_rules()
rule = registry.lower.rules.pop("aten.logcumsumexp")
trial("no rule")
registry.lower.rules["aten.logcumsumexp"] = wrong
trial("wrong rule")
registry.lower.rules["aten.logcumsumexp"] = rule
trial("the rule")
