"""Spaces of coefficients of symbolic size, and how coefficients follow from others."""

import pytest
import torch

from symfind.discovery.structure import Image, Structure, images, structures


@pytest.mark.parametrize("sizes", [(), (3,), (3, 3), (2, 3), (3, 3, 2), (2, 4, 4)])
def test_every_structure_has_its_dimension(sizes: tuple[int, ...]) -> None:
    for space in structures(sizes):
        n = round(float(space.dimension(sizes)))
        arrays = torch.stack([space.array(c, sizes) for c in torch.eye(n, dtype=torch.float64)]) \
            if n else torch.zeros(0, *sizes, dtype=torch.float64)  # fmt: skip
        flat = arrays.reshape(n, -1)
        assert n == 0 or int(torch.linalg.matrix_rank(flat)) == n
        torch.testing.assert_close(space.project(arrays), arrays)
        drawn = space.project(torch.randn(n + 2, *sizes, dtype=torch.float64)).reshape(n + 2, -1)
        both = torch.cat([flat, drawn])
        assert int(torch.linalg.matrix_rank(both)) == n  # no more than what the basis spans


@pytest.mark.parametrize(("image", "meaning"), [
    (Image("ab", "ba", -1.0), lambda a: -a.T), (Image("ab", "b", 1.0), lambda a: a.sum(0)),
    (Image("aa", "a", 2.0), lambda a: 2 * a.diagonal()),
    (Image("aa", "", 1.0), lambda a: a.trace()),
    (Image("ab", "avb", 1.0), lambda a: a[:, None].expand(3, 2, 3)),
    (Image("aa", "aa", 1.0), lambda a: a.diagonal().diag()),
    (Image("ab", "avv", 1.0), lambda a: a.sum(1)[:, None, None] * torch.eye(2).double()),
])  # fmt: skip
def test_images(image: Image, meaning) -> None:
    array = torch.randn(3, 3, dtype=torch.float64)
    expected = meaning(array)
    torch.testing.assert_close(image.of(array, expected.shape), expected)
    batch = torch.stack([array, 2 * array])
    torch.testing.assert_close(image.of(batch, expected.shape)[1], 2 * expected)
    assert any(image.same(Image(o.given, o.made, image.factor))
               for o in images((3, 3), expected.shape))  # fmt: skip


def test_a_number_makes_a_unit_matrix() -> None:
    one = Image("", "uu", 3.0).of(torch.tensor(2.0), (4, 4))
    torch.testing.assert_close(one, 6 * torch.eye(4))
    assert any(image.made == "uu" for image in images((), (4, 4)))
    assert isinstance(next(structures((2,))), Structure)
