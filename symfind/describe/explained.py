"""Why a group is there, or is not: the largest that a wire could carry, and what cuts it down."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from symfind.algebra.axes import Axis
from symfind.describe.sites import layered, merged, site, starred
from symfind.describe.stacks import stacks
from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.graph.wires import ancestors
from symfind.report.explained import Reason, Wire
from symfind.report.model import Absent
from symfind.solve.bonds.cuts import Cut
from symfind.solve.bonds.matrices import Bond, Matrices

# numbers in a name, which is more than a number
_LAYER = re.compile(r"(?<![\w*])\d+(?=\.)|(?<=\.)\d+(?!\w)|(?<=of )\d+(?=:)")


def explain(matrices: Matrices | None) -> list[Wire]:
    """Every wire that parameters write or read, the widest first, equal ones together."""
    if matrices is None:
        return []
    standing = {id(bond) for bond, _ in matrices.bonds()}
    numbering = stacks(matrices.lowered.nodes)
    found: list[Wire] = []
    for root, unknowns in matrices.classes().items():
        bond = matrices.bond(root)
        if bond.size > 1:
            wire = _wire(bond, unknowns, matrices.lowered.nodes, id(bond) in standing, numbering)
            found += [wire] if wire is not None else []
    return _gathered(found)


def almost(matrices: Matrices) -> list[Wire]:
    """Wires at which nothing but diagonals stands against a rotation."""
    standing = {id(bond) for bond, _ in matrices.bonds()}
    found: list[Wire] = []
    for root, unknowns in matrices.classes().items():
        bond = matrices.bond(root)
        if bond.size < 2 or id(bond) in standing or not (bond.skew or bond.rigid):
            continue
        kinds = {cut.kind for cut in bond.cuts}
        if "rigid" in kinds or not kinds & {"skew", "tie"}:
            continue
        wire = _wire(bond, unknowns, matrices.lowered.nodes, False)
        found += [wire] if wire is not None and wire.writers else []
    return [w for w in _gathered(found) if w.almost]


def nearly(matrices: Matrices | None) -> tuple[Absent, ...]:
    """For a report: groups that almost exist, one line each."""
    if matrices is None:
        return ()
    return tuple(
        Absent(
            w.kept,
            w.name if w.role != "residual stream" else w.role,
            tuple(r.words for r in w.reasons if not r.leaves),
            tuple(r.restores for r in w.reasons if r.restores),
        )
        for w in almost(matrices)
    )  # fmt: skip


def _wire(
    bond: Bond,
    unknowns: Sequence[tuple],
    nodes: Sequence[Node],
    stands: bool,
    numbering: Mapping[Axis, str] = {},
) -> Wire | None:
    places = [(n, n.cells[c].places[a][0]) for n, c, a, *_ in unknowns]
    members = [(n, d) for n, d in places if isinstance(n, p.Source) and n.role == "parameter"
               and sum(k > 1 for k in n.shape) > 1]  # fmt: skip
    if not members:
        return None
    node, cell, atom, *_ = unknowns[0]
    place = site(places, members)
    place = replace(place, role=numbering.get(node.cells[cell].atoms[atom].root, place.role))
    cuts = [*bond.cuts, *(() if stands else _quarrels(bond))]
    kinds = {c.kind for c in cuts}
    return Wire(
        place.name(), place.role, bond.size, f"GL({bond.size}, R)",
        label(bond) if stands else "", tuple(_reasons(cuts, bond.size, nodes)), place.writers,
        place.readers, bool(kinds & {"skew", "ones", "tie"}),
        not stands and "rigid" not in kinds and bool(kinds & {"skew", "tie"}),
        heads=math.prod(a.size for a in bond.indexed),
    )  # fmt: skip


def label(bond: Bond) -> str:
    """The group that constraints leave."""
    return _left(bond.size, bool(bond.skew), bool(bond.ones), next(iter(bond.pairs), ()))


def _left(n: int, skew: bool, ones: bool, pairs: tuple = ()) -> str:
    if pairs:
        k = len(pairs)
        rest = n - 2 * k
        one = f"SO(2)^{k}" if skew else f"GL(1, C)^{k}"
        return one + (f" x {f'SO({rest})' if skew else f'GL({rest}, R)'}" if rest else "")
    if skew:
        return f"SO({n - 1})" if ones else f"SO({n})"
    return f"GL({n - 1}, R)" if ones else f"GL({n}, R)"


def _quarrels(bond: Bond) -> list[Cut]:
    """Constraints in coordinates that differ by a diagonal: together they leave nothing."""
    places = {*bond.skew, *bond.ones, *bond.pairs.values()}
    gains: set[int] = set()
    for one in places:
        for two in places:
            gains |= {g[0] for g, e in set(one) ^ set(two) if e}
    if len(bond.pairs) > 1:
        return [Cut("differ", None)]
    if gains:
        return [Cut("gain", None, tuple(sorted(gains)))]
    return [] if bond.rigid else [Cut("rigid", None)]


# words -----------------------------------------------------------------------------------
def _reasons(cuts: Sequence[Cut], n: int, nodes: Sequence[Node]) -> list[Reason]:
    """One for each kind of operation and line, in order of weight."""
    found: dict[tuple[str, str], list[Reason]] = {}
    for cut in cuts:
        reason = _reason(cut, n, nodes)
        found.setdefault((reason.words, reason.where), []).append(reason)
    merged = []
    for same in found.values():
        first, modules = same[0], dict.fromkeys(r.module for r in same)
        more = f" and {len(modules) - 1} more" if len(modules) > 1 else ""
        merged.append(replace(first, module=f"{first.module}{more}", count=len(same)))
    return sorted(merged, key=lambda r: not r.leaves)


def _reason(cut: Cut, n: int, nodes: Sequence[Node]) -> Reason:
    where, module = _line(cut.node), layered(_module(cut.node))
    gains = _names([nodes[i] for i in cut.gains])
    node = cut.node
    match cut.kind:
        case "skew":
            return Reason(_length(node), where, module, _left(n, True, False))
        case "ones":
            words = "a mean is taken off: the all-ones vector stays"
            return Reason(words, where, module, _left(n, False, True))
        case "pairs":
            assert isinstance(node, p.Commute)
            pairs = node.pairs
            gap = {j - i for i, j in pairs}
            said = f"(i, i+{gap.pop()})" if len(gap) == 1 else f"{pairs[0]}, {pairs[1]}, …"
            words = f"RoPE rotates the pairs {said}: only what commutes with that passes"
            return Reason(words, where, module, _left(n, False, False, pairs))
        case "tie":
            key = _parameter(node)
            words = f"{key} writes and reads the wire (tied) across {gains}, which is diagonal"
            undo = f"untie {key}, or make {gains} a multiple of the all-ones vector"
            return Reason(words, where, module, "", undo)
        case "gain":
            sides = (
                "lengths are kept on both sides"
                if node is None
                else ("stands between two ways to the same wire")
            )
            several = "," in gains or " and " in gains
            words = f"{gains} {'are' if several else 'is'} diagonal, and {sides}"
            undo = f"make {gains} {'multiples' if several else 'a multiple'} of the all-ones vector"
            return Reason(words, where, module, "", undo)
        case "differ":
            return Reason("rotations of different pairs meet", where, module)
    return Reason(_rigid(node), where, module)


def _length(node: Node | None) -> str:
    squared = isinstance(node, p.Contract) and node.inputs[0] is node.inputs[1]
    if squared or isinstance(node, p.Normalise):
        return "a norm divides by the length: it must be kept"
    key = _parameter(node)
    if key:
        return f"{key} writes and reads the wire (tied): lengths must be kept"
    return "the wire is multiplied by itself: lengths must be kept"


def _rigid(node: Node | None) -> str:
    """What an operation does that no change of basis passes."""
    name = node.op.base.strip("_") if node is not None and node.op is not None else ""
    match node:
        case None:
            return "different operations ask for different bases"
        case p.Source():
            if node.role == "input":
                return "it is met by an input of the model"
            return f"the constant {node.key or name} meets it entry by entry"
        case p.Output():
            return "it is an output of the model"
        case p.Pointwise():
            return f"{name} acts entry by entry"
        case p.Softmax():
            return "softmax compares its entries"
        case p.Peak() | p.Order():
            return f"{name} compares its entries"
        case p.Contract():
            return _product(node)
        case p.Rigid():
            return (
                f"{name} lets no change of basis through" if node.known else f"{name} has no rule"
            )
        case p.Mix():
            return f"{name} mixes its entries by fixed numbers"
        case p.Add():
            return "a sum with what does not have this index, or is fixed entry by entry"
    return f"{name} treats its entries differently"


def _product(node: p.Contract) -> str:
    still = [x for x in node.inputs if not x.varies]
    if not still:
        return "a product multiplies entry by entry (a gate)"
    key = _names(still)
    return f"{key} multiplies entry by entry" if key else "a product multiplies entry by entry"


def _parameter(node: Node | None) -> str:
    """The trained tensor that a product reads."""
    return _names([x for x in node.inputs if not x.varies]) if node is not None else ""


def _names(nodes: Sequence[Node]) -> str:
    """The parameters that make wires which no input reaches, layers as one."""
    names: dict[str, None] = {}
    for node in ancestors(nodes):
        if isinstance(node, p.Source) and node.role == "parameter":
            names[node.key] = None
    found = merged(names)
    shown = [_brief(n) for n in found[:3]]
    return ", ".join(dict.fromkeys(shown)) + (f" and {len(found) - 3} more" if found[3:] else "")


def _brief(name: str) -> str:
    """The last two parts of a name."""
    return ".".join(name.split(".")[-2:])


def _line(node: Node | None) -> str:
    return node.op.where if node is not None and node.op is not None else ""


def _module(node: Node | None) -> str:
    return node.op.module if node is not None and node.op is not None else ""


# places ----------------------------------------------------------------------------------
def _gathered(wires: Sequence[Wire]) -> list[Wire]:
    """Wires that differ in numbers of layers only, as one."""
    alike: dict[tuple, list[Wire]] = {}
    for w in wires:
        pattern = _LAYER.sub("*", w.name), w.size, w.group, _anywhere(w.reasons), w.heads
        alike.setdefault(pattern, []).append(w)
    result = []
    for same in alike.values():
        first = same[0]
        name = first.name if len(same) == 1 else _LAYER.sub("*", first.name)
        writers = tuple(dict.fromkeys(n for w in same for n in w.writers))
        readers = tuple(dict.fromkeys(n for w in same for n in w.readers))
        result.append(Wire(
            name, first.role, first.size, first.largest, first.group,
            first.reasons if len(same) == 1 else _anywhere(first.reasons), writers, readers,
            first.rotated, first.almost, len(same), first.heads,
        ))  # fmt: skip
    return sorted(result, key=lambda w: (not w.rotated, -w.size))


def _anywhere(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    """Reasons with * for all numbers of modules."""
    return tuple(replace(r, module=starred(f".{r.module}.").strip(".")) for r in reasons)
