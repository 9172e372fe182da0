"""Hostile calls of the commands that read or write more than a model."""

import json
import random
from pathlib import Path

import numpy as np
import torch

from tests.hostile.cases import SURROUNDINGS, Case, Make
from tests.hostile.files import WEIGHTS
from tests.hostile.models import HEADER, MODELS, RELU, plain

STATE = {
    "0.weight": torch.randn(4, 3), "0.bias": torch.randn(4),
    "2.weight": torch.randn(2, 4), "2.bias": torch.randn(2),
}  # fmt: skip
SITE = "0-2"


def _weights(path: Path) -> None:
    torch.save(STATE, path)


def _matrix(value: object) -> Make:
    return lambda path: torch.save(value, path)


DATA = HEADER + "batches = [(torch.randn(8, 3), torch.randn(8, 2)) for _ in range(3)]\n"
DATAS: dict[str, str] = {
    "good": DATA,
    "empty": HEADER + "batches = []\n",
    "none": HEADER + "batches = None\n",
    "number": HEADER + "batches = 3\n",
    "text": HEADER + "batches = 'abc'\n",
    "lone": HEADER + "batches = [torch.randn(8, 3)]\n",
    "wide": HEADER + "batches = [(torch.randn(8, 5), torch.randn(8, 2))]\n",
    "targets": HEADER + "batches = [(torch.randn(8, 3), torch.randn(7, 9))]\n",
    "nan": HEADER + "batches = [(torch.full((8, 3), float('nan')), torch.randn(8, 2))]\n",
    "raises": HEADER + "def batches():\n    raise ValueError('no \\x1b[2J data')\n",
    "stops": HEADER + "sys.exit(4)\n",
    "syntax": "batches = (",
    "nameless": HEADER,
    "halfway": HEADER + "def batches():\n    yield torch.randn(8, 3), torch.randn(8, 2)\n"
    "    raise OSError('disk gone')\n",
}  # fmt: skip
MATRICES: dict[str, Make] = {
    "eye": _matrix(torch.eye(4)),
    "wide": _matrix(torch.ones(4, 3)),
    "zeros": _matrix(torch.zeros(4, 4)),
    "nan": _matrix(torch.full((4,), float("nan"))),
    "negative": _matrix(-torch.ones(4)),
    "ones": _matrix(torch.ones(4)),
    "huge": _matrix(torch.full((4,), 1e300, dtype=torch.float64)),
    "empty": _matrix(torch.zeros(0)),
    "integers": _matrix(torch.ones(4, dtype=torch.long)),
    "complex": _matrix(torch.ones(4, dtype=torch.complex64)),
    "sparse": _matrix(torch.eye(4).to_sparse()),
    "dict": _matrix({"a": torch.ones(4)}),
    "text": lambda path: path.write_text("4 4\n") and None,
    "folder": lambda path: path.mkdir(),
}
MAPPINGS: dict[str, str] = {
    "empty": "",
    "list": "[]",
    "number": "3",
    "null": "null",
    "deep": "[" * 2000 + "]" * 2000,
    "nan": "[NaN]",
    "names": '[{"smooth_layer": "0", "balance_layers": ["2"]}]',
    "nothing": '[{"smooth_layer": "re:(", "balance_layers": ["nothing"]}]',
    "types": '[{"smooth_layer": 3, "balance_layers": {"a": null}}]',
    "pairs": '[["2", "0"], [], ["a"], [1, 2, 3]]',
    "source": "axes_to_perm = {'0.weight': ('P', None), '2.weight': (None, 'P')}\n",
    "raising": "axes_to_perm = 1 / 0\n",
    "importing": "import os\naxes_to_perm = os.environ\n",
    "binary": "\x00\x01",
    "anchors": "a: &a [*a, *a]\n",
    "tags": "!!python/object/apply:os.system ['true']\n",
    "tabs": "\tmappings:\n\t- a\n",
}
REPORTS: dict[str, str] = {
    "empty": "",
    "list": "[]",
    "number": "1",
    "object": "{}",
    "schema": '{"schema": "symfind.report/1"}',
    "other": '{"schema": "symfind.report/99", "model": {}}',
    "types": json.dumps({"schema": "symfind.report/1", "model": 3, "dimension": [], "factors": {}}),
    "nan": '{"schema": "symfind.report/1", "dimension": {"parameters": NaN}}',
    "deep": "[" * 5000,
    "cut": '{"schema": "symfind.report/1", "factors": [{"id": "',
    "text": "symfind",
}
PROJECTS: dict[str, str] = {
    "empty": "",
    "broken": "[[entry]\n",
    "types": "entry = 3\n",
    "single": '[entry]\nslug = "a"\nspec = "net.py"\n',
    "numbers": "[[entry]]\nslug = 3\nspec = 4\n",
    "slugless": '[[entry]]\nspec = "net.py"\n',
    "lost": '[[entry]]\nslug = "a"\nspec = "none.py"\n',
    "climbing": '[[entry]]\nslug = "../../a"\nspec = "net.py"\n',
    "absolute": '[[entry]]\nslug = "/tmp/a"\nspec = "net.py"\n',
    "unknown": '[[entry]]\nslug = "a"\nspec = "net.py"\nfoo = 1\n',
    "twice": 2 * '[[entry]]\nslug = "a"\nspec = "net.py"\n',
    "control": '[[entry]]\nslug = "a\\u0000\\u001b[31m"\nspec = "net.py"\n',
    "onto-file": '[catalog]\nout = "net.py"\n[[entry]]\nslug = "a"\nspec = "net.py"\n',
    "out-type": "[catalog]\nout = 3\n",
    "html-type": '[catalog]\nhtml = "yes"\n',
    "binary": "\x00\xff",
}
PLACES = ("out.pt", "net.py", "w.pt", "link.py", "loop", "folder", "no/such/x.pt", ".", "/", "",
          "-", "/dev/full", "n" * 300 + ".pt", "a\x00b", "x.safetensors", "out.exe")  # fmt: skip


