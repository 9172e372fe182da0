"""Lines of Python that are printed for a reader do what they say."""

import pytest
import torch

import symfind
from symfind.action.code import Unwritten, code
from symfind.analysis.subject import probed
from symfind.verify.invariance import points_of

SPECS = {
    "blocks:self_attention": {},
    "blocks:relu_mlp": {},
    "models.decoder:decoder": {"n_layer": "1"},
    "models.decoder:decoder tied": {"n_layer": "1", "norm": "'layer'", "bias": "True"},
}
WRITTEN = {"blocks:self_attention": 2, "blocks:relu_mlp": 2, "models.decoder:decoder": 5,
           "models.decoder:decoder tied": 7}  # fmt: skip


@pytest.mark.parametrize("spec", SPECS)
def test_lines_leave_the_outputs_alone(spec: str) -> None:
    session = symfind.open(f"symfind.catalog.{spec.split()[0]}", settings=SPECS[spec])
    report = session.report(verify=False, certify="never", formula=False)
    function, rng = session.subject.function(), torch.Generator().manual_seed(0)
    theta = dict(points_of(function, rng, probed(function, rng))[0])
    before, written = function(theta, session.loaded.inputs), 0
    torch.set_default_dtype(torch.float64)
    try:
        for factor in report.factors:
            for record in factor.records:
                try:
                    lines = code(record, most=100)
                except Unwritten:
                    continue
                w = {name: t.clone() for name, t in theta.items()}
                exec("\n".join(lines), {"torch": torch, "w": w})
                after = function({n: w[n] for n in theta}, session.loaded.inputs)
                assert (after - before).norm() < 1e-8 * before.norm(), (factor.id, lines)
                assert any(not torch.equal(w[n], theta[n]) for n in theta)
                written += 1
    finally:
        torch.set_default_dtype(torch.float32)
    assert written >= WRITTEN[spec]
