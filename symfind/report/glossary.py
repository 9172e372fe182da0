"""The words of a report, one sentence or two each."""

import difflib

WORDS = {
    "algebra": (
        "The Lie algebra of the group that acts. Its dimension counts generators; where some "
        "of them leave the weights where they are, the orbit (symmetry) is smaller."
    ),
    "symmetry": (
        "Dimensions of the orbit: in how many directions the weights move, at a generic "
        "point, without any change of the function."
    ),
    "inert": (
        "Parameters on which the output does not depend at all. With the symmetry they make "
        "up what is redundant."
    ),
    "redundant": (
        "Symmetry and inert together: the dimension of the span of all derived directions."
    ),
    "effective": (
        "Parameters less redundant ones: the functional dimension where the certificate is "
        "complete, else an upper bound on it."
    ),
    "functional dimension": ("Parameters less nullity: how many the function really has, locally."),
    "nullity": (
        "Measured: parameters less the rank of the derivative of the outputs by the "
        "parameters, over enough inputs, the smallest over random points."
    ),
    "unexplained": (
        "Nullity less redundant: directions that are null where it was measured, and that no "
        "derived generator gives."
    ),
    "complete": (
        "All that was measured to be null is derived. On twins: measured on small models that "
        "are made from this one."
    ),
    "incomplete": "Something that was measured to be null is not derived.",
    "undetermined": (
        "The measurement has no clear answer: no gap in the spectrum, a rank that still grew, "
        "or too little time."
    ),
    "certificate": (
        "What was measured beside the derivation: how many directions are null at random "
        "points, held against how many are derived. Its status is complete, incomplete, "
        "undetermined or skipped."
    ),
    "skipped": "Not looked at, for the reason that follows.",
    "verified": (
        "Every generator was applied to the model itself, or to the smaller one that is named: "
        "outputs stay along random elements and along their flows."
    ),
    "family": (
        "Models that the same code makes with other sizes. A member of it that is small enough "
        "is measured where the model is too large."
    ),
    "formula": (
        "The redundant dimensions in the sizes of the model, and at which other sizes it was "
        "held against what is derived there."
    ),
    "twin": (
        "The same graph with every independent size made small, and repeated layers taken "
        "out; what is too large to be measured is measured there."
    ),
    "gap": (
        "Between the last singular value that counts and the first that does not, as powers "
        "of ten; a clear one decides the rank."
    ),
    "gauge": (
        "A change of basis on a wire: what writes it is multiplied by a matrix A, what reads "
        "it by the inverse."
    ),
    "rotation": (
        "A gauge whose matrices are orthogonal, because a norm keeps the length; where means "
        "are taken off as well, they keep the all-ones vector."
    ),
    "scaling": (
        "Positive scales: what writes a unit is multiplied by s, what reads it divided by it."
    ),
    "shift": (
        "Something added to a tensor that nothing downstream sees: constants before a softmax "
        "or a centred norm, or directions k that no reader looks at."
    ),
    "reach": (
        "All values x of a wire satisfy a relation kappa x = c. A reader may then add s "
        "kappa^T to its weight for any s, and take the constant s c off its bias."
    ),
    "kappa": "The relation of a reach: kappa x = c for all that a wire can be.",
    "parallel": (
        "Two tensors add to the same sum in the same way: what one adds the other takes away."
    ),
    "approximate": ("Broken by an eps alone: listed with its measured residual, and not counted."),
    "discrete": (
        "Permutations, signs and reflections: they act beside the continuous groups, and "
        "remove no dimensions."
    ),
    "residual": (
        "How much the output moves along a generator, relative to a random direction of the "
        "same size on the same tensors: rounding for a symmetry. Finite: along a flow."
    ),
    "rigid": ("An operation of which nothing is known: nothing is let through, and it is named."),
    "group": (
        "What acts at one place: GL(n, R) invertible matrices, SO(n) rotations, GL+(1, R) "
        "positive scales, GL(1, C) rotations and scales of pairs, R^n additions, S_n "
        "permutations, Z/2 signs."
    ),
    "generator": (
        "A direction of a group at the identity, and what it does to every tensor: A, s, k are "
        "the matrix, the scale and what is added; the text says what each of them obeys."
    ),
    "dual": "A tensor that reads a wire moves by the inverse of what the writer moves by: A^-T.",
    "orbit": "All weights that the groups make of some weights; all have the same function.",
    "share": "Dimensions of a group over the parameters of the model.",
    "site": (
        "One place at which a group acts, named by the role of the wire, its module, and who "
        "writes -> who reads it. Layers that are alike share a line, with * for their numbers."
    ),
    "wire": (
        "An index of what flows between tensors, with all that write, read or pass it: hidden "
        "units, channels of a norm, a head's query · key, the residual stream."
    ),
    "residual stream": "The wire to which layers add, and that all of them read.",
    "experts": (
        "An index that numbers matrices of which the results are summed: which of them acts, "
        "and not a vector on which a matrix could act."
    ),
    "bond": "A wire between the parameters that write it and those that read it.",
    "origin": "What acts is a tensor minus its origin: gains 1 + g are scaled about -1.",
    "record": (
        "A generator as data: tensor, index ranges, side, exponent, origin, gains. Text is "
        "printed from it, and it can be applied to a checkpoint."
    ),
    "generic": (
        "At random parameters at which units live: initial values are special, and show "
        "symmetries that the architecture does not have."
    ),
}


def entry(word: str) -> str | None:
    """What a word means, also in the plural; None where it is none of these."""
    name = word.lower().strip()
    return WORDS.get(name) or WORDS.get(name.removesuffix("s"))


def close(word: str) -> list[str]:
    """Words that may have been meant."""
    return difflib.get_close_matches(word.lower(), WORDS, n=3, cutoff=0.6)
