"""What each operation does, in the primitives of the tape; one file per kind."""

from symfind.exact.rules import averages, movement, pieces, products
from symfind.exact.rules.registry import find, reason

__all__ = ["averages", "find", "movement", "pieces", "products", "reason"]
