"""What is written about entries of a tensor, read as NumPy reads it, gives these entries."""

import itertools
import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from symfind.action.notation import entries
from symfind.algebra.axes import Axis, concatenation, positions, product
from symfind.describe.recorded import block_of
from symfind.graph import primitives as p

ATOMS = st.integers(2, 4).map(Axis)
PRODUCTS = st.lists(ATOMS, min_size=1, max_size=3).map(product)
AXES = st.lists(PRODUCTS, min_size=1, max_size=3).map(
    lambda parts: concatenation(parts) if len(parts) > 1 else parts[0]
)
SOURCES = st.lists(AXES, min_size=1, max_size=2).map(lambda axes: p.Source((), axes, key="w"))


def block(source: p.Source, cells, letters: dict[int, str], name: str) -> list[str]:
    return entries(source.shape, [block_of(source, cell, {}) for cell in cells], letters, name)


def selected(text: str, source: p.Source, values: dict[str, int]) -> np.ndarray:
    """Flat positions of the entries that a text like `w[:, 3+2i]` picks."""
    w = np.arange(np.prod(source.shape)).reshape(source.shape)
    if text == "w":
        return w.ravel()
    text = re.sub(r"(\d)([h-n])", r"\1*\2", text)
    text, _, bounds = text.partition("] (")
    free = dict(re.findall(r"([hmn]) < (\d+)", bounds))
    found = []
    for at in itertools.product(*(range(int(n)) for n in free.values())):
        here = {"w": w, **values, **dict(zip(free, at, strict=True))}
        found.append(np.asarray(eval(text.removesuffix("]") + "]", here)).ravel())
    return np.concatenate(found)


def expected(source: p.Source, cell: int, at: dict[int, int]) -> set[int]:
    """The same, from the positions of the block."""
    chosen = source.cells[cell]
    lines = []
    for dim, (axis, choice) in enumerate(zip(source.axes, chosen.choice, strict=True)):
        own = [k for k, (d, _) in enumerate(chosen.places) if d == dim]
        index = tuple(at.get(k, slice(None)) for k in own)
        lines.append(np.asarray(positions(axis, choice))[index].ravel())
    w = np.arange(np.prod(source.shape)).reshape(source.shape)
    return set(w[np.ix_(*lines)].ravel().tolist())


@given(SOURCES, st.data())
def test_an_entry_is_what_it_says(source: p.Source, data: st.DataObject) -> None:
    cell = data.draw(st.integers(0, len(source.cells) - 1))
    atoms = source.cells[cell].atoms
    chosen = data.draw(st.lists(st.integers(0, len(atoms) - 1), unique=True, max_size=4))
    letters = dict(zip(chosen, "ijkl", strict=False))
    (text,) = block(source, [cell], letters, "w")
    for values in itertools.product(*(range(atoms[k].size) for k in letters)):
        at = dict(zip(letters, values, strict=True))
        names = {letters[k]: v for k, v in at.items()}
        assert set(selected(text, source, names).tolist()) == expected(source, cell, at)


@given(SOURCES)
def test_all_blocks_together_are_the_tensor(source: p.Source) -> None:
    assert block(source, range(len(source.cells)), {}, "w") == ["w"]


def test_as_people_write_it() -> None:
    heads = p.Source((), [Axis(5), concatenation([product([Axis(3), Axis(4)]) for _ in "qkv"])])
    inner = {2: "i"}
    assert block(heads, [1], {}, "w") == ["w[:, 12:24]"]
    assert block(heads, [1], {0: "i"}, "w") == ["w[i, 12:24]"]
    assert block(heads, [1], {1: "i"}, "w") == ["w[:, 12+4i:12+4i+4]"]
    assert block(heads, [0], inner, "w") == ["w[:, i:i+12:4]"]
    assert block(heads, [2], {1: "i", 2: "i"}, "w") == ["w[:, 24+i]"]
    assert block(heads, [0, 1, 2], {0: "i"}, "w") == ["w[i, :]"]
    assert block(heads, [0, 1], {0: "i"}, "w") == ["w[i, 0:12]", "w[i, 12:24]"]
