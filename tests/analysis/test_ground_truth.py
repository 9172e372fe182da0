"""Every row of the ground-truth table: derived, measured, verified, and the three agree."""

import pytest

import symfind
from symfind.load import Inputs
from tests.ground_truth.models import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_derived_equals_measured(case: Case) -> None:
    model, args, kwargs = case.build()
    inputs = Inputs(args, kwargs, dict(case.bounds))
    report = symfind.analyze(model, inputs, output=case.output, train=case.train)
    certificate, verification = report.certificate, report.verification
    complete = case.redundant == case.nullity

    assert report.dimension.parameters == certificate.parameters == case.parameters
    assert report.dimension.redundant == certificate.redundant == case.redundant
    assert certificate.nullity == case.nullity == min(certificate.points)
    assert certificate.status == ("complete" if complete else "incomplete")
    assert certificate.unexplained == case.nullity - case.redundant
    assert bool(certificate.unexplained_support) is not complete

    # formulas are what they say, at the sizes that they name
    sizes = dict(report.dimension.sizes)
    assert eval(report.dimension.formula or "0", sizes) == report.dimension.redundant
    for factor in report.factors:
        assert eval(factor.formula or "0", sizes) == factor.total, factor.id

    assert verification.status == "verified" and not verification.failed
    assert verification.worst < 1e-9
    for factor in report.factors:
        if factor.kind == "inert":
            continue
        assert factor.residual.infinitesimal < 1e-9 and factor.residual.finite < 1e-9, factor.id
        # where all of a tensor is redundant, a random change of it does nothing either
        moved = sum(report.model.tensors[name] for name in factor.parameters)
        assert factor.residual.random > 1e-3 or factor.total == moved, factor.id
