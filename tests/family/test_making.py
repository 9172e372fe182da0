"""What making members costs: what has no values is not drawn, what has names is not traced."""

from typing import Any

from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from symfind.family import Family
from symfind.family.depth import Short, shortened
from symfind.load.meta import build_light
from tests.family.test_members import NANO, family


class _Seen(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "normal" in str(func) and args[0].is_meta:
            self.drawn.append(str(func))
        return func(*args, **(kwargs or {}))


class _Drawn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)
        nn.init.normal_(self.layer.weight, std=0.02)
        self.layer.bias.data.normal_()


def test_nothing_is_drawn_where_there_are_no_values() -> None:
    with _Seen() as seen:
        model = build_light(_Drawn)
    assert all(p.is_meta for p in model.parameters())
    assert seen.drawn == []


def test_what_counts_layers_is_seen_without_a_trace(monkeypatch) -> None:
    own, traced = family(NANO), []
    trace = Family._traced
    monkeypatch.setattr(Family, "_traced", lambda *a: (traced.append(a), trace(*a))[1])
    short = shortened(own)
    assert isinstance(short, Short) and len(short.depths) == 1
    assert len(traced) == 2  # the model, and that with two layers
