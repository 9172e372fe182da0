"""Random networks built of layers that torch.nn and published code offer, decided by a seed."""

import contextlib

import torch
from torch import nn

from tests.fuzz import layers, pictures, tokens
from tests.fuzz.draw import Draw, Shape, Step
from tests.fuzz.network import Network

PLACES = 4
LINEAR = ("Linear", "ParametrizedLinear", "LoRA", "convolution", "patches", "sum", "cat", "places")
SPACES: dict[int, Shape] = {1: (6,), 2: (4, 4), 3: (3, 3, 3)}
FEWEST = 100


class Layered(Network):
    """A stem, blocks until there are enough parameters, and a head."""

    widest, most, rows = 24, 900, 16

    def __init__(self, seed: int) -> None:
        nn.Module.__init__(self)
        self.seed = seed
        draw = Draw(seed)
        self.kind = draw.one(("vector", "sequence", "tokens", "tokens", "picture", "picture"))
        columns = layers.width(draw)
        self.table = (
            nn.Parameter(draw.numbers(self.rows, columns)) if self.kind == "tokens" else None
        )
        self.steps = nn.ModuleList()
        self.shapes: list[Shape] = [self._first(draw, columns)]
        self.forms = ["sequence" if self.kind == "tokens" else self.kind]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._build(draw)
        self.outputs = [len(self.shapes) - 1]
        self.eval()
        self._run_in()

    def _run_in(self) -> None:
        """Batch statistics as after some training: at zero means scales would pass."""
        rng = torch.Generator().manual_seed(self.seed)
        for m in self.modules():
            if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.running_mean is not None:
                m.running_mean.normal_(generator=rng)
                m.running_var.uniform_(0.5, 2.0, generator=rng)

    def _first(self, draw: Draw, columns: int) -> Shape:
        if self.kind == "picture":
            return (draw.one((2, 3)), *SPACES[draw.one((1, 2, 2, 2, 3))])
        return (columns,) if self.kind == "vector" else (PLACES, columns)

    def _build(self, draw: Draw) -> None:
        if self.kind == "sequence":
            self._step(layers.linear(draw, self.shapes[-1]), "sequence", -1)
        elif self.kind == "picture":
            self._step(pictures.convolution(draw, self.shapes[-1]), "picture", -1)
        elif self.kind == "tokens":  # else tables of tokens, whatever they are made of
            self._step(draw.one(tokens.MIXING)(draw, self.shapes[-1]), "sequence", -1)
        wanted = len(self.steps) + draw.rng.randint(1, 5)
        for _ in range(24):
            count = sum(w.numel() for w in self.parameters())
            if len(self.steps) >= wanted and count >= FEWEST:
                break
            self._block(draw)
        if self.forms[-1] == "picture":
            self._step(pictures.gathered(draw, self.shapes[-1]), "vector", -1)
        elif self.forms[-1] == "sequence" and draw.chance(0.5):
            self._step(tokens.gathered(draw, self.shapes[-1]), "vector", -1)
        if draw.chance(0.8):
            f = nn.Linear(self.shapes[-1][-1], draw.one((2, 3)), bias=draw.chance(0.7))
            self._step(Step(lambda m, x: m.f(x), "head", f=f), self.forms[-1], -1)

    def _block(self, draw: Draw) -> None:
        x, form = self.shapes[-1], self.forms[-1]
        if self.steps and self._linear(-1) and draw.chance(0.85):
            makers = pictures if form == "picture" else layers
            self._step(makers.plain(draw, x), form, -1)
            return
        again = [k for k, s in enumerate(self.steps) if len(s.reads) == 1 and not self._linear(k)
                 and (self.shapes[s.reads[0]], self.forms[s.reads[0]]) == (x, form)]  # fmt: skip
        others = [i for i, f in enumerate(self.forms) if f == form and i < len(self.forms) - 1
                  and (form == "picture" or self.shapes[i][:-1] == x[:-1])]  # fmt: skip
        if again and draw.chance(0.07):
            k = draw.one(again)
            same = (self.steps[k],)  # in a tuple, so that it is registered once
            self._step(
                Step(lambda m, x: m.f[0](x), f"again {k + 1}", f=same), self.forms[k + 1], -1
            )
        elif others and draw.chance(0.15):
            i = draw.one(others)
            makers = [pictures.met] if form == "picture" else layers.TWO
            self._step(draw.one(makers)(draw, x, self.shapes[i]), form, -1, i)
        elif form == "picture":
            turn = draw.rng.random()
            if turn < 0.06:
                self._step(pictures.patches(draw, x), "sequence", -1)
            elif turn < 0.1:
                self._step(pictures.gathered(draw, x), "vector", -1)
            else:
                self._step(draw.one(pictures.PICTURES)(draw, x), form, -1)
        elif form == "sequence" and draw.chance(0.6):
            self._step(draw.one(tokens.TOKENS)(draw, x), form, -1)
        else:
            self._step(draw.one(layers.FEATURES)(draw, x), form, -1)

    def _linear(self, k: int) -> bool:
        """Whether a step may be a linear map and no more: most of these an activation follows."""
        return self.steps[k].text.split(":")[0].split()[0] in LINEAR

    def _step(self, step: Step, form: str, *reads: int) -> None:
        """Add a step where its operands are large enough for it, and its value small enough."""
        with contextlib.suppress(RuntimeError, ValueError):
            if self._add(step.eval(), *reads):
                self.forms.append(form)
