"""All operations that symfind knows, and in which of its readings."""

from symfind.ops.support import catalogue, table

print(table(support.row for support in catalogue()), end="")
