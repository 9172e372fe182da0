"""Hand-written mappings of installed packages, held against what is derived and measured.

    python benchmarks/specs.py [MODEL ...] [--all]

Every entry that llmcompressor (AWQ, SmoothQuant, SpinQuant), autoawq, mergekit, torch-pruning or
rebasin has for a model is given to `symfind check`, and applied to the model at random weights, in
float32. Packages are optional; those that are missing are named. Without `--all` only entries that
are not exact are listed, and those where measurement and verdict disagree.
"""

import argparse
import contextlib
import io
import logging
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from applied import Measured, rotated
from handwritten import SOURCES
from torch import nn

import symfind
from symfind.export import architecture, checking, groups, rotations
from symfind.export.groups import directions_of
from symfind.export.mappings import Scales, entries
from symfind.export.pairs import module, modules_of, pairs
from symfind.load.operators import prepare_torchvision

EXACT = 1e-4  # of the outputs, in float32: routers of transformers compute in nothing else
PATIENCE = 20  # seconds for a package to read a model
SIZES = {
    "vocab_size": 40, "hidden_size": 32, "intermediate_size": 24, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32,
}  # fmt: skip
WIDE = {**SIZES, "head_dim": 8}
ALL = {**SIZES, "num_key_value_heads": 4}
MOE = {**SIZES, "moe_intermediate_size": 8, "num_experts": 4, "num_experts_per_tok": 2}
LATENT = {
    **ALL, "moe_intermediate_size": 8, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "n_group": 1, "topk_group": 1, "q_lora_rank": 12, "kv_lora_rank": 10, "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 6, "v_head_dim": 8, "first_k_dense_replace": 1, "n_shared_experts": 1,
}  # fmt: skip
LANGUAGE: dict[str, dict[str, Any]] = {
    "Llama": ALL, "Mistral": WIDE, "Qwen2": {**SIZES, "tie_word_embeddings": True}, "Qwen3": WIDE,
    "Gemma": WIDE, "Gemma2": WIDE, "Phi3": {**ALL, "pad_token_id": 0}, "Cohere": SIZES,
    "Cohere2": SIZES, "Granite": SIZES, "Olmo": SIZES, "Olmo2": SIZES, "Starcoder2": SIZES,
    "StableLm": ALL, "Mixtral": {**SIZES, "num_local_experts": 3},
    "Qwen2Moe": {**MOE, "shared_expert_intermediate_size": 8}, "Qwen3Moe": MOE,
    "DeepseekV2": LATENT, "DeepseekV3": LATENT,
    "OPT": {"vocab_size": 40, "hidden_size": 16, "ffn_dim": 24, "num_hidden_layers": 2,
            "num_attention_heads": 4, "word_embed_proj_dim": 16, "max_position_embeddings": 32},
    "Bloom": {"vocab_size": 40, "hidden_size": 32, "n_layer": 2, "n_head": 4},
    "GPTNeoX": {n: k for n, k in SIZES.items() if n != "num_key_value_heads"},
    "GPT2LMHead": {"vocab_size": 40, "n_embd": 16, "n_layer": 2, "n_head": 4},
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """An entry, what is said of it, and what it does."""

    model: str
    source: str
    entry: str
    verdict: str
    reason: str
    change: float | None

    @property
    def agrees(self) -> bool | None:
        """Whether measurement and verdict agree; None where nothing could be measured."""
        if self.change is None or self.change != self.change or self.verdict == "unmatched":
            return None
        return (self.verdict == "exact") == (self.change < EXACT)


def language(name: str) -> tuple[nn.Module, tuple, dict]:
    """A tiny language model with random weights, gains and biases among them."""
    import transformers

    full = next(n for n in (f"{name}ForCausalLM", f"{name}Model") if hasattr(transformers, n))
    kind = getattr(transformers, full)
    torch.manual_seed(0)
    model = kind(kind.config_class(**LANGUAGE[name])).eval()
    return shaken(model), (), {"input_ids": torch.randint(0, 40, (2, 6))}


class Plain(nn.Module):
    """Convolutions, a residual block, batch norms, and a perceptron."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.inner, self.outer = nn.Conv2d(6, 5, 3, padding=1), nn.Conv2d(5, 6, 3, padding=1)
        self.hidden, self.head = nn.Linear(6, 7), nn.Linear(7, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of pictures."""
        x = torch.relu(self.norm(self.stem(x)))
        x = x + self.outer(torch.relu(self.inner(x)))
        return self.head(torch.relu(self.hidden(x.mean((2, 3)))))


def picture(name: str) -> tuple[nn.Module, tuple, dict]:
    """A network of pictures."""
    import torchvision.models as zoo

    torch.manual_seed(0)
    if name == "Plain":
        model, size = Plain(), 8
    elif name == "vit_tiny":
        model = zoo.VisionTransformer(8, 4, 2, 4, 16, 24, num_classes=5)
        size = 8
    else:
        model, size = getattr(zoo, name)(num_classes=5), 32
    return shaken(model.eval()), (torch.randn(2, 3, size, size),), {}


PICTURES = ("Plain", "resnet18", "vit_tiny")


def shaken(model: nn.Module) -> nn.Module:
    """No weight is zero or one any longer."""
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
        for name, b in model.named_buffers():
            if "running" in name:
                b.add_(torch.rand_like(b))
    return model


class Held:
    """A model with what is derived of it."""

    def __init__(self, name: str) -> None:
        build = picture if name in PICTURES else language
        self.name = name
        self.model, self.args, self.kwargs = build(name)
        given = self.kwargs or self.args
        self.session = symfind.open(self.model, given)
        self.report = self.session.report(verify=False, certify="never")
        self.wires = self.session.explain(everything=True).wires
        self.spec = self.session.permutations(verify=False)
        self.outputs = directions_of(self.session.derivation.lowered.nodes)
        self.measured = Measured(self.model, self.args, self.kwargs)
        self.aliases = {module(n): module(k) for n, k in self.measured.names.items()
                        if n != k}  # fmt: skip
        names = [*modules_of(self.report), *self.aliases]
        self.norms: list[tuple[str, list[str]]] = []
        self.scales = Scales(names, pairs(self.report), self.wires, self.aliases)

    def rows(self, source: str, label: str, content: Any) -> list[Row]:
        """Every entry of a content, checked and applied."""
        found = checking.check(
            content, self.report, self.spec, self.wires, self.aliases, self.outputs
        )
        rows = []
        for one in found:
            change = None if one.verdict == "unmatched" else self._change(one.entry, content)
            text = label if one.entry in label else f"{label}: {one.entry}"
            reason = one.reason
            if one.entry.startswith("R1") and self.aliases and change is not None:
                alone = self._turned(content, tied=False)
                reason += f"; with tensors untied first, outputs change by {alone:.0e}"
            rows.append(Row(self.name, source, text, one.verdict, reason, change))
        return rows

    def _change(self, entry: str, content: Any) -> float | None:
        if isinstance(content, Mapping) and "channels" in content:
            return self.measured.regrouped(content["channels"])
        if isinstance(content, Mapping) and groups.axes_of(content) is not None:
            return self.measured.permuted(content["perm_to_axes"][entry])
        if architecture.is_architecture(content):
            return self._written(entry, list(architecture.weights(content)))
        if entry.startswith("R1"):
            return self._turned(content)
        config = getattr(self.model, "config", None)
        head = getattr(config, "head_dim", None) or 8
        for smooth, balance in entries(content):
            return self.measured.smoothed(self.scales.resolved(smooth, balance), head)
        smooth, balance = content["attn_v"], [content["attn_o"]]
        return self.measured.smoothed(self.scales.resolved(smooth, balance), head)

    def _written(self, entry: str, weights: list[architecture.Entry]) -> float | None:
        """What a checkpoint becomes that is written weight by weight, as an architecture says."""
        names, state = self.measured.names, self.measured.weights
        named = {n: w for w in weights for n, _ in architecture.named(w, names)}
        if entry == "weights":
            return self.measured.carried(named)
        if entry.startswith("tied: "):
            one, two = entry.removeprefix("tied: ").split(", ")
            said = {(a, b) for a, w in named.items()
                    for b in w.get("tied_names") or w.get("aliases") or ()}  # fmt: skip
            return self.measured.parted(one, two, (one, two) in said or (two, one) in said)
        ranks = {n: w.ndim for n, w in state.items()}
        heads = [{"name": w["name"], f"{side}_space": w[f"{side}_space"]}
                 for w in weights if (side := w.get("head_split"))]  # fmt: skip
        if entry in architecture.spaces(heads, names, ranks):
            return None  # these move as blocks
        return self.measured.permuted(sorted(architecture.spaces(weights, names, ranks)[entry]))

    def _turned(self, content: Mapping[str, Any], tied: bool = True) -> float:
        """R1, with gains moved into all readers that are derived, tied as the model is."""
        modules = list(dict.fromkeys(module(n) for n in self.measured.names))
        plain = Scales(modules, self.scales.pairs)
        sides = []
        for keys in (rotations.WRITERS, rotations.READERS):
            texts = [t for k in keys for t in _texts(content[k])]
            sides.append(plain.named(texts))
        norms = [(p.smooth[0], p.balance) for p in self.scales.pairs if p.norm]
        norms = [(n, r) for n, r in norms if set(r) <= set(sides[1])]
        if not tied:
            known = {n for n, _ in norms}
            found = [pair for smooth, balance in self.norms for pair in plain.resolved(
                smooth, balance)]  # fmt: skip
            norms += [(n, r) for n, r in found if n not in known and set(r) & set(self.aliases)]
        return rotated(self.measured, *sides, norms, tied)


def _texts(given: Any) -> list[str]:
    return list(given) if isinstance(given, (list, tuple)) else [given]


@contextlib.contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Interrupt what takes longer."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run(names: list[str]) -> tuple[list[Row], list[str]]:
    """All rows, and what could not be read."""
    notes = [f"{s.package}: {why}" for s in SOURCES if (why := s.missing())]
    sources = [s for s in SOURCES if not s.missing()]
    rows: list[Row] = []
    for name in names:
        held = Held(name)
        for source in sources:
            if (name in PICTURES) not in source.pictures or (
                name in LANGUAGE and source.only and name not in source.only
            ):
                continue
            try:
                with contextlib.redirect_stdout(io.StringIO()), limited(PATIENCE):
                    found = list(source.read(held.model, held.args, held.kwargs))
            except Exception as error:  # what it was not written for
                text = str(error).splitlines()[0][:80] if str(error) else ""
                notes.append(f"{source.package} on {name}: {type(error).__name__}: {text}")
                continue
            held.norms = [e for label, c in found if "norms" in label for e in entries(c)]
            for label, content in found:
                rows += held.rows(source.package, label, content)
    return rows, notes


def show(rows: list[Row], notes: list[str], everything: bool) -> None:
    """A table of counts, and the entries that are not exact."""
    counts = Counter((r.source, r.verdict) for r in rows)
    verdicts = ("exact", "incomplete", "broken", "unmatched")
    print("| package | " + " | ".join(verdicts) + " | measured | agree |")
    print("|---|" + "---:|" * (len(verdicts) + 2))
    for source in dict.fromkeys(r.source for r in rows):
        own = [r.agrees for r in rows if r.source == source and r.agrees is not None]
        cells = [str(counts[source, v]) for v in verdicts]
        print(f"| {source} | " + " | ".join(cells) + f" | {len(own)} | {sum(own)} |")
    print()
    for r in rows:
        if everything or r.agrees is False or r.verdict in ("incomplete", "broken"):
            change = "not measured" if r.change is None else f"outputs change by {r.change:.0e}"
            mark = " DISAGREE" if r.agrees is False else ""
            print(f"{r.model}, {r.source}: {r.entry}\n    {r.verdict}{mark}: {r.reason}; {change}")
    absent = Counter((r.model, f"{r.source} {r.entry.partition(':')[0]}")
                     for r in rows if r.verdict == "unmatched")  # fmt: skip
    for (model, label), count in absent.items():
        print(f"{model}, {label}: {count} entries name nothing")
    print()
    print(*notes, sep="\n")


def main() -> None:
    """Run the models that are named, or all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*", default=[*LANGUAGE, *PICTURES])
    parser.add_argument("--all", action="store_true")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    prepare_torchvision()
    with contextlib.redirect_stderr(io.StringIO()):
        rows, notes = run(given.models)
    show(rows, notes, given.all)
    sys.exit(int(any(r.agrees is False for r in rows)))


if __name__ == "__main__":
    main()
