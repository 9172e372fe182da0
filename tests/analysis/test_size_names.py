"""Which name a size has in a formula: the model's own, one of a module near by, or none."""

import torch
from torch import nn

import symfind


class Attention(nn.Module):
    """Multi-head attention that may name its own sizes."""

    def __init__(self, width: int, heads: int, named: bool = True) -> None:
        super().__init__()
        self._heads = heads
        if named:
            self.num_heads, self.head_dim = heads, width // heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, time, width = x.shape
        q, k, v = self.qkv(x).view(batch, time, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
        y = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.proj(y.transpose(1, 2).reshape(batch, time, width))


class Net(nn.Module):
    """Attention layers in a row, with names of sizes at the top."""

    def __init__(self, heads: tuple[int, ...], **own: int) -> None:
        super().__init__()
        for name, value in own.items():
            setattr(self, name, value)
        self.layers = nn.ModuleList(Attention(12, h) for h in heads)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = x + torch.tanh(layer(x))
        return x


class InChans(Net):
    """The model names one size, which happens to be that of something else."""

    def __init__(self, heads: tuple[int, ...], in_chans: int) -> None:
        super().__init__(heads, in_chans=in_chans)
        self.embed = nn.Linear(in_chans, 12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(torch.tanh(self.embed(x)))


class NHead(Net):
    """The model names the heads itself."""

    def __init__(self, heads: tuple[int, ...], n_head: int) -> None:
        super().__init__(heads, n_head=n_head)


class TwoNames(Net):
    """Two names for one size, and two indices of that size in one tensor."""

    def __init__(self, n_kv: int, d_head: int) -> None:
        super().__init__((), n_kv=n_kv, d_head=d_head)
        self.layers = nn.ModuleList([Attention(n_kv * d_head, n_kv, named=False)])


def symbols(model: nn.Module, width: int = 12) -> dict[str, int]:
    report = symfind.analyze(model, torch.randn(2, 4, width), certify="never", verify=False)
    sizes = report.dimension.sizes
    formula = report.dimension.formula
    assert eval(formula, dict(sizes)) == report.dimension.redundant > 0
    return {name: n for name, n in sizes.items() if name in formula}


def test_a_module_names_what_the_model_does_not() -> None:
    assert symbols(Net((3, 3))) == {"num_heads": 3, "head_dim": 4}


def test_the_model_names_it_first() -> None:
    assert symbols(NHead((3, 3), n_head=3)) == {"n_head": 3, "head_dim": 4}


def test_two_roles_of_one_size_have_two_names() -> None:
    names = symbols(InChans((3, 3), in_chans=3), width=3)
    assert names.get("num_heads") == 3
    assert "in_chans" not in names


def test_a_name_with_several_values_is_none() -> None:
    assert symbols(Net((3, 2))) == {"d_2": 2, "d_3": 3, "d_4": 4, "d_6": 6}


def test_no_guess_between_two_names() -> None:
    assert symbols(TwoNames(3, 3), width=9).keys() == {"d_3"}
    assert symbols(TwoNames(3, 4)).keys() == {"n_kv", "d_head"}