def with_all() -> list[Case]:
    """Each command with each kind of file and place at least once."""
    good: dict[str, str | bytes | Make] = {
        "net.py": plain(RELU), "w.pt": _weights, "v.pt": _weights, "d.py": DATA, **SURROUNDINGS,
        "m.npy": lambda path: np.save(path, np.eye(3)[None]),
    }  # fmt: skip

    def case(name: str, *arguments: str, **files: str | bytes | Make) -> Case:
        named = {key.replace("_", "."): value for key, value in files.items()}
        return Case(name, arguments, {**good, **named})

    cases = []
    for place in PLACES:
        for command in ("fix", "align", "teleport", "apply", "export", "sweep", "identify", "diff"):
            cases.append(case(f"{command} -o {place[:20]}", *_writing(command, place)))
    for name, make in WEIGHTS.items():
        files = {**good, name: make}
        cases += [
            Case(f"fix {name}", ("fix", "net.py", name, "-o", "o.pt"), files),
            Case(f"align {name}", ("align", "net.py", "w.pt", name, "-o", "o.pt"), files),
            Case(f"teleport {name}", ("teleport", "net.py", name, "-o", "o.pt", "--objective",
                                      "norm"), files),
        ]  # fmt: skip
    cases += [case(f"teleport data {k}", "teleport", "net.py", "w.pt", "-o", "o.pt", "--objective",
                   "grad-norm", "--data", "d.py:batches", d_py=v)
              for k, v in DATAS.items()]  # fmt: skip
    cases += [case(f"align data {k}", "align", "net.py", "w.pt", "v.pt", "-o", "o.pt", "--data",
                   "d.py:batches", "--steps", "2", d_py=v) for k, v in DATAS.items()]  # fmt: skip
    cases += [case(f"apply matrix {k}", "apply", "net.py", "--weights", "w.pt", "--site", SITE,
                   "--matrix", "g.pt", "-o", "o.pt", g_pt=v)
              for k, v in MATRICES.items()]  # fmt: skip
    cases += [case(f"apply site {site[:12]!r}", "apply", "net.py", "--weights", "w.pt", "--site",
                   site, "--matrix", "random", "-o", "o.pt")
              for site in ("", "no", "*", "0", "\x1b[31m", "0-2\n")]  # fmt: skip
    cases += [case(f"check {k}", "check", "net.py", "map.json", map_json=v)
              for k, v in MAPPINGS.items()]  # fmt: skip
    cases += [case(f"check yaml {k}", "check", "net.py", "map.yaml", map_yaml=v)
              for k, v in MAPPINGS.items()]  # fmt: skip
    cases += [case(f"diff {k}", "diff", "a.json", "net.py", a_json=v) for k, v in REPORTS.items()]
    for sub in ("build", "check", "list", "diff", "add"):
        cases += [case(f"catalog {sub} {k}", "catalog", sub, *(["net.py"] * (sub == "add")),
                       symfind_toml=v) for k, v in PROJECTS.items()]  # fmt: skip
    return cases + _commands(case)


