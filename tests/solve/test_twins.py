"""Counting through shrunken twins agrees with counting at the model's own sizes."""

import pytest

from symfind.load import sizes_of
from symfind.solve import count
from symfind.solve.solver import derive
from symfind.solve.symbols import Symbols
from symfind.trace import trace
from tests.ground_truth.models import CASES

NAMES = (
    "linear-5-4-4-5-bias relu layernorm groupnorm attention-bias attention-rope lora "
    "gpt2-2-tied llama-2-untied bert-1-tied vit-2 t5-1-untied"
).split()


@pytest.mark.parametrize("case", [c for c in CASES if c.name in NAMES], ids=lambda c: c.name)
def test_twins_agree_with_own_sizes(case, monkeypatch):
    monkeypatch.setattr(count, "OWN_PARAMETERS", -1)
    model, args, kwargs = case.build()
    graph = trace(model, args, kwargs, train=case.train)
    derived = derive(graph, case.output)
    shapes = {name: tuple(op.shape) for name, op in graph.parameters.items()}
    found = count.tally(derived.families, derived.parameters, shapes, Symbols(sizes_of(model)))
    assert all(t.known for t in found)
    assert sum(t.orbit for t in found) == case.redundant


def test_repeated_layers_scale_with_depth():
    """The count of a deep model is that of a shallow one plus whole layers."""
    transformers = pytest.importorskip("transformers")

    def redundant(layers: int) -> int:
        config = transformers.LlamaConfig(
            hidden_size=32, intermediate_size=48, num_hidden_layers=layers,
            num_attention_heads=4, num_key_value_heads=2, vocab_size=50,
        )  # fmt: skip
        import torch

        model = transformers.LlamaForCausalLM(config)
        graph = trace(model, (torch.zeros(1, 5, dtype=torch.long),), {})
        shapes = {name: tuple(op.shape) for name, op in graph.parameters.items()}
        derived = derive(graph)
        found = count.tally(derived.families, derived.parameters, shapes, Symbols({}))
        assert all(t.known for t in found)
        return sum(t.orbit for t in found)

    kv, dk, d, m = 2, 8, 32, 48
    layer = kv * dk + kv * dk * dk + 2 * d + m
    ends = d + d * (d - 1) // 2
    assert redundant(3) == 3 * layer + ends
    assert redundant(9) == 9 * layer + ends
