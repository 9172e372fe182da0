"""Hostile calls of `symfind`: command lines, and the files that they find.

A case is drawn from pieces: a model file, a command, options; a spec of nothing; a file of
matrices, of weights; a place for the result where none can be.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.hostile.files import MATRICES, WEIGHTS
from tests.hostile.models import MODELS, RELU, plain

COMMANDS = ("analyze", "dims", "permutations", "conserved", "discover", "exact")
Make = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """One call, the files that it finds, and the redundant dimension where that is known."""

    name: str
    arguments: tuple[str, ...]
    files: dict[str, str | bytes | Make] = field(default_factory=dict)
    redundant: int | None = None


OPTIONS: tuple[tuple[str, ...], ...] = (
    (), (), (), ("--quiet",), ("--train",), ("--seed", "7"), ("--output", "softmax"),
    ("--json", "-"), ("--json", "out.json"), ("--details",), ("--no-verify",),
    ("--certify", "never"), ("--budget", "5s"), ("--page", "out.html"), ("--page", "out.svg"),
    ("--page", "out.tex"), ("--page", "out.md"), ("--points", "generic,init"), ("--strict",),
)  # fmt: skip

WRONG: tuple[tuple[str, ...], ...] = (
    ("--seed", "-1"), ("--seed", "x"), ("--seed", str(2**70)), ("--budget", "0"),
    ("--budget", "nan"), ("--budget", "inf"), ("--budget", "1d"), ("--budget", "0.001s"),
    ("--points", ""), ("--points", "nowhere"), ("--points", "weights"), ("--output", "none"),
    ("--certify", "perhaps"), ("--device", "cuda:99"), ("--device", "toaster"),
    ("--device", "meta"), ("--device", ""), ("--json", ""), ("--json", "."), ("--json", "/"),
    ("--json", "no/such/folder.json"), ("--json", "n" * 300), ("--json", "loop"),
    ("--json", "net.py"), ("--json", "link.py"), ("--json", "out.html", "--page", "out.html"),
    ("--page", "page"), ("--page", "page.pdf"), ("--page", "net.py"), ("--page", "-"),
    ("--page", "n" * 300 + ".html"), ("--json", "a\x00b"), ("--set", "x"), ("--set", "=1"),
    ("--set", "a b=1"), ("--set", "n=1"), ("--set", "__class__=1"), ("--set", "n.m=1"),
    ("--input", ""), ("--input", "f32"), ("--input", "f32[]"), ("--input", "f32[0,3]"),
    ("--input", "f32[4,-3]"), ("--input", "f99[4,3]"), ("--input", "i64<0>[4,3]"),
    ("--input", "f32<3>[4,3]"), ("--input", "x=f32[4,3]", "--input", "x=f32[4,3]"),
    ("--input", "y=f32[4,3]"), ("--input", "f32[4,3]", "--input", "f32[4,3]"),
    ("--input", "f32[99999999999,3]"), ("--input", "i8<300>[4,3]"), ("--input", "c64[4,3]"),
    ("--input", "f32[" + "1," * 80 + "3]"), ("--weights", "none.pt"), ("--weights", "."),
    ("--weights", "net.py"), ("--fields", "0"), ("--prime", "4"), ("--prime", "x"),
    ("--nonsense",), ("--json",), ("extra",),
)  # fmt: skip

SPECS = (
    "", " ", ":", "::", ":model", "net.py:", "net.py:nothing", "net.py:model.weight.x", "net.py:9",
    "net.py:model:more", "none.py", "none", "no/folder/net.py", ".", "..", "/", "/dev/null",
    "/dev/zero", "n" * 300, "n" * 300 + ".py", "n" * 300 + ":m", "a\x00b.py", "\udcff.py", "loop",
    "loop.py", "dangling.py", "folder.py", "folder", "unreadable.py", "os:path", "os.path:join",
    "sys:exit", "sys:modules", "torch:nn", "torch.nn:Linear", "torch.nn:Module", "builtins:print",
    "builtins:object", "no.such.module:x", "..relative:x", "torch.nn.:x", ".torch:x",
    "torchvision:", "torchvision:nothing", "torchvision:resnet5O", "torchvision:../x", "timm:",
    "timm:nothing", "timm:*", "timm:hf-hub:some/model", "transformers:", "transformers:Nothing",
    "transformers:AutoModel", "transformers:PreTrainedModel", "transformers:GPT2Config",
    "transformers:empty.json", "transformers:list.json", "transformers:wrong.json",
    "transformers:none.json", "transformers:folder", "--help", "-", "--", "data.json", "data.csv",
    "http://example.com/net.py", "~/net.py", "$HOME/net.py", "net.py ", "NET.PY", "net.pyc",
)  # fmt: skip


def every() -> list[Case]:
    """Each model, option, spec and file at least once."""
    cases = [
        Case(f"model:{name}", ("analyze", "net.py", "--json", "-"), {"net.py": text}, redundant)
        for name, (text, redundant) in MODELS.items()
    ]
    good = {"net.py": plain(RELU)} | SURROUNDINGS
    cases += [Case(f"option:{' '.join(o)[:40]}", ("analyze", "net.py", *o), good) for o in WRONG]
    cases += [Case(f"spec:{spec[:40]}", ("analyze", spec), good) for spec in SPECS]
    cases += [
        Case(f"matrices:{name}", ("identify", "m.npy"), {"m.npy": make})
        for name, make in MATRICES.items()
    ]
    cases += [
        Case(f"weights:{name}", ("analyze", "net.py", "--weights", name), {**good, name: make})
        for name, make in WEIGHTS.items()
    ]
    return cases


def combined(rng: random.Random) -> Case:
    """A model under a random command with random options."""
    name = rng.choice(sorted(MODELS))
    command = rng.choice(COMMANDS)
    options = [*rng.choice(OPTIONS)] + (list(rng.choice(WRONG)) if rng.random() < 0.2 else [])
    spec = rng.choice(["net.py"] * 4 + ["net.py:model", "./net.py", "net.py:example_inputs"])
    files = {**SURROUNDINGS, "net.py": MODELS[name][0]}
    return Case(f"{command}:{name}:{' '.join(options)[:40]}", (command, spec, *options), files)


def draw(count: int, seed: int) -> list[Case]:
    """A list of so many cases: each piece once, as far as there is room, then combinations."""
    rng = random.Random(seed)
    cases = every()
    rng.shuffle(cases)
    cases = cases[: max(count * 3 // 4, count - len(cases))]
    return [*cases, *(combined(rng) for _ in range(count - len(cases)))][:count]


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _link(path: Path) -> None:
    path.symlink_to("net.py")


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def _folder(path: Path) -> None:
    path.mkdir()


def _unreadable(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")
    path.chmod(0)


SURROUNDINGS: dict[str, str | bytes | Make] = {
    "loop": _loop, "loop.py": _loop, "link.py": _link, "dangling.py": _dangling,
    "folder.py": _folder, "folder": _folder, "unreadable.py": _unreadable, "empty.json": "",
    "list.json": "[1]", "wrong.json": '{"architectures": [3], "model_type": {}}',
    "data.json": "{}", "data.csv": "1,2\n",
}  # fmt: skip
