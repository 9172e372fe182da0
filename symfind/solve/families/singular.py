"""A gain between two turns: of its n numbers, what comes behind sees the singular values alone.

Where all before a gain g may be turned by A and all behind it by S, the product Γ = diag(g) is as
good as S Γ A⁻¹. Matrices that turn freely on both sides leave the singular values of P = K'ᵀ Γ K,
where K spans what the wire in front can be and K' what is seen behind. If either side is a centred
norm, P has n − 1 of them, one less than there are gains: along the gains that keep all of them,
δP = S P − P A (perturbation of a singular value decomposition: Stewart and Sun 1990, IV.4). What is
left behind lies along 1, which a centred norm does not see, as far as X = 1 κᵀ takes it up. So in
every encoder of one layer whose norms come last.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from symfind.algebra.axes import Axis, Sizes, extent, least, positive
from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.ops.lower import Lowered
from symfind.solve.bonds.matrices import Bond, Matrices, Member
from symfind.solve.families.family import MatrixFamily, NullFamily, carry_out
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment
from symfind.solve.transport.absorption import Plan
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.state import ARBITRARY, canonical

APART = 1e-9  # singular values that differ by less, relative to the largest, are equal


@dataclass(frozen=True)
class _Side:
    """All that turns with a wire; `centred`: the vector of ones stays as it is."""

    centred: bool
    members: list[Member]

    def spanned(self, n: int, env: Environment) -> Tensor:
        """An orthonormal basis of what is turned, [n, n or n − 1]."""
        if not self.centred:
            return torch.eye(n, **env.like)
        return torch.linalg.qr(torch.ones(n, 1, **env.like), mode="complete").Q[:, 1:]


def singular_families(lowered: Lowered, flows: Flows, equations: Matrices) -> Iterator[Family]:
    """For every gain that alone keeps what is before it and what is behind it from turning.

    Args:
        lowered: the graph.
        flows: of it.
        equations: of all changes of basis.
    """
    for node in lowered.nodes:
        if isinstance(node, p.Contract) and len(node.inputs) == 2 and not node.windows:
            for at, wire in enumerate(node.inputs):
                dim = _along(node, 1 - at) if wire.varies else None
                if dim is not None and _two_frames(equations, node, node.inputs[1 - at], dim):
                    yield from _of(node, at, dim, lowered, flows)


def _along(node: p.Contract, at: int) -> int | None:
    """The dimension along which an operand is a gain of the other, where it is nothing else."""
    gain, wire = node.inputs[at], node.inputs[1 - at]
    wide = [n for n, a in zip(node.labels[at], gain.axes, strict=True) if a.size > 1]
    plain = node.out == tuple(range(len(node.out))) == node.labels[1 - at]
    if gain.varies or len(wide) != 1 or not plain or wire.shape != node.shape:
        return None
    return node.out.index(wide[0]) if wide[0] in node.out else None


def _two_frames(equations: Matrices, node: Node, gain: Node, dim: int) -> bool:
    """Whether lengths are kept in two bases that a gain parts, and nothing else is asked for."""
    found = equations.along(node, dim)
    if found is None:
        return False
    bond = equations.bond(found[0])
    if bond.rigid or bond.pairs or bond.needs or len(bond.skew) != 2 or not bond.ones <= bond.skew:
        return False
    one, two = (dict(q) for q in bond.skew)
    between = {g: one.get(g, 0) - two.get(g, 0) for g in {*one, *two}}
    return [(i, abs(e)) for (i, _), e in between.items() if e] == [(gain.index, 1)]


def _of(node: p.Contract, at: int, dim: int, lowered: Lowered, flows: Flows) -> Iterator[Family]:
    wire, gain = node.inputs[at], node.inputs[1 - at]
    write = flows.undo(gain, canonical(gain, [ARBITRARY] * len(gain.axes)))
    if not write or len(gain.users) != 1:
        return
    equations = Matrices(lowered, apart=[(node, at)])
    before, behind = _turning(equations.frame(wire, dim)), _turning(equations.frame(node, dim))
    if before is None or behind is None or not (before.centred or behind.centred):
        return
    if before.centred and not _balanced(wire, dim, flows):
        return
    unseen: list[Member] = []
    if behind.centred:
        found = Matrices(lowered, blind=True, apart=[(node, at)]).frame(node, dim)
        if found is None or found[0].indexed:
            return
        unseen = found[1]
    yield _family(node, at, dim, (before, behind), unseen, write, lowered)


def _turning(found: tuple[Bond, list[Member]] | None) -> _Side | None:
    if found is None or not found[0].skew or found[0].pairs or found[0].indexed:
        return None
    return _Side(bool(found[0].ones), found[1])


def _balanced(wire: Node, dim: int, flows: Flows) -> bool:
    """Whether what a wire can be is at right angles to 1."""
    return any(r.dims == (dim,) and r.zero and r.even for r in flows.relations.of(wire))


def _family(
    node: p.Contract, at: int, dim: int, sides: tuple[_Side, _Side], unseen: list[Member],
    write: Plan, lowered: Lowered,
) -> Family:  # fmt: skip
    gain, axis = node.inputs[1 - at], node.axes[dim]
    groups = [_acting(members, axis, lowered.nodes) for members in
              (sides[0].members, sides[1].members, unseen)]  # fmt: skip

    def build(env: Environment, c: Tensor) -> Moves:
        g = env.value(gain).reshape(-1)
        before, behind = (side.spanned(len(g), env) for side in sides)
        delta, a, s = kept(g, before, behind)
        a, s = before @ a @ before.T, behind @ s @ behind.T
        moves = carry_out(env, write, -(c * delta).reshape(env.shape(gain)))
        # what is not made up for lies along 1
        rest = (g[:, None] * a + torch.diag(delta)).mean(0) / g
        unseen = torch.ones_like(g)[:, None] * rest
        for group, x in zip(groups, (a, s, unseen), strict=True):
            for source, change in group.direction(env, (c * x).reshape(-1)).items():
                moves[source] = moves[source] + change if source in moves else change
        return moves

    def width(sizes: Sizes | None) -> int:
        return least(1, positive(extent(axis, sizes) - 1))

    members = (m.source for group in groups for m in group.members)
    sources = tuple(dict.fromkeys((*(a.source for a in write), *members)))
    return NullFamily(
        kind="reach", sources=sources, width=width, build=build, loose=True, piecewise=True,
        steps=None,
    )  # fmt: skip


def _acting(members: Sequence[Member], axis: Axis, nodes: list[Node]) -> MatrixFamily:
    """Any matrix on what turns together."""
    return MatrixFamily(
        kind="gauge", sources=tuple(dict.fromkeys(m.source for m in members)),
        bond=Bond(axis.size), axis=axis, indexed=(), members=list(members), nodes=nodes,
    )  # fmt: skip


def kept(g: Tensor, before: Tensor, behind: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A change of n gains that keeps the singular values of P, and the turns that undo it.

    Args:
        g: [n], none of them zero.
        before: columns [n, u], orthonormal.
        behind: columns [n, d], orthonormal; u and d are n or n − 1, not both n.

    Returns:
        δg [n] of length one, A [u, u] and S [d, d], skew, with P = behindᵀ diag(g) before and
        behindᵀ diag(δg) before = S P − P A; all zero where two singular values are equal.
    """
    left, sigma, right = torch.linalg.svd(behind.T @ (g[:, None] * before))
    u, v = behind @ left, before @ right.T
    k = len(sigma)
    rates = (u[:, :k] * v[:, :k]).T  # of σ, by g
    delta = torch.linalg.svd(rates).Vh[-1]
    # of one sign along a flow
    delta = delta * torch.linalg.slogdet(torch.cat([rates, delta[None]])).sign
    live, a, s = _turns(u.T @ (delta[:, None] * v), sigma)
    none = torch.zeros((), dtype=g.dtype, device=g.device)
    return (torch.where(live, delta, none), torch.where(live, right.T @ a @ right, none),
            torch.where(live, left @ s @ left.T, none))  # fmt: skip


def _turns(change: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Skew A and S with S Σ − Σ A = change [d, u], whose diagonal is zero; whether no σ is double.

    A tensor says so, and no branch is taken: what is recorded holds at all weights.
    """
    d, u = change.shape
    n = max(d, u)
    kind: Any = {"dtype": sigma.dtype, "device": sigma.device}
    full = torch.cat([sigma, torch.zeros(n - len(sigma), **kind)])
    whole = torch.cat([change, torch.zeros(n - d, u, **kind)])
    whole = torch.cat([whole, torch.zeros(n, n - u, **kind)], 1)
    square = full.square()
    # σⱼ² − σᵢ²
    apart = square - square[:, None] + torch.diag(torch.full((n,), torch.inf, **kind))
    live = apart.abs().min() > APART * square.max()
    a = (whole * full[:, None] + whole.T * full) / apart
    s = (whole * full + whole.T * full[:, None]) / apart
    return live, a[:u, :u], s[:d, :d]
