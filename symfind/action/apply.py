"""Records acting on the tensors of a checkpoint."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from symfind.action.program import Program
from symfind.action.record import Action, Block, Record, Value
from symfind.algebra.exponential import exponential
from symfind.algebra.integrate import integrate
from symfind.algebra.matrices import matrices
from symfind.errors import InputError

Weights = Mapping[str, Tensor]
_CLOSE = 1e-8  # of a group element to its constraints, in double precision


def direction(record: Record, weights: Weights, c: Tensor) -> dict[str, Tensor]:
    """See `Record.direction`."""
    weights = _ready(record, weights)
    if record.change is not None:
        return record.change.run(weights, {"c": c})
    if record.element.kind == "shift":
        return _added(record, weights, c)
    x = _algebra(record, c)
    moves: dict[str, Tensor] = {}
    for action in record.actions:
        whole = weights[action.tensor]
        change = torch.zeros_like(whole)
        if action.block is not None:
            block = take(action.block, whole - _origin(action, weights, whole))
            if action.act == "scale":
                moved = block * _spread(action, x)
            else:
                y = -x.transpose(-1, -2) if action.dual else x
                moved = _multiplied(action, _conjugate(action, weights, y), block)
            change = put(action.block, moved, change)
        before = moves.get(action.tensor)
        moves[action.tensor] = change if before is None else before + change
    return _drifting(record, weights, moves)


def apply(record: Record, weights: Weights, c: Tensor, t: float = 1.0) -> dict[str, Tensor]:
    """See `Record.apply`."""
    weights = _ready(record, weights)
    if record.flow is not None:
        return record.flow.run(weights, {"c": c * t})
    if record.motion == "followed":
        moved = {name: weights[name] for name in record.names}
        return integrate(lambda theta: direction(record, theta, c), moved, t, None)
    if record.change is not None or record.element.kind == "shift":
        change = direction(record, weights, c)
        return {name: weights[name] + t * d for name, d in change.items()}
    x = t * _algebra(record, c)
    if record.element.kind == "scale":
        return _transformed(record, weights, x, x)
    return _transformed(record, weights, exponential(x), exponential(-x.transpose(-1, -2)))


def act(record: Record, weights: Weights, element: Tensor) -> dict[str, Tensor]:
    """See `Record.act`."""
    weights = _ready(record, weights)
    kind, n, copies = record.element.kind, record.element.size, record.element.copies
    if kind not in ("matrix", "scale"):
        raise InputError(f"elements of a {kind} are given by coefficients; use apply")
    tail = (n, n) if kind == "matrix" else ()
    if tuple(element.shape) == tail:
        element = element.expand(*copies, *tail)
    if tuple(element.shape) != (*copies, *tail):
        raise InputError(f"an element has shape {[*copies, *tail]}, not {list(element.shape)}")
    broken = violation(record, element)
    if broken:
        raise InputError(f"this is no element of the group: {broken}")
    if kind == "scale":
        logs = element.log()
        return _transformed(record, weights, logs, logs)
    dual = torch.linalg.inv(element).transpose(-1, -2)
    return _transformed(record, weights, element, dual)


def violation(record: Record, element: Tensor) -> str:
    """Which constraint matrices or scales break, in words; nothing where they are elements."""
    spec = record.element
    if spec.kind == "scale":
        if not bool((element > 0).all()):
            return "a scale is not positive"
        for d, pairs in enumerate(spec.ties):
            for i, j in pairs:
                if not _near(element.select(d, i), element.select(d, j)):
                    return f"the scales of the coordinates {i} and {j} differ"
        return ""
    eye = torch.eye(spec.size, dtype=element.dtype, device=element.device)
    if spec.algebra in ("orthogonal", "stabiliser", "rotations") and not _near(
        element @ element.transpose(-1, -2), eye
    ):
        return "it is not orthogonal"
    if spec.algebra in ("stabiliser", "affine-stabiliser"):
        ones = element.new_ones(spec.size)
        if not (_near(element @ ones, ones) and _near(element.transpose(-1, -2) @ ones, ones)):
            return "it does not keep the all-ones vector"
    if spec.algebra == "columns" and not _near(element - eye, (element - eye)[..., :1, :]):
        return "it is not the identity plus a matrix of equal rows"
    if spec.pairs:
        turn = torch.zeros_like(eye)
        for k, (i, j) in enumerate(spec.pairs):
            turn[j, i], turn[i, j] = 1.0 + k, -1.0 - k
        if not _near(element @ turn, turn @ element):
            return "it does not commute with the rotations of the coordinates in pairs"
    if bool((torch.linalg.matrix_rank(element) < spec.size).any()):
        return "it is not invertible"
    return ""


def _near(a: Tensor, b: Tensor) -> bool:
    return bool((a - b).abs().max() <= _CLOSE * max(1.0, float(b.abs().max())))


def _ready(record: Record, weights: Weights) -> Weights:
    if record.missing:
        raise InputError(f"this generator needs the model: {record.missing}")
    absent = [name for name in record.names if name not in weights]
    if absent:
        raise InputError(f"the checkpoint has no tensor {', '.join(absent)}")
    return weights


def _algebra(record: Record, c: Tensor) -> Tensor:
    """Matrices [*copies, n, n], or logarithms of scales [*copies]."""
    spec = record.element
    if spec.kind == "matrix":
        return matrices(spec.algebra, spec.size, spec.pairs, c.reshape(*spec.copies, -1))
    sizes = [n - len(pairs) for n, pairs in zip(spec.copies, spec.ties, strict=True)]
    c = c.reshape(sizes)
    for d, (n, pairs) in enumerate(zip(spec.copies, spec.ties, strict=True)):
        if pairs:
            second = {j: i for i, j in pairs}
            firsts = [i for i in range(n) if i not in second]
            index = [firsts.index(second.get(i, i)) for i in range(n)]
            c = c.index_select(d, torch.tensor(index, device=c.device))
    return c


def _transformed(
    record: Record, weights: Weights, forth: Tensor, back: Tensor
) -> dict[str, Tensor]:
    """Act with matrices and their inverse transposes, or with logarithms of scales."""
    wires: dict[str, Tensor] = {}
    origins: dict[str, Action] = {}
    for action in record.actions:
        name, whole = action.tensor, weights[action.tensor]
        if name not in wires:
            wires[name] = whole - _origin(action, weights, whole)
        origins[name] = action
        if action.block is None:
            continue
        block = take(action.block, wires[name])
        if action.act == "scale":
            moved = block * torch.exp(_spread(action, forth))
        else:
            matrix = _conjugate(action, weights, back if action.dual else forth)
            moved = _multiplied(action, matrix, block)
        wires[name] = put(action.block, moved, wires[name], replace=True)
    free = {name for name, a in origins.items() if not _reads(a.origin)}
    result = {n: w + _origin(origins[n], weights, w) for n, w in wires.items() if n in free}
    after = {**weights, **result}
    late = {n: w + _origin(origins[n], after, w) for n, w in wires.items() if n not in free}
    return {**result, **late}


def _drifting(record: Record, weights: Weights, moves: dict[str, Tensor]) -> dict[str, Tensor]:
    """A field on what lies about origins that move themselves."""
    for action in {a.tensor: a for a in record.actions if _reads(a.origin)}.values():
        assert action.origin is not None and action.origin.program is not None
        program = action.origin.program
        read = {n: weights[n] for n in program.reads}
        changes = {n: moves[n] for n in read if n in moves and n != action.tensor}
        if not changes:
            continue
        moves[action.tensor] = moves[action.tensor] + _derivative(program, read, changes)
    return moves


def _derivative(program: Program, read: Weights, changes: Weights) -> Tensor:
    """Of the value of a program along changes of what it reads: it is linear in that."""
    still = {n: torch.zeros_like(t) if n in changes else t for n, t in read.items()}
    return program.run({**still, **changes})["value"] - program.run(still)["value"]


def _reads(origin: Value | None) -> bool:
    return origin is not None and origin.program is not None and bool(origin.program.reads)


def _added(record: Record, weights: Weights, c: Tensor) -> dict[str, Tensor]:
    """What is added to blocks, constant along indices that have no copies."""
    result: dict[str, Tensor] = {}
    for action in record.actions:
        assert action.block is not None
        block = _placed(action.block, c.reshape(record.element.copies))
        block = block.expand([i.size for i in action.block.indices])
        whole = result.get(action.tensor, torch.zeros_like(weights[action.tensor]))
        result[action.tensor] = put(action.block, block, whole)
    return result


def _origin(action: Action, weights: Weights, like: Tensor) -> Tensor | float:
    return 0.0 if action.origin is None else action.origin.at(weights)


def _spread(action: Action, logs: Tensor) -> Tensor:
    assert action.block is not None
    return action.exponent * _placed(action.block, logs)


def _placed(block: Block, values: Tensor) -> Tensor:
    """Values by copy, with one dimension for every index of a block."""
    places = [next(p for p, i in enumerate(block.indices) if i.role == "copy" and i.copy == d)
              for d in range(values.dim())]  # fmt: skip
    order = sorted(range(values.dim()), key=lambda d: places[d])
    shape = [1] * len(block.indices)
    for d, place in enumerate(places):
        shape[place] = values.shape[d]
    return values.permute(order).reshape(shape)


def _conjugate(action: Action, weights: Weights, x: Tensor) -> Tensor:
    for gain in action.gains:
        value = gain.value.at(weights)
        assert isinstance(value, Tensor)
        power = value.pow(gain.exponent)
        x = x * power.unsqueeze(-1) / power.unsqueeze(-2)
    return x


def _multiplied(action: Action, x: Tensor, block: Tensor) -> Tensor:
    assert action.block is not None
    letters = "abcdefghijklmnopqrstuvwxy"[: block.dim()]
    (acted,) = (p for p, i in enumerate(action.block.indices) if i.role == "acted")
    lead = _copies(action.block, letters)
    new = letters.replace(letters[acted], "z")
    return torch.einsum(f"{lead}z{letters[acted]},{letters}->{new}", x, block)


def _copies(block: Block, letters: Sequence[str]) -> str:
    found = {i.copy: letters[p] for p, i in enumerate(block.indices) if i.role == "copy"}
    return "".join(found[k] for k in sorted(found))


def take(block: Block, tensor: Tensor) -> Tensor:
    """The entries of a block, with one dimension for every index."""
    for dim, places in enumerate(positions(block, tensor.dim())):
        if len(places) != tensor.shape[dim] or places != list(range(len(places))):
            index = torch.tensor(places, device=tensor.device)
            tensor = tensor.index_select(dim, index)
    return tensor.reshape([i.size for i in block.indices])


def put(block: Block, values: Tensor, onto: Tensor, replace: bool = False) -> Tensor:
    """A tensor with values added to the entries of a block, or put in their place."""
    places = positions(block, onto.dim())
    grid = torch.meshgrid(*(torch.tensor(p, device=onto.device) for p in places), indexing="ij")
    values = values.reshape([len(p) for p in places])
    return onto.index_put(tuple(grid), values.to(onto), accumulate=not replace)


def positions(block: Block, rank: int) -> list[list[int]]:
    """Along every dimension, the positions of a block in row-major order of its indices."""
    result = []
    for dim in range(rank):
        if str(dim) in block.orders:
            result.append(list(block.orders[str(dim)]))
            continue
        places = [block.offsets[dim]]
        for index in block.indices:
            if index.dim == dim:
                places = [p + index.stride * i for p in places for i in range(index.size)]
        result.append(places)
    return result
