"""What an analysis asks of the twins of a model that is too large to be measured itself."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.analysis.derived import Derived
from symfind.analysis.remainder import Remainder, sentences
from symfind.analysis.subject import Subject
from symfind.load.inputs import leaves
from symfind.report.certificate import Certificate, NullSet
from symfind.twin import Question, TwinFunction, certify_on_twins
from symfind.verify import Nullity
from symfind.verify.function import Call
from symfind.verify.nullity import Draw


def certify_by_twins(found: Derived, subject: Subject) -> Certificate:
    """Hold the derived formula against the measured nullity of small twins of the model.

    Where more is null on a twin than was derived, the certificate says which tensors carry it, by
    their names in the model, and what it is, as far as that can be told on a twin.

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

    def explain(function: TwinFunction, measured: Nullity) -> tuple[NullSet, ...]:
        subject.tell("looking for what carries the unexplained directions")
        return Remainder(_Surroundings(function, subject.seed), function, measured).sets()

    certificate = certify_on_twins(
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
            explain=explain,
        )
    )
    return _worded(certificate)


def _worded(certificate: Certificate) -> Certificate:
    """Say in sentences what a twin shows beyond what was derived."""
    if not certificate.unexplained_sets:
        return certificate
    on = f"On a twin of {certificate.parameters:,} parameters: "
    words = [on + line for line in sentences(certificate.unexplained_sets)]
    return replace(certificate, words="\n".join(words))


@dataclass(frozen=True)
class _Surroundings:
    """Inputs of a twin."""

    function: TwinFunction
    seed: int

    def fresh(self) -> Draw:
        return self.function.fresh

    def wider(self) -> Mapping[str, Draw]:
        """Of the sizes that the twin has: others it cannot be run with."""

        def values(rng: torch.Generator) -> Call:
            shift, scale = torch.randn(2, generator=rng, dtype=torch.float64).tolist()
            drawn = self.function.fresh(rng)
            return Call(
                (),
                {
                    key: 3.0 * scale * leaf + 3.0 * shift if leaf.is_floating_point() else leaf
                    for key, leaf in drawn.kwargs.items()
                },
            )

        return {"values of other size and mean": values}
