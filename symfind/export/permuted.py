"""Permutations as groups of Torch-Pruning."""

from symfind.discrete.spec import PermutationSpec
from symfind.export.groups import UNKNOWN, Directions, of_sides, repeats_of


def torch_pruning(spec: PermutationSpec, outputs: Directions = UNKNOWN) -> str:
    """Source that defines `GROUPS`: for each, which side of which modules loses channels together.

    Sides are those of `prune_out_channels` and `prune_in_channels`. Where several channels of
    a module belong to one index (heads, flattened pictures), `REPEATS` says how many.

    Args:
        spec: the permutations.
        outputs: which axes of tensors are outputs, and which inputs.
    """
    repeats = {name: own for name in spec.perms if (own := repeats_of(spec, name))}
    lines = ["# which sides of which modules lose the same channels", "GROUPS = {"]
    for name, found in of_sides(spec, outputs).items():
        lines.append(f"    {name!r}: [")
        lines += [f"        {member!r}," for member in sorted(found)]
        lines.append("    ],")
    lines += ["}", "# channels of an axis that belong to one index", f"REPEATS = {repeats!r}"]
    return "\n".join(lines) + "\n"
