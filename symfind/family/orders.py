"""Which side of a matrix is the longer one, in a model and in a member of its family."""

from symfind.family.family import Member


def keeps_orders(model: Member, made: Member) -> bool:
    """Whether what is the longer side of a matrix in the model is so in a member as well.

    Integers may keep their order where products of them do not: that of heads and the size of one
    becomes larger than a width, and what writes it has a kernel that it has not in the model.
    """
    for name, op in model.graph.parameters.items():
        other = made.graph.parameters.get(name)
        if other is None or len(op.shape or ()) < 2 or len(other.shape or ()) < 2:
            continue
        (a, b), (c, d) = (op.shape or ())[:2], (other.shape or ())[:2]
        if (a < b and c >= d) or (a > b and c <= d):
            return False
    return True