def _writing(command: str, place: str) -> tuple[str, ...]:
    return {
        "fix": ("fix", "net.py", "w.pt", "-o", place),
        "align": ("align", "net.py", "w.pt", "v.pt", "-o", place),
        "teleport": ("teleport", "net.py", "w.pt", "-o", place, "--objective", "norm"),
        "apply": ("apply", "net.py", "--weights", "w.pt", "--site", SITE, "--matrix", "random",
                  "-o", place),
        "export": ("export", "net.py", "--format", "git-re-basin", "-o", place),
        "sweep": ("sweep", "net.py", "-o", place),
        "identify": ("identify", "m.npy", "--json", place),
        "diff": ("diff", "net.py", "net.py", "--json", place),
    }[command]  # fmt: skip


def _commands(case: object) -> list[Case]:
    """Calls with arguments that say nothing, or too much."""
    lines = [
        "explain net.py --between 0 2", "explain net.py --between none none",
        "explain net.py --at nowhere", "explain net.py --between 0", "explain net.py --at *",
        "explain net.py --rotation --json -", "explain net.py --json net.py",
        "export net.py", "export net.py --format none", "export net.py --format awq",
        "export net.py --format mergekit", "export net.py --format spinquant -o net.py",
        "export net.py --format torch-pruning", "export net.py --format smoothquant",
        "ops net.py --details", "ops net.py --json net.py", "ops nothing.py", "ops",
        "rules", "rules net.py", "rules none.py", "rules os", "rules ''", "rules d.py --strict",
        "catalog", "catalog build --only nothing --out o", "catalog build --out net.py",
        "catalog build --config none.toml", "catalog check --out /dev/null",
        "catalog list extra words", "catalog add", "catalog add none.py", "catalog add ''",
        "catalog add net.py --config net.py", "catalog add net.py --set x", "catalog nothing",
        "catalog diff --only nothing",
        "sweep", "sweep net.py", "sweep net.py -o out.jsonl --set n", "sweep -o out.jsonl",
        "sweep net.py -o out.jsonl --set n=1..0", "sweep net.py -o out.jsonl --set n=a..b",
        "sweep net.py -o out.jsonl --set n=1..99999999999", "sweep none.py -o out.csv",
        "dims net.py extra", "dims net.py --json -", "dims", "help nothing", "help analyze",
        "help ''", "help gauge orbit nothing", "inputs net.py --act none",
        "inputs net.py --group nothing", "inputs net.py --group S_0", "inputs net.py --group Z/0",
        "inputs net.py --group S_3 --symmetrise net.py", "inputs net.py --affine",
        "inputs net.py --act whole", "inputs --data none.npy",
        "inputs --data m.npy", "inputs net.py --permutations", "inputs", "inputs d.py:batches",
        "exact net.py --prime 7", "exact net.py --prime 99999999999999999999",
        "discover net.py --degree -1", "discover net.py --json -", "conserved net.py --json -",
        "conserved net.py --optimizer none", "permutations net.py --json -",
        "identify", "identify m.npy m.npy", "identify none.npy", "identify net.py", "identify .",
        "fix net.py", "fix net.py w.pt", "fix net.py w.pt -o o.pt --as none",
        "fix net.py w.pt -o o.pt --freeze o.pt", "fix net.py w.pt -o o.pt --freeze net.py",
        "fix d.py w.pt -o o.pt", "align net.py w.pt -o o.pt", "align net.py w.pt w.pt -o w.pt",
        "align net.py w.pt v.pt -o o.pt --out-a o.pt", "align net.py w.pt v.pt -o o.pt --steps -1",
        "align net.py w.pt v.pt -o o.pt --out-a net.py", "align net.py w.pt v.pt -o o.pt --steps 5",
        "align net.py w.pt v.pt -o o.pt --data d.py", "align net.py w.pt v.pt -o o.pt --data d.py:",
        "align net.py w.pt v.pt -o o.pt --only nothing", "diff net.py", "diff net.py net.py net.py",
        "diff net.py none.json", "diff . .", "diff net.py net.py --set-a x=1", "diff '' ''",
        "teleport net.py w.pt -o o.pt", "teleport net.py w.pt -o o.pt --objective nothing",
        "teleport net.py w.pt -o o.pt --objective sharpness", "apply net.py", "apply",
        "apply net.py --weights none.pt --site 0-2 --matrix random -o o.pt",
        "apply net.py --weights w.pt --site 0-2 --matrix hadamard -o o.pt",
        "apply net.py --weights w.pt --site 0-2 --matrix none.pt -o o.pt",
        "apply net.py --weights w.pt --site 0-2 --matrix net.py -o o.pt",
        "apply net.py --weights w.pt --site 0-2 --site 2 --matrix random -o o.pt",
        "apply net.py --weights w.pt --site 0-2 --matrix w.pt -o w.pt",
        "align net.py w.pt v.pt -o d.py --data d.py:batches", "rules d.py --json d.py",
        "sweep net.py --csv net.py", "sweep net.py --plot net.py", "sweep net.py --json net.py",
        "--seed 3", "--version extra", "analyze", "analyze net.py d.py", "net.py", "none.py",
        "analyze net.py --page out.html --page b.html",
        "analyze net.py --seed 1 --seed 2", "analyze net.py --output raw --output softmax",
    ]  # fmt: skip
    import shlex

    return [case(line, *shlex.split(line)) for line in lines]  # type: ignore[operator]


