"""Files with models that nobody would hand in to please.

Each is the text of a file; `None` beside it where any message will do, else the redundant dimension
that must come out wherever the analysis does.
"""

HEADER = "import sys, os, warnings, torch\nfrom torch import nn\nimport torch.nn.functional as F\n"


def net(body: str, init: str = "", inputs: str = "torch.randn(4, 3)", head: str = "") -> str:
    """A class with one layer `a`, extra lines in its constructor, and a forward."""
    made = "".join(f"        {line}\n" for line in init.splitlines())
    run = "".join(f"        {line}\n" for line in body.splitlines())
    return (
        f"{HEADER}{head}\nclass Net(nn.Module):\n    def __init__(self):\n"
        f"        super().__init__()\n        self.a = nn.Linear(3, 2)\n{made}"
        f"    def forward(self, x):\n{run}\nmodel = Net()\nexample_inputs = {inputs}\n"
    )


def plain(model: str, inputs: str = "torch.randn(4, 3)", head: str = "") -> str:
    """A model in one expression."""
    return f"{HEADER}{head}\nmodel = {model}\nexample_inputs = {inputs}\n"


TANH = "nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))"
RELU = "nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))"

_NAMED = """
class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_parameter({first!r}, nn.Parameter(torch.randn(4, 3)))
        self.register_parameter({second!r}, nn.Parameter(torch.randn(2, 4)))
    def forward(self, x):
        p = dict(self._parameters)
        return x @ p[{first!r}].T @ p[{second!r}].T
model, example_inputs = Named(), torch.randn(4, 3)
"""
NAMES = {
    "tex": r"\input{/etc/passwd}",
    "html": "<img src=x onerror=alert(1)>",
    "lines": "a\n# heading\nb",
    "escape": "\x1b[31mred\x1b]0;title\x07",
    "braces": "{0} {x} {} %s",
    "direction": "abc\u202edef",
    "control": "a\x00\x08b",
    "dollar": "$x_1^2$ & 50% #1 ~",
    "ticks": "``` `x`",
    "surrogate": "\udcff",
    "long": "n" * 300,
    "emoji": "\U0001f600",
    "brackets": "[bold]x[/bold]",
    "quote": "'\"; x",
    "space": " ",
}

