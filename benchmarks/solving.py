"""What a derivation costs on models of real size: load, trace, solve, and memory.

Every model runs in a process of its own; weights are never materialised. Run
`python benchmarks/solving.py [name ...]`.
"""

import os
import sys
from typing import Any

from measure import Failed, measured, serve

LLAMA = "transformers:LlamaForCausalLM"  # the default configuration is that of Llama 2 7B
TOKENS = ["input_ids=i64<32000>[1,16]"]
MODELS: dict[str, dict[str, Any]] = {
    "resnet50": {"model": "torchvision:resnet50"},
    "vit_b_16": {"model": "torchvision:vit_b_16"},
    "gpt2": {"model": "transformers:GPT2LMHeadModel"},
    "llama-8": {"model": LLAMA, "inputs": TOKENS, "settings": {"num_hidden_layers": 8}},
    "llama-16": {"model": LLAMA, "inputs": TOKENS, "settings": {"num_hidden_layers": 16}},
    "llama-32": {"model": LLAMA, "inputs": TOKENS, "settings": {"num_hidden_layers": 32}},
}


def worker(name: str) -> dict[str, Any]:
    """One analysis without verification."""
    import symfind

    report = symfind.analyze(**MODELS[name], verify=False, certify="never")
    timing = report.timing
    return {
        "parameters": report.dimension.parameters,
        "redundant": report.dimension.redundant,
        "load": timing.load, "trace": timing.trace, "solve": timing.solve,
    }  # fmt: skip


def main() -> None:
    """Print the table."""
    print(f"{os.cpu_count()} cores\n")
    head = ("model", "parameters", "redundant", "load", "trace", "solve", "solve/trace", "peak")
    print("".join(f"{h:>16}" for h in head))
    for name in sys.argv[1:] or MODELS:
        try:
            r = measured(__file__, name)
        except Failed as error:
            print(f"{name:>16}  failed: {error}", flush=True)
            continue
        cells = (
            name,
            f"{r['parameters']:,}",
            f"{r['redundant']:,}",
            f"{r['load']:.1f} s",
            f"{r['trace']:.1f} s",
            f"{r['solve']:.1f} s",
            f"{r['solve'] / r['trace']:.2f}",
            f"{r['gigabytes']:.2f} GB",
        )
        print("".join(f"{c:>16}" for c in cells), flush=True)


if __name__ == "__main__":
    serve(worker) or main()
