"""How the sizes of each operation's operands, results and arguments are related."""

from symfind.twin.rules import contractions, lookups, movement, reductions, windows  # noqa: F401
