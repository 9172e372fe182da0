"""Every record is printed to JSON, read back, and applied: the function stays as it is."""

import pytest
import torch
from torch import nn

import symfind
from symfind.catalog import entries
from symfind.load import Inputs
from tests.action.harness import examine
from tests.action.small import SMALL
from tests.ground_truth.models import CASES, Case

MODULES = ("blocks:", "models.units:", "models.decoder:")
BLOCKS = [e for e in entries() if e.spec.startswith(tuple(f"symfind.catalog.{m}" for m in MODULES))]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_rows(case: Case) -> None:
    model, args, kwargs = case.build()
    inputs = Inputs(args, kwargs, dict(case.bounds))
    session = symfind.open(model, inputs, output=case.output, train=case.train)
    applied, missing = examine(session)
    assert not missing
    assert applied == len(session.derivation.families)


@pytest.mark.parametrize("entry", BLOCKS, ids=lambda entry: entry.slug)
def test_blocks(entry) -> None:
    _, missing = examine(symfind.open(entry.spec, settings=dict(entry.settings)))
    assert not missing


# Steps that draw at random to find a basis, or look at a value, are no expressions yet.
NO_RECORD = {
    "timm:vit_tiny_patch16_224": (
        "reach of blocks.0.attn.qkv.weight: a stored expression calls randint",
        "rotation of cls_token, pos_embed: Tensor.item()",
    )
}


@pytest.mark.parametrize("spec", SMALL)
def test_architectures(spec: str) -> None:
    settings, inputs = SMALL[spec]
    settings = {name: str(value) for name, value in settings.items()}
    applied, missing = examine(symfind.open(spec, settings=settings, inputs=inputs))
    known = NO_RECORD.get(spec, ())
    assert applied and len(missing) == len(known)
    assert all(said.startswith(what) for said, what in zip(missing, known, strict=True)), missing


def test_origins_that_depend_on_other_tensors() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4),
        nn.Flatten(), nn.Linear(4, 2),
    ).eval()  # fmt: skip
    for buffer in model.buffers():
        if buffer.is_floating_point():
            buffer.copy_(torch.rand_like(buffer) + 0.5)
    applied, missing = examine(symfind.open(model, torch.randn(4, 2, 3, 3)))
    assert applied > 3 and not missing


def test_masks_and_reordered_channels() -> None:
    from tests.rules.test_rules import CASES as RULES

    for case in RULES:
        if case.name.startswith(("mask-", "shuffle", "channel")):
            model, args = case.build()
            _, missing = examine(symfind.open(model, Inputs(args, {}, {}), train=case.train))
            assert not missing, case.name