MODELS: dict[str, tuple[str, int | None]] = {
    f"name-{key}": (HEADER + _NAMED.format(first=name, second=name + "2"), 14)
    for key, name in NAMES.items()
} | {
    # what stops the program
    "exit-on-import": (HEADER + "sys.exit(0)\n", None),
    "exit-in-forward": (net("sys.exit(3)"), None),
    "exit-in-init": (net("return self.a(x)", "raise SystemExit('no')"), None),
    "base-exception": (HEADER + "class Stop(BaseException): pass\nraise Stop('here')\n", None),
    "base-exception-in-forward": (
        net("raise Stop('here')", head="class Stop(BaseException): pass\n"), None),
    "generator-exit": (net("raise GeneratorExit"), None),
    "exit-in-inputs": (
        HEADER + f"model = {TANH}\ndef example_inputs():\n    sys.exit(1)\n", None),
    "recursion": (net("return self.forward(x)"), None),
    "memory": (net("return self.a(x) + torch.empty(10**15).sum()"), None),
    "raises-text-with-escape": (net("raise ValueError('\\x1b[2J boo')"), None),
    "raises-without-text": (net("assert False"), None),
    "raises-many-lines": (net("raise ValueError('a\\nb\\nc')"), None),
    "raises-strange-str": (
        net("raise Odd()", head="class Odd(Exception):\n    def __str__(self): raise KeyError\n"),
        None),
    # files
    "empty-file": ("", None),
    "binary": ("\x00\x01\x02", None),
    "syntax": ("def f(:\n", None),
    "latin": ("# -*- coding: ascii -*-\nname = 'é'\n", None),
    "model-is-none": (HEADER + "model = None\n", None),
    "model-is-class": (
        HEADER + "class model(nn.Linear):\n    def __init__(self): super().__init__(3, 2)\n"
        "example_inputs = torch.randn(4, 3)\n", 0),
    "model-is-lambda": (plain("lambda: nn.Linear(3, 2)"), 0),
    "model-is-string": (HEADER + "model = 'resnet50'\n", None),
    "model-needs-arguments": (HEADER + "def model(n): return nn.Linear(n, 2)\n", None),
    "model-of-three": (HEADER + "model = (nn.Linear(3, 2), 1, 2)\n", None),
    "getattr-module": (
        HEADER + "def __getattr__(name): raise RuntimeError('no ' + name)\n", None),
    "stub-packages": (
        HEADER + "import types\nsys.modules['flash_attn'] = types.ModuleType('flash_attn')\n"
        "sys.modules['xformers'] = types.ModuleType('xformers')\n"
        "sys.modules['triton_stub'] = None\n"
        f"model, example_inputs = {TANH}, torch.randn(4, 3)\n", 0),
    "talks": (
        HEADER + f"print('hello')\nmodel, example_inputs = {TANH}, torch.randn(4, 3)\n"
        "sys.stdout.write('there')\n", 0),
    "changes-folder": (
        HEADER + "import tempfile\nos.chdir(tempfile.mkdtemp())\n"
        f"model, example_inputs = {TANH}, torch.randn(4, 3)\n", 0),
    "warnings-are-errors": (
        HEADER + "warnings.simplefilter('error')\n"
        f"model, example_inputs = {RELU}, torch.randn(4, 3)\n", 4),
    "default-dtype": (
        HEADER + "torch.set_default_dtype(torch.float64)\n"
        f"model, example_inputs = {RELU}, torch.randn(4, 3)\n", 4),
    "default-device": (
        HEADER + "torch.set_default_device('meta')\n"
        f"model, example_inputs = {RELU}, torch.randn(4, 3)\n", None),
    "no-grad-globally": (
        HEADER + "torch.set_grad_enabled(False)\n"
        f"model, example_inputs = {RELU}, torch.randn(4, 3)\n", 4),
    # inputs
    "no-inputs": (HEADER + f"model = {TANH}\n", None),
    "inputs-of-nothing": (plain(TANH, "()"), None),
    "inputs-none": (plain(TANH, "[None]"), None),
    "inputs-text": (plain(TANH, "'x'"), None),
    "inputs-numbers": (plain(TANH, "(1.0, 2)"), None),
    "inputs-int-keys": (plain(TANH, "{1: torch.randn(4, 3)}"), None),
    "inputs-object": (plain(TANH, "object()"), None),
    "inputs-sparse": (plain(TANH, "torch.eye(3).to_sparse()"), None),
    "inputs-nested": (
        plain(TANH, "torch.nested.nested_tensor([torch.randn(2, 3), torch.randn(1, 3)])"), None),
    "inputs-meta": (plain(TANH, "torch.randn(4, 3, device='meta')"), None),
    "inputs-nan": (plain(TANH, "torch.full((4, 3), float('nan'))"), None),
    "inputs-half": (plain(TANH, "torch.randn(4, 3).half()"), 0),
    "inputs-complex": (plain(TANH, "torch.randn(4, 3, dtype=torch.complex64)"), None),
    "inputs-wide": (plain(TANH, "torch.randn(4, 5)"), None),
    "inputs-bool": (plain(TANH, "torch.ones(4, 3, dtype=torch.bool)"), None),
    "inputs-quantised": (
        plain(TANH, "torch.quantize_per_tensor(torch.randn(4, 3), 0.1, 0, torch.qint8)"), None),
    "inputs-require-grad": (plain(RELU, "torch.randn(4, 3, requires_grad=True)"), 4),
    "empty-batch": (plain(RELU, "torch.randn(0, 3)"), None),
    "empty-features": (plain("nn.Linear(0, 2)", "torch.randn(4, 0)"), None),
    "scalar-input": (plain("nn.Sequential(nn.Linear(1, 1))", "torch.tensor(1.0)"), None),
    # modules
    "no-super": (
        HEADER + "class M(nn.Module):\n    def __init__(self): self.x = 1\n"
        "    def forward(self, x): return x\nmodel, example_inputs = M(), torch.randn(4, 3)\n",
        None),
    "no-super-inside": (
        net("return self.a(x) + self.b(x)", "self.b = Bad()",
            head="class Bad(nn.Module):\n    def __init__(self): pass\n"
            "    def forward(self, x): return 0\n"), None),
    "no-forward": (
        HEADER + "class M(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.a = nn.Linear(3, 2)\nmodel, example_inputs = M(), torch.randn(4, 3)\n",
        None),
    "lazy": (plain("nn.LazyLinear(2)"), None),
    "lazy-inside": (plain("nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.Linear(4, 2))"), None),
    "compiled": (plain(f"torch.compile({RELU})"), 4),
    "compiled-inside": (
        net("return self.b(torch.relu(self.a(x)))", "self.b = torch.compile(nn.Linear(2, 2))"), 2),
    "scripted": (plain(f"torch.jit.script({RELU})"), None),
    "data-parallel": (plain(f"nn.DataParallel({RELU})"), 4),
    "parallel-of-nothing": (plain("nn.DataParallel(nn.ReLU())"), None),
    "empty-parameter": (
        net("return self.a(x) + self.e.sum()", "self.e = nn.Parameter(torch.empty(0, 3))"), None),
    "only-empty-parameter": (
        HEADER + "class M(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.e = nn.Parameter(torch.empty(0))\n    def forward(self, x):\n"
        "        return x + self.e.sum()\nmodel, example_inputs = M(), torch.randn(4, 3)\n", None),
    "scalar-parameter": (
        net("return self.a(x) * self.s", "self.s = nn.Parameter(torch.tensor(2.0))"), 1),
    "complex-parameter": (
        net("return (self.a(x).to(torch.complex64) @ self.c).abs()",
            "self.c = nn.Parameter(torch.randn(2, 2, dtype=torch.complex64))"), None),
    "nested-parameter": (
        net("return self.a(x)", "self.n = torch.nested.nested_tensor([torch.ones(2), "
            "torch.ones(3)])"), 0),
    "sparse-parameter": (
        net("return self.a(x) + torch.sparse.mm(self.s, x)[:, :2]",
            "self.s = nn.Parameter(torch.eye(4).to_sparse())"), None),
    "half-parameters": (plain(f"{RELU}.half()", "torch.randn(4, 3).half()"), 4),
    "integer-parameter": (
        net("return self.a(x) * self.i",
            "self.i = nn.Parameter(torch.tensor(3), requires_grad=False)"), 0),
    "named-parameters": (
        net("return self._modules['parameters'](torch.relu(self.a(x)))",
            "self.parameters = nn.Linear(2, 2)"), 2),
    "named-training": (net("return self.a(x)", "self.modules = nn.ModuleList()"), None),
    "property-raises": (
        net("return self.a(x)").replace("    def forward", "    @property\n    def config(self): "
                                        "raise ValueError('no config')\n    def forward"), None),
    "config-strange": (net("return self.a(x)", "self.config = {1: 2, 'n': -1, 'm': 2**70}"), 0),
    "shared-module": (
        net("return self.b[0](torch.relu(self.a(x)))", "self.c = nn.Linear(2, 2)\n"
            "self.b = nn.ModuleList([self.c, self.c])"), 2),
    "shared-norm": (
        net("return self.c(self.b(self.a(x)))", "self.n = nn.BatchNorm1d(2)\n"
            "self.b = nn.Sequential(self.n, nn.Tanh())\nself.c = nn.Linear(2, 1)"), 4),
    "own-checks": (
        net("assert x.shape == (4, 3) and type(x) == torch.Tensor\nreturn self.a(x)"), 0),
    "positive-only": (net("assert bool((x > 0).all())\nreturn self.a(x)",
                          inputs="torch.rand(4, 3) + 0.1"), None),
    "rejects-large-index": (
        net("assert int(i.max()) < 4\nreturn self.a(x) + self.e(i)", "self.e = nn.Embedding(9, 2)",
            inputs="(torch.randn(4, 3), torch.tensor([0, 1, 2, 3]))").replace(
                "forward(self, x)", "forward(self, x, i)"), None),
    "counts-calls": (net("self.n += 1\nif self.n > 3: raise RuntimeError('worn out')\n"
                         "return self.a(x)", "self.n = 0"), None),
    "random-forward": (net("return self.a(x) + torch.randn(4, 2)"), None),
    "changes-itself": (net("self.a = nn.Linear(3, 2)\nreturn self.a(x)"), None),
    "changes-weights": (
        net("with torch.no_grad():\n    self.a.weight += 1\nreturn self.a(x)"), None),
    "numpy-inside": (net("return torch.from_numpy(x.numpy()) @ self.a.weight.T"), None),
    "returns-none": (net("return None"), None),
    "returns-text": (net("return 'x'"), None),
    "returns-dict": (net("return {'a': self.a(x), 1: {'b': [self.a(x)]}}"), 0),
    "returns-integers": (net("return self.a(x).argmax()"), None),
    "returns-input": (net("return x"), None),
    "returns-circle": (net("d = {}\nd['d'] = d\nd['y'] = self.a(x)\nreturn d"), None),
    "returns-sparse": (net("return self.a(x).to_sparse()"), None),
    "returns-nothing-float": (net("return (self.a(x) > 0,)"), None),
    "zero-output": (net("return self.a(x)[:0]"), None),
    "inf": (net("return self.a(x) / 0"), None),
    "huge-values": (net("return self.a(x) * 1e300 * 1e300"), None),
    "hooks": (net("return self.a(x)", "self.a.register_forward_hook(lambda m, i, o: 1 / 0)"), None),
    "hook-changes": (net("return self.a(x)",
                         "self.a.register_forward_hook(lambda m, i, o: o.relu())"), None),
    "complex-number": (net("return (self.a(x) * (1 + 2j)).real"), 0),
    "frozen": (plain(f"{RELU}.requires_grad_(False)"), None),
    "half-frozen": (
        net("return self.b(torch.relu(self.a(x)))", "self.b = nn.Linear(2, 2)\n"
            "self.b.requires_grad_(False)"), 0),
    "deep": (plain("nn.Sequential(*[nn.Linear(3, 3) for _ in range(20)])"), None),
    "wide-index": (plain("nn.Embedding(5, 3)", "torch.tensor([[7]])"), None),
    "columns": (
        net("return self.a(x[:, :3].float()) + self.e(x[:, 0]) + self.r(x[:, 1])",
            "self.e, self.r = nn.Embedding(7, 2), nn.Embedding(2, 2)",
            inputs="torch.stack([torch.arange(8) % 7, torch.arange(8) % 2, torch.arange(8)], 1)"),
        None),
    "table-of-parameters": (
        HEADER + "class M(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.t = nn.Parameter(torch.randn(5, 3))\n"
        "        self.w = nn.Parameter(torch.randn(3, 2))\n"
        "    def forward(self, i): return self.t[i] @ self.w\n"
        "model, example_inputs = M(), torch.tensor([0, 1, 2])\n", 11),
    "two-indices": (
        HEADER + "class M(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.t = nn.Parameter(torch.randn(5, 4, 3))\n"
        "    def forward(self, i, j): return self.t[i, j].tanh()\n"
        "model, example_inputs = M(), (torch.tensor([0, 1, 2]), torch.tensor([1, 0, 3]))\n", 0),
}  # fmt: skip
