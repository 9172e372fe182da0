"""What is found of 25 small models of the zoos, one line of JSON each.

`python -m tests.ratchet.record` says what has changed and exits with 1 where something has shrunk;
`--overwrite` writes it down; names after that limit it to specs that contain one of them. Each
model is analysed in a process of its own, verified and certified; all of them take some minutes of
processor time. A certificate that is written down as `skipped` was not measured yet.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import symfind

PLACE = Path(__file__).with_name("coverage.jsonl")

TRANSFORMERS = (
    "LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM",
    "Gemma2ForCausalLM", "Olmo2ForCausalLM", "PhiForCausalLM", "GPT2LMHeadModel",
    "GPTNeoXForCausalLM", "OPTForCausalLM", "BertForMaskedLM", "DistilBertForMaskedLM",
    "ElectraForPreTraining", "T5ForConditionalGeneration", "BartForConditionalGeneration",
    "ViTForImageClassification", "MixtralForCausalLM", "MambaForCausalLM", "StableLmForCausalLM",
    "BloomForCausalLM",
)  # fmt: skip
MODELS = (
    *(f"transformers:{name}" for name in TRANSFORMERS),
    "torchvision:squeezenet1_1", "torchvision:shufflenet_v2_x0_5", "torchvision:resnet18",
    "timm:test_vit", "timm:test_convnext",
)  # fmt: skip
SMALL = {
    "hidden_size": 8, "d_model": 8, "dim": 8, "embedding_size": 8, "word_embed_proj_dim": 8,
    "num_hidden_layers": 1, "num_layers": 1, "encoder_layers": 1, "decoder_layers": 1,
    "num_attention_heads": 2, "num_heads": 2, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 4, "d_kv": 4,
    "intermediate_size": 12, "n_inner": 12, "ffn_dim": 12, "d_ff": 12, "hidden_dim": 12,
    "encoder_ffn_dim": 12, "decoder_ffn_dim": 12, "num_local_experts": 3, "state_size": 3,
    "vocab_size": 31, "max_position_embeddings": 12, "image_size": 16, "patch_size": 8,
    "num_labels": 3, "pad_token_id": 0,
}  # fmt: skip
_VERDICTS = ("skipped", "undetermined", "incomplete", "complete")  # from bad to good


def small(spec: str) -> dict[str, int]:
    """Sizes that are preferred; models of the vision zoos have theirs."""
    return SMALL if spec.startswith("transformers:") else {}


def kept(record: dict[str, Any]) -> dict[str, Any]:
    """The part of a record that is written down; without a certificate where none was asked for."""
    if record["status"] != "analysed":
        return {"spec": record["spec"], "failed": f"{record['reason']}: {record['message']}"}
    rigid = sum(record["unsupported"].values())
    return {
        "spec": record["spec"],
        "parameters": record["dimension"]["parameters"],
        "redundant": record["dimension"]["redundant"],
        "operations": record["operations"],
        "covered": record["operations"] - rigid,
        "rigid": sorted(record["unsupported"]),
        "verification": record["verification"]["status"],
        "certificate": record["certificate"]["status"],
        "groups": sorted([group, total] for _, group, _, total in record["groups"]),
    }


def shrunk(before: dict[str, Any], now: dict[str, Any], certified: bool = True) -> list[str]:
    """What was found before and is not found now, in words."""
    if "failed" in before:
        return []
    if "failed" in now:
        return [f"it is not analysed any more ({now['failed']})"]
    said = []
    if now["parameters"] != before["parameters"]:
        return [f"another model: {before['parameters']} -> {now['parameters']} parameters"]
    if now["redundant"] < before["redundant"]:
        lost = [g for g in before["groups"] if g not in now["groups"]]
        said.append(f"redundant {before['redundant']} -> {now['redundant']}; groups lost: {lost}")
    new = sorted(set(now["rigid"]) - set(before["rigid"]))
    if new or now["operations"] - now["covered"] > before["operations"] - before["covered"]:
        said.append(f"covered {before['covered']} -> {now['covered']}; without a rule: {new}")
    if certified:
        verdicts = (before["certificate"], now["certificate"])
        if _VERDICTS.index(verdicts[1]) < _VERDICTS.index(verdicts[0]):
            said.append(f"certificate {verdicts[0]} -> {verdicts[1]}")
        if before["verification"] == "verified" != now["verification"]:
            said.append(f"verification {now['verification']}")
    return said


def observed(specs: list[str], certify: bool, jobs: int | None = None) -> list[dict[str, Any]]:
    """What is found of some of the models now."""
    found = []
    for sizes, chosen in _by_sizes(specs):
        swept = symfind.sweep(
            chosen, preferred=sizes, verify=certify, certify="auto" if certify else "never",
            formula=False,
            seconds=900.0, budget=600.0, gigabytes=6.0, jobs=jobs,
            progress=(lambda line: print(line, file=sys.stderr)) if certify else None,
        )  # fmt: skip
        found += [kept(record) for record in swept.records]
    return found


def _by_sizes(specs: list[str]) -> list[tuple[dict[str, int], list[str]]]:
    parts = [(SMALL, [s for s in specs if small(s)]), ({}, [s for s in specs if not small(s)])]
    return [(sizes, chosen) for sizes, chosen in parts if chosen]


def recorded() -> dict[str, dict[str, Any]]:
    """What is written down, by spec."""
    lines = PLACE.read_text().splitlines() if PLACE.exists() else []
    return {line["spec"]: line for line in map(json.loads, lines)}


def main() -> int:
    """Compare, or write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("--jobs", type=int, help="models at a time")
    parser.add_argument("names", nargs="*", help="parts of specs")
    asked = parser.parse_args()
    specs = [s for s in MODELS if not asked.names or any(name in s for name in asked.names)]
    known, lost = recorded(), 0
    for now in observed(specs, True, asked.jobs):
        before = known.get(now["spec"], {"failed": "new"})
        for said in shrunk(before, now):
            lost += 1
            print(f"{now['spec']}: {said}")
        if before != now:
            print(f"{now['spec']}:\n  - {json.dumps(before)}\n  + {json.dumps(now)}")
        known[now["spec"]] = now
    if asked.overwrite:
        lines = (json.dumps(known[spec]) + "\n" for spec in MODELS if spec in known)
        PLACE.write_text("".join(lines))
    return 0 if asked.overwrite else int(lost > 0)


if __name__ == "__main__":
    raise SystemExit(main())
