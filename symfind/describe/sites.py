"""What a wire is in the network: its role, who writes it and who reads it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.graph.wires import ancestors

_FAR = 12  # steps to a softmax


@dataclass(frozen=True)
class Site:
    """A wire between parameters.

    Attributes:
        role: `residual stream`, `query · key`, `value`, `hidden units`, `bond`, or of an index
            that numbers matrices `experts`, `groups`.
        writers: tensors that write it.
        readers: tensors that read it.
    """

    role: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]

    def name(self, shown: int = 3) -> str:
        """The role, the module once, and an arrow from who writes to who reads."""
        path = common(tuple(dict.fromkeys([*self.writers, *self.readers])))
        sides = [_some([_last(n, path) for n in side], shown) for side in
                 (self.writers, self.readers)]  # fmt: skip
        arrow = " → ".join(side for side in sides if side)
        place = f" of {path}" if path else ""
        return f"{self.role}{place}: {arrow}"


def common(names: Sequence[str]) -> str:
    """The module path that tensors share, with * for the numbers in which they differ."""
    paths = [n.split(".")[:-1] for n in names]
    shared: list[str] = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    if paths and len(shared) == min(len(path) for path in paths):
        shared = shared[:-1]  # the module of a tensor belongs to its name
    return ".".join(shared)


def starred(name: str) -> str:
    """A name with * for its numbers."""
    return re.sub(r"(?<=\.)\d+(?=\.)", "*", name)


def layered(name: str) -> str:
    """A name with * for its numbers, if what is left says more than which kind of tensor it is."""
    found = starred(f".{name}.")[1:-1]
    return found if {*found.split(".")} - {"*", "weight", "bias"} else name


def merged(texts: Iterable[str]) -> list[str]:
    """Texts that differ in numbers of layers only as one, with * for the numbers."""
    alike: dict[str, dict[str, None]] = {}
    for text in texts:
        alike.setdefault(layered(text), {})[text] = None
    return [next(iter(same)) if len(same) == 1 else key for key, same in alike.items()]


def _last(name: str, path: str) -> str:
    rest = name.removeprefix(f"{path}.") if path else name
    return rest.removesuffix(".weight")


def _some(names: Iterable[str], shown: int) -> str:
    unique = merged(names)
    more = f", … {len(unique)} in all" if len(unique) > shown else ""
    return ", ".join(unique[:shown]) + more


def site(wires: Sequence[tuple[Node, int]], members: Sequence[tuple[p.Source, int]]) -> Site:
    """The role of an index.

    Args:
        wires: nodes and dimensions that carry it.
        members: parameters among them; one that does both writes and reads it (tied).
    """
    nodes = {id(n): n for n, _ in wires}
    sides = {"out": dict[str, None](), "in": dict[str, None]()}
    for source, dim in members:
        for side in directions(source, dim):
            sides[side][source.key] = None
    role = _role(list(nodes.values()), set(wires))
    return Site(role, tuple(sides["out"]), tuple(sides["in"]))


def directions(source: Node, dim: int) -> tuple[str, ...]:
    """Whether products with a parameter keep an index (`out`: it writes it), or sum it (`in`)."""
    found: dict[str, None] = {}
    stack, seen = [(source, dim)], {(id(source), dim)}
    while stack:
        node, d = stack.pop()
        for user in node.users:
            for at, x in enumerate(user.inputs):
                if x is not node:
                    continue
                if isinstance(user, p.Contract) and user.varies:
                    found["out" if user.labels[at][d] in user.out else "in"] = None
                elif user.varies:
                    found["out"] = None
                else:
                    step = [(user, o) for r in user.index_map(at) if d in r.ins for o in r.outs]
                    fresh = [(n, o) for n, o in step if (id(n), o) not in seen]
                    seen |= {(id(n), o) for n, o in fresh}
                    stack += fresh
    return tuple(found) or ("out",)


def _role(nodes: Sequence[Node], wires: set[tuple[Node, int]]) -> str:
    products = [n for n in _readers(nodes) if isinstance(n, p.Contract) and len(n.inputs) == 2
                and n.varies and all(x.varies or _projected(x) for x in n.inputs)
                and n.inputs[0] is not n.inputs[1]]  # fmt: skip
    for product in products:
        if _meets(product, wires) and _softened(product):
            return "query · key"
    if any(_weighed(n) for n in nodes):
        return "value"
    if any(isinstance(n, p.Add) and _skips(n) for n in nodes):
        return "residual stream"
    return "hidden units" if any(_entrywise(u) for u in _readers(nodes)) else "bond"


def _skips(node: p.Add) -> bool:
    """Whether what is added is made of what it is added to: x + f(x)."""
    wires = [x for x in node.inputs if x.varies and len(x.axes) == len(node.axes)]
    if len(wires) < 2:
        return False
    bases = {_origin(_base(x)) for x in wires}
    return any(_origin(n) in bases - {_origin(_base(x))} for x in wires for n in ancestors([x]))


def _origin(node: Node) -> int:
    """The operation that a wire comes from: several copies of one may stand in a graph."""
    return id(node if node.op is None else node.op)


def _base(node: Node) -> Node:
    """A wire without what scales its entries."""
    while node.varies:
        moving = [x for x in node.inputs if x.varies]
        scaled = isinstance(node, p.Pointwise) or (
            isinstance(node, p.Contract) and all(set(names) <= set(node.out)
                                                 for names in node.labels)
        )  # fmt: skip
        if not scaled or len(moving) != 1 or moving[0].shape != node.shape:
            break
        node = moving[0]
    return node


def _projected(node: Node) -> bool:
    """Whether a wire is made of parameters alone by a matrix, as queries of latents are."""
    return any(
        isinstance(n, p.Contract) and any(k not in n.out for names in n.labels for k in names)
        for n in ancestors([node])
    )  # fmt: skip


def _entrywise(node: Node) -> bool:
    """Whether a wire is acted upon entry by entry."""
    if isinstance(node, p.Pointwise):
        return node.slope is None
    return isinstance(node, p.Contract) and all(
        x.varies and set(names) <= set(node.out)
        for x, names in zip(node.inputs, node.labels, strict=True)
    )


def _readers(nodes: Sequence[Node]) -> list[Node]:
    return list(dict.fromkeys(u for n in nodes for u in n.users))


def _meets(product: p.Contract, wires: set[tuple[Node, int]]) -> bool:
    """Whether two wires are multiplied and summed over the index."""
    x, y = product.inputs
    return any(
        (x, d) in wires and name not in product.out and name in product.labels[1]
        and (y, product.labels[1].index(name)) in wires
        for d, name in enumerate(product.labels[0])
    )  # fmt: skip


def _softened(node: Node) -> bool:
    """Whether a softmax follows."""
    here = [node]
    for _ in range(_FAR):
        here = list(dict.fromkeys(u for n in here for u in n.users))
        if any(isinstance(n, p.Softmax) for n in here):
            return True
        here = [n for n in here if not isinstance(n, p.Contract)]
    return False


def _weighed(node: Node) -> bool:
    """Whether a wire is a mean with weights that a softmax gives."""
    return isinstance(node, p.Contract) and any(isinstance(x, p.Softmax) for x in node.inputs)
