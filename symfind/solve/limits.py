"""Where a derivation looked no further, so that the report can say so."""

from dataclasses import dataclass, field

from symfind.graph.primitives import Node


@dataclass
class Limits:
    """What was not looked for, and at which operations."""

    found: dict[str, list[str]] = field(default_factory=dict)

    def reached(self, node: Node, what: str) -> None:
        """Note that something was not looked for at a wire."""
        name = node.op.name if node.op is not None else f"wire {node.index}"
        places = self.found.setdefault(what, [])
        if name not in places:
            places.append(name)
