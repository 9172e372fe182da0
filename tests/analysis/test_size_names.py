"""Which name a size has in a formula: the model's own, one of a module near by, or none."""

import torch
from torch import nn

import symfind
from symfind.count.counted import counted
from symfind.count.symbols import Symbols, local_names
from symfind.load import module_sizes


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
    session = symfind.open(model, torch.randn(2, 4, width))
    own = session.loaded.sizes
    names = local_names(session.derivation.lowered.parameters, {**module_sizes(model), "": own})
    found = counted(session.graph, session.derivation, Symbols(own, names))
    formula = sum(t.orbit_formula for t in found.tallies)
    values = found.symbols.values(formula)
    assert formula.subs(values) == found.redundant > 0
    return {str(s): n for s, n in values.items()}


def test_every_index_of_a_module_that_is_given_ready_has_a_name_of_its_own() -> None:
    report = symfind.analyze(Net((3, 3)), torch.randn(2, 4, 12), certify="never", verify=False)
    sizes = report.dimension.sizes
    # heads, and how wide they are, in either layer
    assert sorted(sizes.values()) == [3, 3, 4, 4]
    assert all("qkv" in name and ("layers_0" in name or "layers_1" in name) for name in sizes)
    wider = {s: 5 * sizes[str(s)] for s in report.formula.free_symbols}
    assert report.formula.subs(wider) == 125 * report.dimension.redundant


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


def test_packed_attention_of_torch_has_heads_and_their_width() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)
    model = nn.Sequential(nn.Embedding(11, 8), layer, nn.Linear(8, 3)).eval()
    formula = symfind.open(model, torch.arange(4)[None]).report(certify="never").dimension.formula
    assert "head_dim_1_self_attn**2*heads_1_self_attn" in formula
    assert "in_proj_weight" not in formula
