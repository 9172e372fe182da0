"""Records that went through JSON, applied to weights."""

import json

import torch
from torch import Tensor

from symfind.action.bound import Recorded
from symfind.action.record import Record
from symfind.analysis.subject import probed
from symfind.describe.recorded import Recorder
from symfind.report.codec import decode, encode
from symfind.session import Session
from symfind.solve.point.generator import BoundGenerator
from symfind.verify.elements import unit
from symfind.verify.invariance import points_of
from symfind.verify.sampling import random_direction

EXACT = 1e-12


def read_back(record: Record) -> Record:
    """A record as another program would get it."""
    again = decode(Record, json.loads(json.dumps(encode(record))))
    assert again == record
    return again


def held(session: Session) -> dict[str, Tensor]:
    """What a checkpoint holds besides trained parameters: buffers and frozen ones."""
    model = session.loaded.model
    named = (*model.named_buffers(remove_duplicate=False), *model.named_parameters())
    return {n: t.detach().double() if t.is_floating_point() else t for n, t in named}


def examine(session: Session) -> tuple[int, list[str]]:
    """Apply a random element of every record; how many were applied, and which were not.

    Each must do what the family does to every tensor, and leave the function as it is.
    """
    derivation = session.derivation
    recorder = Recorder(derivation.lowered.shapes, derivation.lowered.nodes)
    function, rng = session.subject.function(), torch.Generator().manual_seed(0)
    theta = dict(points_of(function, rng, probed(function, rng))[0])
    weights = {**held(session), **theta}
    before = function(theta, session.loaded.inputs)
    # deep networks multiply what rounding does to their weights, which no record can help
    rounded = {name: t + t * 1e-15 * torch.randn(t.shape, generator=rng).to(t)
               for name, t in theta.items()}  # fmt: skip
    rounding = float((function(rounded, session.loaded.inputs) - before).norm())
    applied, missing = 0, []
    for family in derivation.families:
        record = read_back(recorder.record(family))
        if record.missing:
            missing.append(f"{family.kind} of {', '.join(family.names[:2])}: {record.missing}")
            continue
        generator = Recorded("it", record)
        c = generator.coefficients(rng)
        field = generator.direction(weights, c)
        own = BoundGenerator("it", family).direction(theta, c)
        assert set(field) == set(own) and set(field) <= set(theta)
        for name, change in own.items():
            scale = max(float(change.norm()), float(theta[name].norm()))
            assert float((field[name] - change).norm()) <= EXACT * scale, name
        moved = generator.flow(weights, c * unit(field, theta), 0.1)
        shaken = {
            name: theta[name] + random_direction(t.shape, rng, float((t - theta[name]).norm()))
            for name, t in moved.items()
        }
        after = function({**theta, **moved}, session.loaded.inputs)
        effect = float((function({**theta, **shaken}, session.loaded.inputs) - before).norm())
        size = max(float(before.norm()), effect)
        error = float((after - before).norm())
        assert error <= max(EXACT * size, rounding), (family.kind, family.names, error / size)
        applied += 1
    return applied, missing
