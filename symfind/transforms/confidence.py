"""An upper bound for the mean of a bounded quantity, at any number of samples.

For samples x in [0, 1] with mean m, and 0 <= l <= 1, the product of 1 + l (m - x) over independent
samples has mean one; so has the average of it over several l. By Markov's inequality it exceeds 1/p
with a probability of at most p. The largest m at which it does not is a bound that holds with
confidence 1 - p, without any assumption on the distribution (I. Waudby-Smith and A. Ramdas,
"Estimating means of bounded random variables by betting", 2024).
"""

import math

import torch
from torch import Tensor

CONFIDENCE = 0.95
_BETS = 60
_HALVINGS = 50


def upper_bound(samples: Tensor, confidence: float = CONFIDENCE) -> float:
    """What the mean of the distribution does not exceed.

    Args:
        samples: independent, in [0, 1].
        confidence: of the bound.
    """
    if not len(samples):
        return 1.0
    bets = torch.logspace(-4, 0, _BETS, dtype=torch.float64)
    enough = -math.log1p(-confidence)

    def wealth(mean: float) -> float:
        logs = torch.log1p((bets[:, None] * (mean - samples)).clamp(min=-1.0 + 1e-15)).sum(1)
        return float(torch.logsumexp(logs, 0)) - math.log(_BETS)

    low, high = float(samples.mean()), 1.0
    if wealth(high) < enough:
        return 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if wealth(middle) >= enough else (middle, high)
    return high
