"""Formulas that are right where sizes are as the model's: so many heads, in such an order."""

from typing import Any

import pytest

import symfind
from symfind.formulas.fitted import _told

pytest.importorskip("transformers")

SPEC = "transformers:GemmaForCausalLM"
SMALL: dict[str, Any] = {
    "vocab_size": 30, "hidden_size": 9, "intermediate_size": 7, "num_hidden_layers": 2,
    "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 4,
}  # fmt: skip
OTHER: dict[str, Any] = {
    "vocab_size": 41, "hidden_size": 20, "intermediate_size": 5, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 6,
}  # fmt: skip


def counted(settings: dict[str, Any], formula: bool = False) -> symfind.Report:
    tokens = [f"input_ids=i64<{settings['vocab_size']}>[1,4]"]
    return symfind.analyze(
        SPEC, settings=settings, inputs=tokens, verify=False, certify="never", formula=formula
    )


def test_one_head_for_keys_is_a_family_of_its_own() -> None:
    """With several, heads are copied otherwise, and no formula holds for both."""
    report = counted(SMALL, formula=True)
    formula, where = report.formula, report.dimension.domain
    assert where is not None and "num_key_value_heads=1" in where
    assert "hidden_size>head_dim" in where
    for sizes in (SMALL, OTHER):
        at = {s: sizes[str(s)] for s in formula.free_symbols}
        assert formula.subs(at) == counted(sizes).dimension.redundant
    assert {str(s) for s in formula.free_symbols} == {
        "head_dim", "hidden_size", "intermediate_size", "num_hidden_layers"
    }  # fmt: skip


def test_sizes_that_are_never_apart_are_not_told() -> None:
    """Else one stands where the other belongs: as heads of queries, where there are as many."""
    apart = [{"a": 2, "b": 3}, {"a": 3, "b": 5}, {"a": 4, "b": 2}]
    assert _told(apart, ["a", "b"])
    assert not _told([{"a": n, "b": n} for n in (2, 3, 4)], ["a", "b"])
    assert not _told([{"a": n, "b": 2 * n} for n in (2, 3, 4)], ["a", "b"])
    assert not _told([{"a": 2, "b": n} for n in (2, 3, 4)], ["a", "b"])
    assert _told([{"a": 2, "b": n} for n in (2, 3, 4)], ["b"])
