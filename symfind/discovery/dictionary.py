"""The dictionary: which local vector fields are tried, in tiers from plain to far-fetched.

- *own*: every tensor by constants alone: multiplication of each axis by matrix units, translations.
- *dressed*: the same in tensors that have been freed of a gain. A rotation between a gain γ and
  its reader acts as `W -> W Γ A Γ^-1`, a relation of what is normalised as `W -> W + s (1/γ)^T`;
  no constant matrix does that.
- *shifts*: vectors move by products (`b -> b + W a`: what moves on a bond is taken back by the next
  bias).
- *dressed shifts*: the same where the vector or the product is freed of a gain.
- *divided*: translations divided by a vector, and shifts by the quotient of two: the relations of
  what is normalised, where the gain is no symmetry itself because others read it as well.
- *unseen*: moves along what another tensor does not see: `W -> W + A (I - V V^+)`.
- *weighted*: multiplication of an axis by a matrix times the weights of a quadratic form.
- *normalised*: gains that take up what scales do to the norms of normalised weights.
- *sliced*: multiplication of an axis at one index of another (one matrix for each element of a
  batch, each group of channels), and the products that go with it.
- *parallel*: matrices that move by products on the same side (`W -> W + A V`, two paths into one
  sum), or by a whole other tensor.
- *crossed*: products that join different axes, of any two tensors.
- *carried*: vectors that move by a matrix, constants and another vector (`b -> b + W A c`).

All are linear in unknown constants, and all are monomials (`monomials.py`).
"""

import itertools
import math
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from symfind.discovery.forms import carried, normalised, weighted
from symfind.discovery.monomials import Form, Monomial, Source, squeezed

NEAR = ("own", "dressed", "shifts", "dressed shifts")
FAR = (
    "divided", "unseen", "weighted", "normalised", "sliced", "parallel", "crossed", "carried",
)  # fmt: skip
TIERS = NEAR + FAR


@dataclass(frozen=True)
class Dress:
    """A gain that multiplies a tensor along one axis: divided by it, the tensor is free of it.

    Attributes:
        gain: name of a tensor with one axis.
        axis: of the dressed tensor (axes of size one left out).
        power: the tensor over this power (1 or -1) of the gain does not change with it.
    """

    gain: str
    axis: int
    power: int

    def factor(self, letters: str, power: int) -> tuple[Source, str]:
        """The gain to a power (its own if 1, the inverse if -1) on the axis it belongs to."""
        form: Form = "value" if power * self.power > 0 else "reciprocal"
        return Source(self.gain, form), letters[self.axis]


