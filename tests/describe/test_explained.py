"""Why there is a rotation of the residual stream, or none: on small models of known shapes."""

import pytest
import torch
from torch import nn

import symfind
from symfind.errors import InputError
from symfind.report.explained import Wire, render
from symfind.session.asked import chosen

SIZES = {
    "vocab_size": 40, "hidden_size": 32, "intermediate_size": 24, "num_hidden_layers": 1,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32,
}  # fmt: skip
DEEPSEEK = {
    **SIZES, "moe_intermediate_size": 8, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "n_group": 1, "topk_group": 1, "q_lora_rank": 12, "kv_lora_rank": 10, "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 6, "v_head_dim": 8, "first_k_dense_replace": 0, "num_key_value_heads": 4,
}  # fmt: skip
OPT = {
    "vocab_size": 40, "hidden_size": 16, "ffn_dim": 24, "num_hidden_layers": 1,
    "num_attention_heads": 4, "word_embed_proj_dim": 16, "max_position_embeddings": 32,
}  # fmt: skip
TIED = "embed_tokens.weight writes and reads the wire (tied) across"
# settings, the group of the stream, what is said of it
STREAMS = {
    "Gemma2ForCausalLM": ({**SIZES, "head_dim": 8}, "", (TIED, "post_attention_layernorm.weight")),
    "Qwen2ForCausalLM": ({**SIZES, "tie_word_embeddings": True}, "", (f"{TIED} norm.weight",)),
    "CohereForCausalLM": (SIZES, "", (f"{TIED} norm.weight",)),
    "OPTForCausalLM": (OPT, "", (f"{TIED} final_layer_norm.weight",)),
    "Qwen3ForCausalLM": ({**SIZES, "head_dim": 8}, "SO(32)", ()),
    "Phi3ForCausalLM": ({**SIZES, "pad_token_id": 0}, "SO(32)", ()),
    "DeepseekV3ForCausalLM": (DEEPSEEK, "SO(32)", ()),
    "MixtralForCausalLM": ({**SIZES, "num_local_experts": 3}, "SO(32)", ()),
}


def session(name: str, sizes: dict[str, object]) -> symfind.Session:
    settings = {key: str(value) for key, value in sizes.items()}
    return symfind.open(
        f"transformers:{name}", settings=settings, inputs=("input_ids=i64<40>[2,6]",)
    )


@pytest.mark.parametrize("name", STREAMS)
def test_the_residual_stream(name: str) -> None:
    sizes, group, words = STREAMS[name]
    found = session(name, sizes)
    (stream,) = (w for w in found.explain(rotation=True).wires if w.role == "residual stream")
    assert stream.group == group
    said = " ".join(r.words for r in stream.reasons)
    assert all(word in said for word in (*words, "a norm divides by the length"))
    assert any("embed_tokens" in n for n in stream.writers)
    if group:
        assert not stream.almost
        assert any("lm_head" in n for n in stream.readers)
    else:
        assert stream.almost and stream.kept.startswith("SO(")
        assert any("untie embed_tokens.weight" in r.restores for r in stream.reasons)
    assert all(r.where for r in stream.reasons if "norm divides" in r.words)


def test_what_is_asked_for() -> None:
    found = session("Gemma2ForCausalLM", {**SIZES, "head_dim": 8})
    (value,) = found.explain(between=("v_proj", "o_proj")).wires
    assert value.group == "GL(8, R)" and value.role == "value"
    gate = found.explain(between=("gate_proj", "down_proj"))
    text = render(gate)
    assert "gelu acts entry by entry" in text or "a product multiplies entry by entry" in text
    (scores,) = found.explain(between=("q_proj", "k_proj")).wires
    assert scores.group == "GL(1, C)^4" and "RoPE rotates the pairs (i, i+4)" in render(gate) + (
        scores.reasons[0].words
    )
    assert all(len(line) <= 80 for line in text.splitlines())


class Stream(nn.Module):
    """A residual block under a norm, read by the table that writes it."""

    def __init__(self, gain: bool) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(7, 6))
        self.norm = nn.RMSNorm(6, elementwise_affine=gain)
        self.up, self.down = nn.Linear(6, 5, bias=False), nn.Linear(5, 6, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.table[tokens]
        x = x + self.down(torch.tanh(self.up(x)))
        return self.norm(x) @ self.table.T


@pytest.mark.parametrize("gain", (True, False))
def test_what_would_restore_a_group_does(gain: bool) -> None:
    found = symfind.open(Stream(gain), torch.randint(7, (4, 3)))
    (stream,) = (w for w in found.explain().wires if w.rotated)
    assert stream.group == ("" if gain else "SO(6)")
    if gain:
        assert stream.kept == "SO(6)"
        assert stream.reasons[-1].restores.endswith("norm.weight a multiple of the all-ones vector")
        (absent,) = found.report(verify=False, certify="never").absent
        assert absent.group == "SO(6)" and absent.restores


def test_it_prints_as_the_command_does() -> None:
    found = symfind.open(
        nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)), torch.randn(5, 4)
    ).explain()
    assert str(found) == render(found) and "carries GL(3, R)" in str(found)


def test_nothing_is_chosen_of_nothing() -> None:
    assert chosen([], rotation=True) == ((), "")
    wire = Wire("bond: a → b", "bond", 3, "GL(3, R)", "GL(3, R)", (), ("a",), ("b",))
    assert chosen([wire], at="a")[0] == (wire,)
    assert chosen([wire], between=("a", "c")) == ((), "")


