"""The values of a function at several points at once."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from symfind.verify.batching import batching
from symfind.verify.function import Function, InputsLike, Point
from symfind.verify.infinite import finite

_AGREE = 1e-9  # relative difference of batched and separate evaluation
_NUMBERS = 20_000_000  # in all that one batch computes, about
_ACTIVATIONS = 10  # numbers of activations, per number of parameters and outputs (a guess)


class Several:
    """Evaluates points together (`torch.func.vmap`) where the model can be, else one by one.

    The first batch is compared with separate evaluation; a model that it does not suit (control
    flow by values, writes into what is not batched) is evaluated separately from then on.

    Args:
        function: of parameters.

    Attributes:
        together: whether points are evaluated together, as far as is known.
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self.together = True
        self._rows = 0  # of the outputs, once batched evaluation was compared

    def __call__(self, points: Sequence[Point], inputs: InputsLike) -> Tensor:
        """Outputs at the points, [points, rows], float64.

        Args:
            points: what they do not share has the same names and shapes in all of them.
            inputs: at which the function is evaluated.

        Raises:
            InputError: an output is NaN or infinite.
        """
        names = [n for n, v in points[0].items() if any(p[n] is not v for p in points[1:])]
        if self.together and names:
            found = self._batched(points, names, inputs)
            if found is not None:
                return found
            self.together = False
        return torch.stack([self.function(point, inputs) for point in points])

    def _batched(
        self, points: Sequence[Point], names: Sequence[str], inputs: InputsLike
    ) -> Tensor | None:
        """The same, unless the model cannot be evaluated so."""
        ends = None
        if not self._rows:
            ends = torch.stack([self.function(points[i], inputs) for i in (0, -1)])
        rows = self._rows if ends is None else ends.shape[1]
        size = max(2, _NUMBERS // (_ACTIVATIONS * (rows + self.function.count)))
        parts = [points[i : i + size] for i in range(0, len(points), size)]
        try:
            values = torch.cat([self._mapped(part, names, inputs) for part in parts])
        except Exception:  # whatever the code of a model raises when its weights are batched
            return None
        if ends is not None:
            if float((values[[0, -1]] - ends).norm()) > _AGREE * float(ends.norm()):
                return None
            self._rows = rows
        return finite(values, "the output", points[0])

    def _mapped(self, points: Sequence[Point], names: Sequence[str], inputs: InputsLike) -> Tensor:
        function, call = self.function, self.function.place(inputs)

        def one(moved: Mapping[str, Tensor]) -> Tensor:
            return function.evaluate({**points[0], **moved}, call)

        stacked = {n: torch.stack([p[n] for p in points]) for n in names}
        with function.scope(), batching():
            return torch.func.vmap(one, randomness="same")(stacked).detach()
