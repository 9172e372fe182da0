"""Networks in stages, whose widths double: their twins are as small as those of other networks."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from symfind.trace import trace
from symfind.twin import Twins, certify_on_twins
from symfind.twin import certify as certifying
from symfind.twin import sizes as choosing
from symfind.twin.build import build_twin
from symfind.twin.sizes import LENGTHENED
from tests.twin.subjects import Separable, question


def halved(width: int) -> nn.ModuleList:
    return nn.ModuleList(nn.Conv2d(width, width // 2, 1) for _ in range(2))


class Joined(nn.Module):
    """Two halves that are joined, so that each width is twice that of the stage before."""

    def __init__(self, width: int = 16, stages: int = 4) -> None:
        super().__init__()
        widths = [width * 2**k for k in range(stages + 1)]
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in itertools.pairwise(widths))
        self.halves = nn.ModuleList(halved(w) for w in widths[1:])
        self.lasts = nn.ModuleList(nn.Conv2d(w, w, 1) for w in widths[1:])
        self.head = nn.Linear(widths[-1], 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        for down, halves, last in zip(self.downs, self.halves, self.lasts, strict=True):
            x = down(x).relu()
            x = last(torch.cat([half(x).relu() for half in halves], 1)).relu()
        return self.head(x.mean((2, 3)))


class Grouped(nn.Module):
    """Groups as wide in all stages, ever more of them, and as many plain channels."""

    def __init__(self, group: int = 16, groups: tuple[int, ...] = (1, 3, 6, 12)) -> None:
        super().__init__()
        widths = [group * n for n in groups]
        pairs = list(itertools.pairwise([8, *widths]))
        self.stem = nn.Conv2d(3, 8, 1)
        self.wide = nn.ModuleList(nn.Conv2d(a, b, 1, bias=False) for a, b in pairs)
        self.convs = nn.ModuleList(
            nn.Conv2d(w, w, 3, padding=1, groups=n) for w, n in zip(widths, groups, strict=True)
        )
        self.back = nn.ModuleList(nn.Conv2d(w, w, 1) for w in widths)
        self.head = nn.Linear(widths[-1], 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        for wide, conv, back in zip(self.wide, self.convs, self.back, strict=True):
            x = back(conv(wide(x).relu()).relu()).relu()
        return self.head(x.mean((2, 3)))


class Idle(Separable):
    """A large head that nothing reads, as those for training alone."""

    def __init__(self) -> None:
        super().__init__()
        self.idle = nn.Sequential(nn.Conv2d(32, 128, 1), nn.Linear(2048, 1000))


MADE = {"joined": Joined, "grouped": Grouped, "idle": Idle}


def asked(name: str) -> certifying.Question:
    torch.manual_seed(0)
    size = 32 if name == "idle" else 6
    return question(MADE[name]().eval(), (torch.randn(2, 3, size, size),))


@pytest.mark.parametrize("name", MADE)
def test_small_twins_say_that_all_is_derived(name: str) -> None:
    one = asked(name)
    assert Twins(one).easy
    found = certify_on_twins(one)
    assert found.status == "complete", found
    assert found.parameters is not None and found.parameters < certifying._EASY


@pytest.mark.parametrize("name", ["joined", "grouped"])
def test_a_count_that_lacks_a_family_or_has_too_much_is_not_complete(name, monkeypatch) -> None:
    one, right = asked(name), certifying.count
    monkeypatch.setattr(certifying, "_TRIED", 2)

    def poorer(graph, output, names, without=()):
        found = right(graph, output, names, without)
        if graph is not one.graph:
            return found
        place = next(i for i, t in enumerate(found.tallies) if t.family.kind == "scaling")
        return replace(found, tallies=[t for i, t in enumerate(found.tallies) if i != place])

    monkeypatch.setattr(certifying, "count", poorer)
    assert certify_on_twins(one).status == "incomplete"
    monkeypatch.setattr(certifying, "count", right)
    at = certifying.at_sizes
    monkeypatch.setattr(certifying, "at_sizes", lambda model, twin: at(model, twin) + 1)
    assert certify_on_twins(one).status == "undetermined"


@pytest.mark.parametrize("name", ["joined", "grouped"])
@pytest.mark.parametrize("variant", range(4))
def test_sizes_are_ordered_in_every_parameter_as_in_the_model(name: str, variant: int) -> None:
    graph = asked(name).graph
    twin = build_twin(graph, variant, narrow=True).graph
    for key, op in graph.parameters.items():
        pairs = list(zip(op.shape[:2], twin.parameters[key].shape[:2], strict=True))
        for (n, small), (m, other) in itertools.permutations(pairs, 2):
            assert (n < m) <= (small < other) and (n == m) <= (small == other), key


@pytest.mark.parametrize("name", ["joined", "grouped"])
def test_which_factor_is_longer_and_what_is_one_class_matters(name: str, monkeypatch) -> None:
    """Twins would be large without."""
    graph = asked(name).graph
    few = build_twin(graph, 0).parameters
    monkeypatch.setattr(choosing, "LENGTHENED", LENGTHENED[:1])
    monkeypatch.setattr(choosing, "_MANY", 1e9)
    assert build_twin(graph, 0).parameters > 1.5 * few


def test_equal_widths_stay_equal_where_they_meet() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 128), nn.Tanh(),
                        nn.Linear(128, 256), nn.Tanh(), nn.Linear(256, 256))  # fmt: skip
    twin = build_twin(trace(net, (torch.randn(2, 64),), {}), 1).graph.parameters
    assert twin["0.weight"].shape[0] == twin["0.weight"].shape[1]
    assert twin["6.weight"].shape[0] == twin["6.weight"].shape[1] > twin["2.weight"].shape[0]


def test_a_window_longer_than_all_places_asks_for_none_of_them() -> None:
    """As where a pool over everything is written with the number of channels as its window."""
    torch.manual_seed(0)
    pool = nn.AvgPool2d(96, ceil_mode=True)
    net = nn.Sequential(nn.Conv2d(3, 96, 3, 2, 1), nn.ReLU(), pool, nn.Flatten(), nn.Linear(96, 5))
    graph = trace(net, (torch.randn(2, 3, 65, 65),), {})
    assert max(op.shape[-1] for op in build_twin(graph, 0).graph.inputs) <= 6
    found = certify_on_twins(question(net, (torch.randn(2, 3, 65, 65),)))
    assert found.status == "complete", found


def test_the_graph_is_shortened_once_whatever_is_asked(monkeypatch) -> None:
    times, right = [], certifying.shortest

    def counted(graph, parameters, most):
        times.append(most)
        return right(graph, parameters, most)

    monkeypatch.setattr(certifying, "shortest", counted)
    twins = Twins(asked("joined"))
    assert twins.easy and twins.certificate().status == "complete"
    assert times == [certifying._EASY]
