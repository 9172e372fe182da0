"""Of small architectures as users write them, what is derived is what is measured."""

from typing import Any

import pytest
import torch

import symfind
from tests.analysis.architectures import (
    Build,
    biased_attention,
    contrastive,
    coupling,
    decoder,
    experts,
    frozen,
    generator,
    hamiltonian,
    highway,
    linear_attention,
    messages,
    mixer,
    modulated,
    policy,
    pooling,
    projected,
    prototypes,
    radiance,
    receptance,
    sampler,
    scattered,
    selective,
    sets,
    skipgram,
    softmaxes,
    started,
    temporal,
    translation,
    unet,
    variational,
    whole_norm,
)

# How many dimensions are redundant, and measured to be, and where they come from.
ARCHITECTURES: list[tuple[Build, int]] = [
    (variational, 12),  # scales of two rectified layers of 6
    (sampler, 16),  # these, the scales of the code, and its shifts into the decoder
    (pooling, 69),
    (unet, 6),  # GroupNorm in groups of two: a shift each (4), and of the last block's two
    (translation, 40),
    (started, 20),  # 16 pairs of biases, 4 scales of the features
    (projected, 80),  # 64 pairs of biases, GL(2) for each of 4 projections
    (messages, 10),  # scales of two layers of 5
    (scattered, 5),  # scales of the messages, summed and compared alike
    (radiance, 16),  # scales of two layers of 8
    (sets, 42),  # GL(5) and shift of the sum (30), scales of two layers of 6
    (experts, 20),
    (coupling, 30),  # scales of six layers of 5
    (selective, 12),
    (receptance, 4),  # scales between value and output
    (linear_attention, 16),  # GL(4) between value and output
    (biased_attention, 50),
    (decoder, 150),
    (mixer, 41),
    (highway, 12),
    (modulated, 3),  # scales between style and kernel
    (prototypes, 11),  # E(3), scales of a layer of 5
    (contrastive, 15),
    (softmaxes, 9),
    (policy, 6),  # constants along the logits: 5 weights and a bias
    (skipgram, 9),  # GL(3)
    (hamiltonian, 1),  # the last bias is not read
    (temporal, 8),  # scales of two convolutions of 4
    (frozen, 0),  # what is frozen between two rectifiers holds their scales
    (whole_norm, 1),  # length of all of the direction
]


def _analyze(build: Build, **how: Any) -> symfind.Report:
    torch.manual_seed(0)
    model, inputs = build()
    return symfind.analyze(model, inputs, **how)


@pytest.mark.parametrize(
    ("build", "redundant"), ARCHITECTURES, ids=[b.__name__ for b, _ in ARCHITECTURES]
)
def test_derived_is_measured(build: Build, redundant: int) -> None:
    report = _analyze(build)
    assert (report.dimension.redundant, report.certificate.nullity) == (redundant, redundant)
    assert report.certificate.status == "complete"
    assert report.verification.status == "verified"
    assert report.unsupported == ()


def test_a_generator_in_training() -> None:
    """One scale per channel of either transposed convolution, whose statistics follow."""
    report = _analyze(generator, train=True)
    assert report.dimension.redundant == 9 and report.is_complete
