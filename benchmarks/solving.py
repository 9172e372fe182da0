"""What a derivation costs on models of real size: load, trace, solve, and memory.

Every model runs in a process of its own; weights are never materialised. Run
`python benchmarks/solving.py [name ...]`.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

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


def worker(name: str) -> None:
    """One analysis without verification, printed as JSON."""
    import symfind

    report = symfind.analyze(**MODELS[name], verify=False, certify="never")
    unit = 1e9 if sys.platform == "darwin" else 1e6
    timing = report.timing
    print(json.dumps({
        "parameters": report.dimension.parameters,
        "redundant": report.dimension.redundant,
        "load": timing.load, "trace": timing.trace, "solve": timing.solve,
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit,
    }))  # fmt: skip


def main() -> None:
    """Print the table."""
    print(f"{os.cpu_count()} cores\n")
    head = ("model", "parameters", "redundant", "load", "trace", "solve", "solve/trace", "peak")
    print("".join(f"{h:>16}" for h in head))
    for name in sys.argv[1:] or MODELS:
        command = [sys.executable, __file__, "--worker", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{name:>16}  failed: {(done.stderr.splitlines() or [''])[-1]}", flush=True)
            continue
        r = json.loads(done.stdout.splitlines()[-1])
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
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2])
    else:
        main()
