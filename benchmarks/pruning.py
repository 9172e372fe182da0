"""What a derivation costs beside the dependency graph of a pruning tool.

Torch-Pruning (Fang et al. 2023, DepGraph) finds which channels must be removed together: it traces
the model, builds a graph of dependencies between layers, and enumerates the groups. symfind traces
the model and derives and counts all families of generators. Both get the same models, one thread,
and a process for each measurement; seconds are those of the processor.
Needs `pip install torch-pruning`; run
`python benchmarks/pruning.py [name ...]`.
"""

import os
import sys
import time
from statistics import median
from typing import Any

from measure import measured, peak, serve

MODELS = {
    "resnet18": "torchvision:resnet18",
    "resnet50": "torchvision:resnet50",
    "densenet121": "torchvision:densenet121",
    "vit_b_16": "torchvision:vit_b_16",
    "convnext_tiny": "timm:convnext_tiny",
}
REPEATS = 3  # the median is reported
THREADS = 1


def symfind_worker(spec: str) -> dict[str, Any]:
    """Trace and derive, without weights, verification or certificate."""
    import symfind

    session = symfind.open(spec)
    start = time.process_time()
    graph = session.graph
    traced = time.process_time()
    assert graph.ops and session.counted.redundant
    return {"trace": traced - start, "solve": time.process_time() - traced}


def pruning_worker(spec: str) -> dict[str, Any]:
    """Trace, build the dependency graph, and enumerate all groups."""
    import torch
    import torch_pruning

    from symfind.load.operators import prepare_torchvision

    prepare_torchvision()

    class Graph(torch_pruning.DependencyGraph):
        """The dependency graph, with its tracing timed apart."""

        tracing = 0.0

        def _trace(self, *args: Any, **kwargs: Any) -> Any:
            start = time.process_time()
            result = super()._trace(*args, **kwargs)
            self.tracing += time.process_time() - start
            return result

    zoo, name = spec.split(":")
    if zoo == "timm":
        import timm

        model = timm.create_model(name)
    else:
        import torchvision

        model = torchvision.models.get_model(name)
    model.eval()
    x = torch.randn(1, 3, 224, 224)
    graph = Graph()

    start = time.process_time()
    graph.build_dependency(model, x, verbose=False)
    list(graph.get_all_groups())
    return {"solve": time.process_time() - start - graph.tracing, "trace": graph.tracing}


def worker(method: str, spec: str) -> dict[str, Any]:
    """One measurement; the peak is that of the method, imports included."""
    figures = symfind_worker(spec) if method == "symfind" else pruning_worker(spec)
    return {**figures, "gigabytes": peak()}


def typical(method: str, spec: str) -> dict[str, float]:
    """The median of several measurements, figure by figure."""
    runs = [measured(__file__, method, spec, threads=THREADS) for _ in range(REPEATS)]
    return {name: median(run[name] for run in runs) for name in runs[0]}


def main() -> None:
    """Print the table."""
    print(f"{os.cpu_count()} cores, {THREADS} thread, median of {REPEATS}\n")
    print("| model | Torch-Pruning: trace | groups | symfind: trace | solve "
          "| solve / groups | solve / theirs | all / all | memory |")  # fmt: skip
    print("|---" + "|---:" * 8 + "|")
    for name in sys.argv[1:] or MODELS:
        theirs, ours = typical("torch-pruning", MODELS[name]), typical("symfind", MODELS[name])
        mine, total = (run["trace"] + run["solve"] for run in (ours, theirs))
        cells = (
            name,
            f"{theirs['trace']:.2f} s",
            f"{theirs['solve']:.2f} s",
            f"{ours['trace']:.2f} s",
            f"{ours['solve']:.2f} s",
            f"{ours['solve'] / theirs['solve']:.2f}",
            f"{ours['solve'] / total:.2f}",
            f"{mine / total:.2f}",
            f"{ours['gigabytes']:.2f} / {theirs['gigabytes']:.2f} GB",
        )
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    serve(worker) or main()
