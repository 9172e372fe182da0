"""Both ways of tracing side by side: recorded, and exported.

`python -m tests.trace.compared [SPEC ...]` compares specs, or all rows of the ground truth and the
zoo below; the tests compare a sample.
"""

import sys
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import symfind
from symfind.load import Inputs
from symfind.trace import ways
from tests.ground_truth.models import CASES, Case

TINY = {
    "vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4,
}  # fmt: skip
T5 = {"vocab_size": 96, "d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 1, "num_heads": 4}
GPT2 = {"vocab_size": 96, "n_embd": 32, "n_layer": 2, "n_head": 2}

ZOO: dict[str, dict[str, Any]] = {
    **{
        f"torchvision:{name}": {}
        for name in (
            "resnet18", "densenet121", "swin_t", "vit_b_16", "convnext_tiny",
            "mobilenet_v3_small", "shufflenet_v2_x0_5", "googlenet",
        )
    },
    **{
        f"timm:{name}": {}
        for name in ("mixer_s32_224", "levit_128s", "eva02_tiny_patch14_224", "ghostnet_100")
    },
    "transformers:GPT2LMHeadModel": GPT2,
    "transformers:LlamaForCausalLM": TINY,
    "transformers:BertModel": TINY,
    "transformers:MixtralForCausalLM": {**TINY, "num_key_value_heads": 2},
    "transformers:T5ForConditionalGeneration": T5,
}  # fmt: skip


def derived(model: Any, inputs: Any = None, **options: Any) -> tuple[Any, ...]:
    """Dimension, formula and factors, as the rules alone have them."""
    report = symfind.analyze(model, inputs, verify=False, certify="never", **options)
    return report.dimension, report.factors, report.approximate


def exported_only() -> Any:
    """Have no recorder while inside."""
    return patch.object(ways, "recorded", side_effect=RuntimeError("not this way"))


def recorded_only() -> Any:
    """Have no exporter while inside."""
    return patch.object(ways, "exported", side_effect=AssertionError("not recorded"))


def both(analysis: Callable[[], tuple[Any, ...]]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """What an analysis finds by the one way of tracing, and by the other."""
    with recorded_only():
        first = analysis()
    with exported_only():
        return first, analysis()


def of_case(case: Case) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Both ways on a row of the ground truth."""
    model, args, kwargs = case.build()
    inputs = Inputs(args, kwargs, dict(case.bounds))
    return both(lambda: derived(model, inputs, output=case.output, train=case.train))


def of_spec(spec: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Both ways on a spec."""
    return both(lambda: derived(spec, settings=ZOO.get(spec, {})))


def main() -> int:
    """Print how the ways compare; the number of those that differ."""
    subjects: dict[str, Callable[[], Any]] = {
        spec: lambda spec=spec: of_spec(spec) for spec in sys.argv[1:] or ZOO
    }
    if not sys.argv[1:]:
        subjects |= {case.name: lambda case=case: of_case(case) for case in CASES}
    differ = 0
    for name, compare in subjects.items():
        one, other = compare()
        differ += one != other
        print(
            f"{name:50s} {'same' if one == other else f'{one[0]} against {other[0]}'}", flush=True
        )
    return differ


if __name__ == "__main__":
    sys.exit(main())