def test_names_that_lead_nowhere() -> None:
    found = symfind.open(Stream(True), torch.randint(7, (4, 3)))
    with pytest.raises(InputError, match=r"'donw' \(the nearest: down"):
        found.explain(at="donw")
    with pytest.raises(InputError, match="'tabel' .*'uq'"):
        found.explain(between=("tabel", "uq"))
    # a gain is a tensor of the model, though it is no end of a wire
    unread = found.explain(at="norm.weight")
    assert not unread.wires and "norm.weight" in str(unread)


def test_names_of_layers_and_of_tied_tensors() -> None:
    found = session("Qwen2ForCausalLM", {**SIZES, "tie_word_embeddings": True})
    assert found.explain(at="layers.*.self_attn.q_proj").wires
    assert found.explain(at="lm_head") == found.explain(at="embed_tokens.weight")
    assert found.explain(between=("embed_tokens", "lm_head")).wires


class Mixture(nn.Module):
    """Experts with matrices of their own, and a gate."""

    def __init__(self, summed: bool) -> None:
        super().__init__()
        self.summed = summed
        self.gate = nn.Linear(5, 4, bias=False)
        self.up, self.down = (nn.Parameter(torch.randn(4, *s)) for s in ((5, 3), (3, 5)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.einsum("bd,edh->beh", x, self.up).relu()
        y = torch.einsum("beh,ehd->bed", y, self.down)
        return (self.gate(x).softmax(-1)[..., None] * y).sum(1) if self.summed else y


@pytest.mark.parametrize("summed", (True, False))
def test_what_numbers_matrices_is_no_wire_of_units(summed: bool) -> None:
    found = symfind.open(nn.Sequential(nn.Linear(4, 5), Mixture(summed)), torch.randn(6, 4))
    assert {w.size for w in found.explain().wires if w.role == "hidden units"} == {3}
    numbering = [w for w in found.explain(everything=True).wires if w.size == 4 and w.writers]
    roles = {w.role for w in numbering if any("up" in n for n in w.writers)}
    assert roles == {"experts" if summed else "groups"}


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(6, 5), nn.Linear(5, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.down(self.up(x).relu())


def test_numbers_that_are_all_of_a_name_stay() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 6), Block(), Block(), nn.Linear(6, 3))
    wires = symfind.open(model, torch.randn(9, 4)).explain().wires
    assert [w.name for w in wires if w.role == "bond"] == ["bond: 0 → 1"]
    (stream,) = (w for w in wires if w.role == "residual stream")
    assert stream.name == "residual stream: 1, *.down → *.up, 4"
    (units,) = (w for w in wires if w.role == "hidden units")
    assert units.copies == 2 and units.name == "hidden units of *: up"


class Latents(nn.Module):
    """Trained latents that look at a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(3, 6))
        self.q, self.k = nn.Linear(6, 4, bias=False), nn.Linear(5, 4, bias=False)
        self.v, self.o = nn.Linear(5, 7, bias=False), nn.Linear(7, 2)
        self.head = nn.Linear(2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = self.q(self.latents) @ self.k(x).mT
        return self.head(self.o(scores.softmax(-1) @ self.v(x))).softmax(-1)


def test_queries_of_latents_meet_keys() -> None:
    wires = symfind.open(Latents(), torch.randn(6, 4, 5)).explain().wires
    found = {(w.role, w.size) for w in wires}
    assert found == {("query · key", 4), ("value", 7), ("bond", 6), ("bond", 2)}


class Memory(nn.Module):
    """A recurrent layer, and a sum of two maps that is no residual stream."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.a, self.b = nn.LSTM(4, 5), nn.Linear(5, 6), nn.Linear(5, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.cell(x)[0]
        return self.head(self.a(y) + self.b(y.cos()))


def test_not_every_sum_is_a_residual_stream() -> None:
    wires = symfind.open(Memory(), torch.randn(3, 2, 4)).explain(everything=True).wires
    assert all(w.role != "residual stream" for w in wires)
    said = {r.words for w in wires for r in w.reasons}
    assert "lstm lets no change of basis through" in said
    assert not any("has no rule" in words for words in said)


def test_a_stream_that_is_an_output_answers_for_the_rotation() -> None:
    blocks = [Block(), nn.RMSNorm(6, elementwise_affine=False), Block()]
    found = symfind.open(nn.Sequential(nn.Linear(4, 6), *blocks), torch.randn(9, 4))
    assert not [w for w in found.explain().wires if w.role == "residual stream"]
    wires = found.explain(rotation=True).wires
    assert wires and any("an output" in r.words for w in wires for r in w.reasons)


def test_a_table_that_a_layer_adds_to_is_a_residual_stream() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.head = nn.Embedding(7, 6), nn.Linear(6, 2)
            self.up, self.down = nn.Linear(6, 5), nn.Linear(5, 6)

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            x = self.table(tokens)
            return self.head(x + self.down(self.up(x).tanh()))

    wires = symfind.open(Net(), torch.randint(7, (4, 3))).explain().wires
    (stream,) = (w for w in wires if w.size == 6)
    assert stream.role == "residual stream" and stream.group == "GL(6, R)"
