"""What tracing costs beside a forward pass of the same model on fake tensors.

Both are measured in one process, in processor time, one thread, the median of several; the ratio is
what matters. With `--whole`, instead: processor time and memory of a process that loads a model,
traces it and derives its report, imports included. Run
`python benchmarks/tracing.py [--whole] [name ...]`.
"""

import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from measure import measured, serve

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama-32": ("transformers:LlamaForCausalLM", {"num_hidden_layers": 32}),
    "resnet50": ("torchvision:resnet50", {}),
    "vit_b_16": ("torchvision:vit_b_16", {}),
    "swin_t": ("torchvision:swin_t", {}),
    "t5-small": ("transformers:T5ForConditionalGeneration", {"num_layers": 6}),
}
WHOLE: dict[str, tuple[str, dict[str, Any]]] = {
    "mlp": ("examples/mlp.py", {}),
    "llama-2-7b": ("transformers:LlamaForCausalLM", {}),
    "llama-2-70b": (
        "transformers:LlamaForCausalLM",
        {
            "num_hidden_layers": 80, "hidden_size": 8192, "intermediate_size": 28672,
            "num_attention_heads": 64, "num_key_value_heads": 8,
        },
    ),
}  # fmt: skip
REPEATS = 5


def processor(work: Callable[[], Any]) -> float:
    """Processor time that some work takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def forward(loaded: Any) -> Callable[[], Any]:
    """A forward pass of a model that consists of fake tensors."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.func import functional_call
    from torch.utils import _pytree as pytree

    mode = FakeTensorMode(allow_non_fake_inputs=True)

    def fake(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        with mode:
            return torch.empty(value.shape, dtype=value.dtype)

    model = loaded.model.eval()
    state = {n: fake(t) for n, t in [*model.named_parameters(), *model.named_buffers()]}
    args, kwargs = pytree.tree_map(fake, (tuple(loaded.inputs.args), dict(loaded.inputs.kwargs)))

    def work() -> None:
        with mode, torch.no_grad():
            functional_call(model, state, args, kwargs)

    return work


def worker(name: str, whole: str) -> dict[str, Any]:
    """One model: ratio of medians, or the whole of a derivation."""
    spec, settings = (WHOLE if whole == "True" else MODELS)[name]
    if whole == "True":
        import symfind

        symfind.analyze(spec, settings=settings, verify=False, certify="never")
        return {"seconds": time.process_time()}
    from symfind.load import resolve
    from symfind.trace import trace_loaded

    loaded = resolve(spec, settings=settings)
    passes = forward(loaded)
    processor(passes), processor(lambda: trace_loaded(loaded))  # what is done once
    forwards = median(processor(passes) for _ in range(REPEATS))
    traces = median(processor(lambda: trace_loaded(loaded)) for _ in range(REPEATS))
    return {"forward": forwards, "trace": traces, "ratio": traces / forwards}


def main() -> None:
    """Print a table."""
    whole = "--whole" in sys.argv
    names = [a for a in sys.argv[1:] if a != "--whole"] or list(WHOLE if whole else MODELS)
    for name in names:
        figures = measured(__file__, name, whole, threads=1)
        shown = "  ".join(f"{k} {v:.3f}" for k, v in figures.items())
        print(f"{name:12s} {shown}", flush=True)


if __name__ == "__main__" and not serve(worker):
    main()
