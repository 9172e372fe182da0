"""Unknowns that are one and the same up to a known transformation: a weighted union–find.

What acts equivariantly on a wire (a matrix, a positive scale, a sign, a permutation) is an unknown,
and operations say which unknowns are images of each other. A class has one free unknown, its root;
of every other member it is known which image of the root it is.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

Image = TypeVar("Image")


class Classes(Generic[Image]):
    """Classes of numbered unknowns, each member with its image of the root."""

    def __init__(
        self,
        count: int,
        unit: Callable[[int], Image],
        compose: Callable[[Image, Image], Image],
    ) -> None:
        """Every unknown is a class of its own.

        Args:
            count: of unknowns.
            unit: the image that a root is of itself.
            compose: of a parent's image of the root, what a member's image of its parent makes.
        """
        self._parent = list(range(count))
        self._image = [unit(v) for v in range(count)]
        self._unit = unit
        self._compose = compose

    def add(self) -> int:
        """One more unknown; its number."""
        v = len(self._parent)
        self._parent.append(v)
        self._image.append(self._unit(v))
        return v

    def find(self, v: int) -> tuple[int, Image]:
        """The root of an unknown, and which image of the root it is."""
        path = []
        while self._parent[v] != v:
            path.append(v)
            v = self._parent[v]
        image: Image | None = None
        for u in reversed(path):
            image = self._image[u] if image is None else self._compose(self._image[u], image)
            self._parent[u], self._image[u] = v, image
        return v, self._unit(v) if image is None else image

    def join(self, root: int, other: int, image: Image) -> None:
        """Make another root an image of a root."""
        self._parent[other], self._image[other] = root, image
