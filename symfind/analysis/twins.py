"""What an analysis asks of the twins of a model that is too large to be measured itself."""

from torch import Tensor

from symfind.analysis.derived import Derived
from symfind.analysis.subject import Subject
from symfind.load.inputs import leaves
from symfind.report.model import Certificate
from symfind.twin import Question, certify_on_twins


def certify_by_twins(found: Derived, subject: Subject) -> Certificate:
    """Hold the derived formula against the measured nullity of small twins of the model.

    Args:
        found: what was derived.
        subject: the model.
    """
    if found.failed:
        return Certificate("skipped", reason="the formula contains factors that failed")
    subject.tell("building twins")
    named = [(key, leaf) for key, leaf in leaves(subject.loaded.inputs) if isinstance(leaf, Tensor)]
    inputs = list(zip(subject.graph.inputs, named, strict=False))
    bounds = subject.loaded.inputs.bounds
    return certify_on_twins(
        Question(
            graph=subject.graph,
            redundant=found.redundant,
            names=subject.loaded.sizes,
            output=subject.output,
            train=subject.train,
            examples={op.key: leaf for op, (_, leaf) in inputs},
            bounds={op.key: bounds[key] for op, (key, _) in inputs if key in bounds},
            seed=subject.seed,
            device=subject.device,
            tell=subject.tell,
        )
    )
