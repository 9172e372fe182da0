"""A wire beside its product with another: x z + x is x (z + 1), and a bias of z takes up the 1."""

from collections.abc import Sequence

from symfind.graph import primitives as p
from symfind.graph.builder import Builder
from symfind.graph.primitives import Node


def factored(b: Builder, terms: Sequence[Node], signs: Sequence[float]) -> Node | None:
    """x z + c x as x (z + c), where z has a bias, and nothing else reads z or the product."""
    for first in (0, 1):
        product, x, c = terms[first], terms[1 - first], signs[1 - first]
        if not isinstance(product, p.Contract) or product.users or product.windows:
            continue
        if signs[first] != 1 or not x.varies or product.shape != x.shape:
            continue
        whole = len(product.inputs) == 2 and all(n == product.out for n in product.labels)
        for at in (0, 1) if whole else ():
            z = product.inputs[at]
            if product.inputs[1 - at] is x and z is not x and z.users == [product] and _biased(z):
                z.users, x.users = [], [u for u in x.users if u is not product]
                more = b.add(z, b.number(c))
                parts = [more if i == at else x for i in (0, 1)]
                return b.contract(parts, product.labels, product.out)
    return None


def _biased(z: Node) -> bool:
    return isinstance(z, p.Add) and any(not x.varies and not x.fixed for x in z.inputs)
