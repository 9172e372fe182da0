"""An analysis that is ended from outside before there is a count."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

from symfind import __version__
from symfind.errors import Interrupted
from symfind.load import Loaded
from symfind.load.inputs import describe
from symfind.report.certificate import Certificate
from symfind.report.model import (
    Dimension,
    ModelInfo,
    Report,
    Unsupported,
    Verification,
    Versions,
)
from symfind.session.stages import Clock


@dataclass(frozen=True)
class Stage:
    """What is done with a model before there is a count: timed, and named where it is cut short."""

    loaded: Loaded
    output: Literal["raw", "softmax"]
    train: bool
    clock: Clock

    @contextmanager
    def __call__(self, doing: str, part: str) -> Iterator[None]:
        """Time the code inside as a part of the whole.

        Raises:
            Interrupted: it was interrupted; with a report of the model alone.
        """
        try:
            with self.clock.part(part):
                yield
        except Interrupted:
            raise
        except KeyboardInterrupt as error:
            found = Interrupted(doing)
            found.report = self._report(found.reason)
            raise found from error

    def _report(self, why: str) -> Report:
        """A report in which nothing is derived, and why."""
        loaded = self.loaded
        sizes = {n: p.numel() for n, p in loaded.model.named_parameters() if p.requires_grad}
        inputs = describe(loaded.inputs, loaded.model)
        mode: Literal["train", "eval"] = "train" if self.train else "eval"
        return Report(
            model=ModelInfo(loaded.name, loaded.spec, inputs, mode, sizes),
            output=self.output,
            dimension=Dimension.of(sum(sizes.values()), 0, 0),
            factors=(), approximate=(), discrete=(),
            unsupported=(Unsupported("derivation", (), why),),
            certificate=Certificate("undetermined", reason=why),
            verification=Verification("skipped", reason=why),
            timing=self.clock.timing(),
            versions=Versions(__version__, str(torch.__version__)),
        )  # fmt: skip
