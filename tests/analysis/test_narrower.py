"""Models that are too large to run are verified on narrower ones, which have to be like them."""

import pytest

import symfind
from symfind.analysis import narrower as module
from symfind.analysis.narrower import narrower


def test_tables_span_what_they_span_in_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PARAMETERS", 120_000)
    monkeypatch.setattr(module, "_ROWS", 20)
    session = symfind.open(
        "transformers:LlamaForCausalLM",
        settings={
            "vocab_size": 900, "hidden_size": 128, "intermediate_size": 160,
            "num_hidden_layers": 4, "num_attention_heads": 4,
        },
    )  # fmt: skip
    found = narrower(session.subject)
    assert found is not None and found.member.parameters < 240_000
    rows, width = found.changed["vocab_size"], found.changed.get("hidden_size", 128)
    assert 20 < width <= rows < 900