@dataclass(frozen=True)
class Shape:
    """A parameter with the sizes that carry an index, and the gains that dress it."""

    name: str
    full: tuple[int, ...]
    dresses: tuple[Dress, ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes other than one."""
        return squeezed(self.full)

    @property
    def numel(self) -> int:
        """Number of entries."""
        return math.prod(self.full)

    def dim(self, axis: int) -> int:
        """The dimension of the tensor that an axis (sizes of one left out) is."""
        return [d for d, n in enumerate(self.full) if n > 1][axis]


@dataclass
class Dictionary:
    """Blocks of fields, and those that were left out because there are too many of them."""

    blocks: list[Monomial] = field(default_factory=list)
    left_out: list[Monomial] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Number of fields."""
        return sum(block.count for block in self.blocks)

    def extend(self, blocks: Sequence[Monomial], most: int) -> bool:
        """Add a tier, smallest blocks first, up to `most` fields in all: whether any went in."""
        known = {_key(b) for b in self.blocks}
        room = most - self.count
        chosen = set()
        for block in sorted(blocks, key=lambda b: b.count):
            if _key(block) not in known and block.count <= room:
                chosen.add(id(block))
                room -= block.count
        new = [b for b in blocks if _key(b) not in known]
        self.blocks += [b for b in new if id(b) in chosen]
        self.left_out += [b for b in new if id(b) not in chosen]
        return bool(chosen)


def _key(block: Monomial) -> tuple[str, str, tuple[int, ...]]:
    return block.target, block.text, block.sizes


def tier(
    name: str, shapes: Sequence[Shape], dresses: Mapping[str, Sequence[Dress]]
) -> list[Monomial]:
    """The blocks of one tier.

    Args:
        name: one of `TIERS`.
        shapes: all parameters.
        dresses: gains by the tensor that they dress; vectors to divide by, for the tier of these.
    """
    dressed = [Shape(s.name, s.full, tuple(dresses[s.name])) for s in shapes if dresses.get(s.name)]
    match name:
        case "own":
            return [*_multiplications(shapes), *_translations(shapes)]
        case "shifts":
            return list(_shifts(shapes, shapes))
        case "sliced":
            return list(_sliced(shapes))
        case "parallel":
            return [*_parallel(shapes), *_scaled_shifts(shapes, shapes)]
        case "dressed":
            return [*_multiplications(dressed), *_translations(dressed)]
        case "dressed shifts":
            return [
                *_shifts(shapes, dressed), *_shifts(dressed, shapes),
                *_scaled_shifts(shapes, dressed),
            ]  # fmt: skip
        case "divided":
            return list(_divided(shapes, dresses))
        case "unseen":
            return list(_unseen(shapes))
        case "crossed":
            return list(_crossed(shapes))
        case "carried":
            return list(carried(shapes))
        case "weighted":
            return list(weighted(shapes))
        case "normalised":
            return list(normalised(shapes))
    raise ValueError(f"{name!r} is none of {', '.join(TIERS)}")


def diagonals(shapes: Sequence[Shape]) -> list[Monomial]:
    """Scalings of every entry of every axis, tensors with one axis first."""
    found = []
    for s in sorted(shapes, key=lambda s: len(s.sizes)):
        letters = string.ascii_lowercase[: len(s.sizes)]
        for axis, letter in enumerate(letters):
            factors = ((Source(s.name), letters),)
            text = f"diag({{}}) on axis {axis}"
            found.append(Monomial(s.name, letters, factors, letter, (s.sizes[axis],), text))
    return found


def _multiplications(shapes: Sequence[Shape]) -> Iterator[Monomial]:
    for s in shapes:
        same = {axis: axis for axis in range(len(s.sizes))}
        if not same:
            yield _product(s, s, {}, f"{{}} {s.name}")
        for axis in same:
            matching = {a: b for a, b in same.items() if a != axis}
            yield _product(s, s, matching, _side(s, axis), swap=_is_right(s, axis))


def _is_right(s: Shape, axis: int) -> bool:
    return len(s.sizes) == 2 and axis == 1


def _side(s: Shape, axis: int) -> str:
    right = _is_right(s, axis)
    matrix = "{}"
    for d in s.dresses:
        if d.axis == axis:
            one, two = f"diag({d.gain})", f"diag({d.gain})^-1"
            matrix = f"{one} {matrix} {two}" if right == (d.power < 0) else f"{two} {matrix} {one}"
    if right:
        return f"{s.name} {matrix}"
    place = f" on dim {s.dim(axis)}" if len(s.sizes) > 2 else ""
    return f"{matrix} {s.name}{place}"


def _translations(shapes: Sequence[Shape]) -> Iterator[Monomial]:
    for s in shapes:
        yield _product(s, None, {}, _undress(s, "{}"))


def _undress(s: Shape, text: str) -> str:
    """A change of the tensor freed of its gains, as a change of the tensor itself."""
    for d in s.dresses:
        power = "" if d.power > 0 else "^-1"
        text += f" * ({d.gain}){power} on dim {s.dim(d.axis)}"
    return text


def _shown(s: Shape) -> str:
    """The tensor freed of its gains."""
    text = s.name
    for d in s.dresses:
        text += f"/{d.gain}" if d.power > 0 else f"*{d.gain}"
    return f"({text})" if s.dresses else text


def _shifts(targets: Sequence[Shape], sources: Sequence[Shape]) -> Iterator[Monomial]:
    """Vectors that move by a product of another tensor with constants."""
    for t in targets:
        if len(t.sizes) != 1:
            continue
        for s in sources:
            if s.name == t.name:
                continue
            for axis, n in enumerate(s.sizes):
                if n == t.sizes[0]:
                    yield _product(t, s, {0: axis}, _undress(t, _applied(s, axis)))


def _applied(s: Shape, axis: int) -> str:
    if len(s.sizes) == 1:
        return f"{{}} {_shown(s)}"
    if len(s.sizes) == 2:
        return f"{_shown(s)} {{}}" if axis == 0 else f"{_shown(s)}^T {{}}"
    return f"{_shown(s)} {{}} along dim {s.dim(axis)}"


def _scaled_shifts(targets: Sequence[Shape], sources: Sequence[Shape]) -> Iterator[Monomial]:
    """Vectors that move by a matrix of constants times another vector."""
    for t in targets:
        for s in sources:
            if len(t.sizes) == len(s.sizes) == 1 and s.name != t.name:
                yield _product(t, s, {}, f"{{}} {_shown(s)}")


def _divided(shapes: Sequence[Shape], dresses: Mapping[str, Sequence[Dress]]) -> Iterator[Monomial]:
    """Translations by reciprocals of a vector, and vectors that move by quotients of two others."""
    for s in shapes:
        for dress in dresses.get(s.name, ()):
            divided = replace(s, dresses=(dress,))
            if len(s.sizes) > 1:
                yield from _translations([divided])
            else:
                yield from _scaled_shifts(shapes, [divided])


def _sliced(shapes: Sequence[Shape]) -> Iterator[Monomial]:
    """Products with an index that the target and the source share, and that is fixed."""
    for t in shapes:
        axes = range(len(t.sizes))
        for axis, by in itertools.permutations(axes, 2):
            matching = {a: a for a in axes if a != axis}
            yield _each(_product(t, t, matching, f"{{}} {t.name} on dim {t.dim(axis)}"), t, by)
        for s in shapes:
            if s.name == t.name or len(t.sizes) < 2:
                continue
            for gone in range(len(s.sizes)):
                left = [a for a in range(len(s.sizes)) if a != gone]
                if [s.sizes[a] for a in left] == list(t.sizes):
                    text = f"{s.name} {{}} along dim {s.dim(gone)}"
                    yield _each(_product(t, s, dict(enumerate(left)), text), t, 0)
            if len(t.sizes) == len(s.sizes) > 2:
                for axis, by in itertools.permutations(axes, 2):
                    if all(s.sizes[a] == t.sizes[a] for a in (axis, by)):
                        text = _joined(t, s, axis, axis)
                        yield _each(_product(t, s, {axis: axis, by: by}, text), t, by)


def _each(block: Monomial, t: Shape, axis: int) -> Monomial:
    """The same fields with one index fixed that ran along."""
    return replace(
        block,
        free=block.letters[axis] + block.free,
        sizes=(t.sizes[axis], *block.sizes),
        text=f"{block.text}, for each index of dim {t.dim(axis)}",
    )


def _parallel(shapes: Sequence[Shape]) -> Iterator[Monomial]:
    for t in shapes:
        for s in shapes:
            if s.name == t.name or len(t.sizes) < 2:
                continue
            if s.sizes == t.sizes:
                same = {axis: axis for axis in range(len(t.sizes))}
                yield _product(t, s, same, f"{{}} {s.name}")
            for axis in range(len(t.sizes)):
                if len(s.sizes) == 1 and s.sizes[0] == t.sizes[axis]:
                    yield _product(t, s, {axis: 0}, _joined(t, s, axis, 0))
                if len(s.sizes) == len(t.sizes) and s.sizes[axis] == t.sizes[axis]:
                    yield _product(t, s, {axis: axis}, _joined(t, s, axis, axis))


def _crossed(shapes: Sequence[Shape]) -> Iterator[Monomial]:
    for t in shapes:
        for s in shapes:
            if s.name == t.name or len(t.sizes) < 2 or len(s.sizes) < 2:
                continue
            for i, n in enumerate(t.sizes):
                for j, m in enumerate(s.sizes):
                    if n == m and (i != j or len(s.sizes) != len(t.sizes)):
                        yield _product(t, s, {i: j}, _joined(t, s, i, j))


def _joined(t: Shape, s: Shape, i: int, j: int) -> str:
    if len(s.sizes) == 1 and len(t.sizes) == 2:
        return f"{s.name} {{}}^T" if i == 0 else f"{{}} {s.name}^T"
    if len(s.sizes) == len(t.sizes) == 2:
        turned = s.name if i == j else f"{s.name}^T"
        return f"{turned} {{}}" if i == 0 else f"{{}} {turned}"
    return f"{s.name} {{}}, dim {s.dim(j)} along dim {t.dim(i)}"


def _unseen(shapes: Sequence[Shape]) -> Iterator[Monomial]:
    """Moves of other tensors along the kernel of one tensor, where that must have a kernel."""
    for s in shapes:
        for axis, n in enumerate(s.sizes):
            if len(s.sizes) < 2 or s.numel // n >= n:
                continue
            kernel = Source(s.name, "kernel", axis)
            name = f"N({s.name}, dim {s.dim(axis)})"
            for t in shapes:
                if t.name == s.name:
                    continue
                yield from _along(t, kernel, name, n)
                if len(t.sizes) == 1:
                    for v in shapes:
                        if v.sizes == (n,) and v.name != t.name:
                            factors = ((kernel, "yk"), (Source(v.name), "k"))
                            sizes = (t.sizes[0], n)
                            text = f"{{}} {name} {v.name}"
                            yield Monomial(t.name, "x", factors, "xy", sizes, text)


def _along(t: Shape, kernel: Source, name: str, n: int) -> Iterator[Monomial]:
    letters = string.ascii_lowercase[: len(t.sizes)]
    for axis, size in enumerate(t.sizes):
        if size != n:
            continue
        rest = letters.replace(letters[axis], "")
        sizes = tuple(m for a, m in enumerate(t.sizes) if a != axis)
        place = f" on dim {t.dim(axis)}" if len(t.sizes) > 2 else ""
        if axis == 0:
            free, count, text = "y" + rest, (n, *sizes), f"{name} {{}}{place}"
        else:
            free, count, text = rest + "y", (*sizes, n), f"{{}} {name}{place}"
        yield Monomial(t.name, letters, ((kernel, letters[axis] + "y"),), free, count, text)


def _product(
    t: Shape, s: Shape | None, matching: Mapping[int, int], text: str, *, swap: bool = False
) -> Monomial:
    """The target moves by the source, some of whose axes are the target's; the others are fixed.

    Args:
        t: what moves; where it is dressed, what moves is the tensor freed of its gains.
        s: what it moves by, freed of its gains where it is dressed; None for constants.
        matching: axes of the target to axes of the source.
        text: how it acts.
        swap: list the free letters of the source first (a matrix from the right).
    """
    letters = string.ascii_lowercase[: len(t.sizes)]
    factors = [d.factor(letters, 1) for d in t.dresses]
    outer = [a for a in range(len(t.sizes)) if a not in matching]
    free, sizes = "".join(letters[a] for a in outer), [t.sizes[a] for a in outer]
    if s is not None:
        back = {j: i for i, j in matching.items()}
        fresh = iter(string.ascii_lowercase[len(letters) :])
        own = "".join(letters[back[j]] if j in back else next(fresh) for j in range(len(s.sizes)))
        factors += [(Source(s.name), own), *(d.factor(own, -1) for d in s.dresses)]
        inner = "".join(letter for letter in own if letter not in letters)
        counts = [n for n, letter in zip(s.sizes, own, strict=True) if letter not in letters]
        # a tensor from the left has the free letters of the source first, as the vector it makes
        first = swap or (len(t.sizes) == 2 and free == letters[1:])
        free, sizes = (inner + free, counts + sizes) if first else (free + inner, sizes + counts)
    return Monomial(t.name, letters, tuple(factors), free, tuple(sizes), text)
