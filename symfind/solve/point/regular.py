"""Gains by which one may divide: those that are zero nowhere, at almost all parameters."""

import torch

from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.graph.wires import ancestors
from symfind.ops.facts import facts
from symfind.solve.point.values import known_value

_NOWHERE = ("leaky_relu", "rrelu", "prelu", "elu", "celu", "selu")  # zero on neither side
_BOUNDED = ("clamp", "clamp_min", "clamp_max", "hardtanh", "threshold")
_LOW = -100.0  # what is added before a softmax, and leaves next to nothing


def nowhere_zero(x: Node) -> bool:
    """Whether a constant is known to have no entry that is zero."""
    value = known_value(x)
    return value is not None and bool((value != 0).all())


def regular(gain: Node) -> bool:
    """Whether a wire that no input reaches is zero nowhere, at almost all parameters."""
    if gain.fixed:
        return nowhere_zero(gain)
    match gain:
        case p.Source():
            return gain.role == "parameter"
        case p.Softmax():
            return not _emptied(gain)
        case p.View() | p.Permute() | p.Expand() | p.Narrow() | p.Take():
            return regular(gain.inputs[0])
        case p.Join():
            return all(regular(x) for x in gain.inputs)
        case p.Pointwise():
            smooth = gain.op is not None and bool(facts(gain.op).bends)
            passes = bool(gain.slope or gain.growth) or gain.degree is not None or smooth
            return passes and not halved(gain) and (
                bool(gain.slope or gain.growth) or regular(gain.inputs[0])
            )  # fmt: skip
        case p.Contract():
            entrywise = all(n in gain.out for names in gain.labels for n in names)
            return entrywise and all(regular(x) for x in gain.inputs)
    return False


def vanishes(gain: Node) -> bool:
    """Whether a wire of parameters is seen to be zero at some entries, at many parameters."""
    if gain.fixed or isinstance(gain, p.Source):
        return False
    match gain:
        case p.Softmax():
            return _emptied(gain)
        case p.Movement():
            return any(vanishes(x) for x in gain.inputs)
        case p.Pointwise():
            homogeneous = gain.degree is not None or bool(gain.slope)
            return halved(gain) or (homogeneous and vanishes(gain.inputs[0]))
        case p.Contract():
            entrywise = all(n in gain.out for names in gain.labels for n in names)
            return entrywise and any(vanishes(x) for x in gain.inputs)
    return False


def halved(gain: p.Pointwise) -> bool:
    """Whether a function may be zero on one side of a kink, or on both."""
    if gain.slope is not None or gain.parity is not None:
        return False
    if gain.apply is not None:
        return not bool((gain.apply(torch.tensor([-1.0, 1.0])) != 0).all())
    if gain.op is None or gain.op.base in _NOWHERE:
        return False
    if gain.op.base in _BOUNDED:
        return any(v == 0 for v in (*gain.op.args[1:], *gain.op.kwargs.values()))
    return bool(facts(gain.op).kinks or facts(gain.op).truth)


def _emptied(soft: p.Softmax) -> bool:
    """Whether entries are taken out of a softmax, or all of some."""
    return soft.partial or any(_removes(x) for x in ancestors(soft.inputs))


def _removes(x: Node) -> bool:
    if isinstance(x, p.Peak) and not x.dims:
        return True
    value = x.value() if isinstance(x, p.Source) and x.fixed else None
    return value is not None and not value.is_complex() and bool((value < _LOW).any())