SPECS = ("explain", "ops", "dims", "permutations", "conserved", "discover", "exact", "inputs",
         "export", "check", "diff", "sweep", "fix", "align", "teleport", "apply")  # fmt: skip


def on_any_model(rng: random.Random) -> Case:
    """A model that nobody would hand in, under a command that reads more than it."""
    name, command = rng.choice(sorted(MODELS)), rng.choice(SPECS)
    more = {
        "export": ("--format", rng.choice(("awq", "git-re-basin", "mergekit", "torch-pruning"))),
        "check": ("map.json",), "diff": ("net.py",), "sweep": ("-o", "o.jsonl"),
        "fix": ("w.pt", "-o", "o.pt"), "align": ("w.pt", "w.pt", "-o", "o.pt"),
        "teleport": ("w.pt", "-o", "o.pt", "--objective", "norm"),
        "apply": ("--weights", "w.pt", "--site", SITE, "--matrix", "random", "-o", "o.pt"),
    }.get(command, ())  # fmt: skip
    files: dict[str, str | bytes | Make] = {
        **SURROUNDINGS, "net.py": MODELS[name][0], "w.pt": _weights,
        "map.json": MAPPINGS["names"],
    }  # fmt: skip
    return Case(f"{command}:{name}", (command, "net.py", *more), files)
