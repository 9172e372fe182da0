"""What an analysis asks of the twins of a model that is too large to be measured itself."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from symfind.analysis.derived import Derived
from symfind.analysis.remainder import Remainder, sentences
from symfind.analysis.subject import Subject
from symfind.analysis.wider import far, magnitudes
from symfind.errors import SymfindError
from symfind.load.inputs import leaves
from symfind.numerics.spans import beyond_span, span
from symfind.report.certificate import Certificate, NullSet
from symfind.twin import Question, TwinFunction, Twins
from symfind.twin.build import Twin
from symfind.twin.certify import TWINS
from symfind.twin.relations import relate
from symfind.verify import Nullity
from symfind.verify.function import Call
from symfind.verify.nullity import Draw

if TYPE_CHECKING:
    from symfind.analysis.lifted import Shortage
    from symfind.discovery.factor import FoundFactor


class ByTwins:
    """The twins of a model, which are built once whatever is asked of them.

    Args:
        found: what was derived.
        subject: the model.
    """

    def __init__(self, found: Derived, subject: Subject) -> None:
        """Nothing is built yet."""
        self.found, self.subject = found, subject
        self._short = _Short(found, subject)
        self._twins = Twins(_question(found, subject, self._short))

    def easy(self) -> bool:
        """Whether there are some that are measured in seconds."""
        return self._twins.easy

    def certificate(self) -> tuple[Certificate, Derived]:
        """Hold the derived formula against their measured nullity.

        Where more is null on a twin than was derived, discovery looks at it; what it finds on two
        twins, and stands on the model, is counted. Of the rest the certificate says which tensors
        carry it, by their names in the model, and what it is, as far as a twin tells.
        """
        if self.found.failed:
            reason = "the formula contains factors that failed"
            return Certificate("skipped", reason=reason), self.found
        self.subject.tell("building twins")
        certificate = self._short.counted(self._twins.certificate())
        return _worded(certificate), self.found.with_found(self._short.factors)

    def discovered(self) -> tuple["FoundFactor", ...]:
        """What discovery on them adds to a model that is measured itself."""
        self.subject.tell("building twins for discovery")
        self._twins.certificate()
        return self._short.factors


def _question(found: Derived, subject: Subject, short: "_Short") -> Question:
    named = [(key, leaf) for key, leaf in leaves(subject.loaded.inputs) if isinstance(leaf, Tensor)]
    inputs = list(zip(subject.graph.inputs, named, strict=False))
    bounds = subject.loaded.inputs.bounds
    return Question(
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
        explain=short.explained,
        short=short.take,
        without=subject.without,
    )


class _Short:
    """Twins on which more is null than is derived, and what discovery says of them.

    Attributes:
        factors: what stands on the model itself.
    """

    def __init__(self, found: Derived, subject: Subject) -> None:
        self.found, self.subject = found, subject
        self.shortages: list[Shortage] = []
        self.factors: tuple[FoundFactor, ...] = ()
        self.added = 0  # on the last twin
        self.agree = False  # whether as much is left on both twins

    def take(self, twin: Twin, function: TwinFunction, measured: Nullity) -> None:
        """A twin that is short of something."""
        from symfind.analysis.lifted import Shortage

        self.shortages.append(Shortage(twin, function, measured.on_cpu()))

    def explained(self, function: TwinFunction, measured: Nullity) -> tuple[NullSet, ...]:
        """What carries what is left on the last twin, once discovery has looked at it."""
        measured = measured.on_cpu()
        if self.subject.discovery and len(self.shortages) == TWINS:
            try:
                measured = self._looked(measured)
            except SymfindError:
                raise
            except Exception as error:  # what was measured stands, whatever happens to the search
                self.subject.tell(f"discovery fails: {type(error).__name__}: {error}")
        assert measured.beyond is not None
        if not measured.beyond.shape[1]:
            return ()
        self.subject.tell("looking for what carries the unexplained directions")
        return Remainder(_Surroundings(function, self.subject.seed), function, measured).sets()

    def _looked(self, measured: Nullity) -> Nullity:
        from symfind.analysis.lifted import ENTRIES, OnTwins, of_model, symbols_in

        around = [_Surroundings(s.function, self.subject.seed) for s in self.shortages]
        on_twins = OnTwins(self.shortages, around, self.subject.tell)
        if not on_twins.kinds:
            return measured
        self.subject.tell(f"trying {len(on_twins.kinds)} kinds of fields on the model")
        subject = replace(self.subject, device="cpu")
        few = self.found.redundant * self.found.parameters <= ENTRIES
        relations = relate(subject.graph)
        symbols = symbols_in(relations, self.found.derivation.parameters, self.found.symbols)
        derived = self.found.known() if few else None
        factors, kinds = of_model(
            on_twins.kinds, relations, subject.function(), subject, symbols, derived
        )
        self.factors = tuple(factors)
        more = [on_twins.directions(kinds, k) for k in range(TWINS)]
        left = [
            s.measured.beyond.shape[1] - own.shape[1]
            for s, own in zip(self.shortages, more, strict=True) if s.measured.beyond is not None
        ]  # fmt: skip
        self.added, self.agree = more[-1].shape[1], left == [0] * TWINS
        assert measured.directions is not None and measured.beyond is not None
        known = torch.cat([measured.directions, more[-1]], 1)
        return replace(measured, known=known.shape[1], directions=known,
                       beyond=beyond_span(span(measured.beyond), span(known)))  # fmt: skip

    def counted(self, certificate: Certificate) -> Certificate:
        """The certificate, with what discovery adds on the last twin."""
        if not self.added or certificate.unexplained is None:
            return certificate
        left = certificate.unexplained - self.added
        complete = left == 0 and self.agree and certificate.status == "incomplete"
        number = sum(one.orbit for one in self.factors)
        words = (
            f"Found by discovery on two twins, without a rule: {self.added:,} of the "
            f"{certificate.unexplained:,} directions of the last one that no rule derives; on the "
            f"model {number:,}, which stood the trials there."
        )
        return replace(
            certificate,
            status="complete" if complete else certificate.status,
            redundant=(certificate.redundant or 0) + self.added,
            unexplained=left,
            known=(certificate.known or 0) + self.added,
            unexplained_support=() if complete else certificate.unexplained_support,
            words=words,
        )


def _worded(certificate: Certificate) -> Certificate:
    """Say in sentences what a twin shows beyond what was derived."""
    if not certificate.unexplained_sets:
        return certificate
    on = f"On a twin of {certificate.parameters:,} parameters: "
    words = [on + line for line in sentences(certificate.unexplained_sets)]
    words += [certificate.words] if certificate.words else []
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

        def larger(rng: torch.Generator, power: int) -> Call:
            drawn = values(rng).kwargs
            return Call((), {key: far(leaf, power, rng) for key, leaf in drawn.items()})

        return {"values of other size and mean": values, **magnitudes(larger)}
