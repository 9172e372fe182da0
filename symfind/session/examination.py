"""One report: what is checked on the model, as far as time and the keyboard let it be."""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from symfind import __version__
from symfind.analysis.certification import certify_derived
from symfind.analysis.derived import Derived
from symfind.analysis.doubled import on_a_batch_of_one
from symfind.analysis.points import Values
from symfind.analysis.subject import Subject
from symfind.analysis.verification import (
    INTERRUPTED,
    TIME_UP,
    unverified,
    verify_derived,
)
from symfind.budget import OutOfTime, limited
from symfind.count.counted import Counted
from symfind.describe.explained import nearly
from symfind.discrete import discrete_part
from symfind.errors import SymfindError
from symfind.formulas.fitted import Broken, Fitted, with_formula, with_formulas
from symfind.load.inputs import describe
from symfind.report.certificate import Certificate
from symfind.report.discrete import Discrete
from symfind.report.model import Dimension, ModelInfo, Report, Versions
from symfind.session.stages import Checked, Clock, settled
from symfind.verify import Function
from symfind.verify.function import Point


@dataclass(frozen=True)
class Wanted:
    """What a report should hold; see `Session.report`."""

    verify: bool
    certify: str
    places: Mapping[str, Values]
    budget: float | None


class Examination:
    """Verification, discrete part and certificate of what was derived.

    Args:
        subject: the model.
        counts: what was derived of it.
        wanted: what to look at.
        clock: told how long each part takes.
        before: what an earlier examination has checked, for good.
        fit: gives the count as a formula in the arguments of the model.
    """

    def __init__(
        self,
        subject: Subject,
        counts: Counted,
        wanted: Wanted,
        clock: Clock,
        before: Checked | None,
        fit: Callable[[], Fitted | Broken | None] = lambda: None,
    ) -> None:
        self.subject, self.wanted, self.clock, self.fit = subject, wanted, clock, fit
        self.fitted: Fitted | Broken | None = None
        self.before = before if wanted.verify else None
        self.found = self.before.found if self.before else Derived(counts)
        self.lasting = self.before  # what holds whatever else is asked for
        self.verified = unverified(self.found, "not begun")
        self.discrete: tuple[Discrete, ...] | None = None
        self.certificate: Certificate | None = None
        self.stopped = ""

    def report(self) -> Report:
        """All of it."""
        try:
            self.fitted = self.fit()
            with limited(self.wanted.budget):
                self._check()
        except KeyboardInterrupt:
            self.stopped = INTERRUPTED
        except OutOfTime:
            self.stopped = TIME_UP
        self.stopped = self.stopped or self.verified.stopped
        if self.certificate is None and self.wanted.certify == "never":
            self.certificate = self._certified()
        return self._written()

    def _check(self) -> None:
        with self.clock.part("verify"):
            if self.before is None:
                self._verify()
            else:
                self.verified, self.discrete = self.before.verified, self.before.discrete
        if not self.verified.stopped:
            with self.clock.part("certify"), settled():
                self.certificate = self._certified()

    def _verify(self) -> None:
        """Verification and what is discrete; kept for other reports once it is proven."""
        self.verified = verify_derived(self.found, self.subject, self.wanted.verify)
        if self.verified.stopped:
            return
        self.subject.tell("permutations, signs and reflections")
        proven, function = self.verified.here, self.verified.function
        words = "" if function or not proven else self._of_one_row()
        function = (function or self.subject.function()) if proven else None
        self.discrete = self._discrete(function, self.verified.theta)
        self.verified = replace(self.verified, theta=None, words=words)  # points are large
        if self.verified.proven:
            self.lasting = Checked(self.found, self.verified, self.discrete)

    def _of_one_row(self) -> str:
        return on_a_batch_of_one(self.found, self.subject, self.verified.theta)

    def _discrete(
        self, function: Function | None, theta: Point | None = None
    ) -> tuple[Discrete, ...]:
        found, seed = self.found, self.subject.seed
        try:
            return discrete_part(found.derivation, found.shapes, function, seed, theta)
        except SymfindError:
            raise
        except Exception as error:  # what is continuous stands without
            warnings.warn(
                f"permutations and signs are left out ({type(error).__name__}: {error}): this is "
                "a fault of symfind", stacklevel=2,
            )  # fmt: skip
            return ()

    def _certified(self) -> Certificate:
        places = {} if self.wanted.certify == "never" else self.wanted.places
        certificate, self.found = certify_derived(
            self.found, self.subject, self.wanted.certify, places
        )
        return certificate

    def _written(self) -> Report:
        loaded, found = self.subject.loaded, self.found
        certificate = self.certificate or Certificate("undetermined", reason=self.stopped)
        words = "\n".join(line for line in (certificate.words, self.verified.words) if line)
        certificate = replace(certificate, words=words)
        algebra, symmetry, inert = found.orbit()
        dimension = Dimension.of(
            found.parameters, algebra, symmetry, inert, found.formula(), found.sizes()
        )
        dimension = with_formula(dimension, self.fitted)
        return Report(
            model=ModelInfo(
                loaded.name,
                loaded.spec,
                describe(loaded.inputs, loaded.model),
                self.subject.mode,
                {name: math.prod(shape) for name, shape in found.shapes.items()},
            ),
            output=self.subject.output,
            dimension=dimension,
            factors=with_formulas(found.standing(), found.slots(), self.fitted),
            approximate=self.verified.approximate,
            discrete=self._discrete(None) if self.discrete is None else self.discrete,
            unsupported=found.gaps(certificate.status == "complete"),
            certificate=certificate,
            verification=self.verified.verification,
            timing=self.clock.timing(),
            versions=Versions(__version__, str(torch.__version__)),
            absent=nearly(found.derivation.matrices),
        )
