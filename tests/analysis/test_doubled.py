"""What holds for a batch of one alone is said to, and nothing is said of models that do not mix."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import symfind

WORDS = "The model mixes what lies along the first axis"


class Two(nn.Module):
    """Two linear layers, and what is made of them and of the input."""

    def __init__(self, run: Callable[["Two", Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.run = run
        self.a, self.b = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def contrasted(m: Two, x: Tensor) -> Tensor:
    h = torch.tanh(m.a(x))
    return F.cross_entropy(h @ h.T, torch.arange(len(x)))


MIXING = {
    "softmax over examples": lambda m, x: m.b(m.a(x).softmax(0)),
    "contrast": contrasted,
    "number of examples": lambda m, x: m.b(torch.tanh(m.a(x) * (len(x) - 1))),
}
APART = {
    "examples apart": lambda m, x: m.b(torch.relu(m.a(x))),
    "a sum over examples": lambda m, x: m.b(torch.relu(m.a(x)).sum(0)),
    "two outputs": lambda m, x: (m.a(x).relu(), m.b(m.a(x).relu()).mean(-1)),
    "one example only": lambda m, x: m.b(torch.relu(m.a(x.reshape(4)))),
}


@pytest.mark.parametrize("name", MIXING)
def test_a_batch_of_one_hides_that_examples_are_mixed(name: str) -> None:
    report = symfind.analyze(Two(MIXING[name]), torch.randn(1, 4))
    assert report.dimension.redundant
    assert WORDS in report.certificate.words
    larger = symfind.analyze(Two(MIXING[name]), torch.randn(6, 4))
    assert larger.dimension.redundant < report.dimension.redundant
    assert WORDS not in larger.certificate.words


@pytest.mark.parametrize("name", APART)
def test_nothing_is_said_where_what_is_derived_holds_for_more(name: str) -> None:
    report = symfind.analyze(Two(APART[name]), torch.randn(1, 4))
    assert report.certificate.status == "complete"
    assert report.dimension.redundant
    assert WORDS not in report.certificate.words


def test_what_more_examples_show_is_not_put_down_to_large_values() -> None:
    report = symfind.analyze(Two(lambda m, x: m.b(m.a(x) - m.a(x).mean(0))), torch.randn(1, 4))
    said = [one.words for one in report.certificate.unexplained_sets if one.kind == "inputs"]
    assert said and all("a larger batch showed" in words for words in said)
