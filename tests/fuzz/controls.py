"""Where too much is easily derived, at many seeds: `python -m tests.fuzz.controls --seeds 0..50`.

Blocks of a dimension that is centred or normalised as a whole, places that an order decides. Every
generator is followed far enough to cross what decides, at random weights and inputs of every seed:
those of the rules alone, or with `--verify` those that a report counts. Exit 1 where one moves the
outputs, or where more is counted than a Jacobian leaves null.
"""

import argparse
import sys
import warnings
from collections.abc import Sequence
from functools import cache

import torch

import symfind
from symfind.solve.point.generator import BoundGenerator
from symfind.solve.solver import derive
from symfind.trace import trace
from symfind.verify import Function
from tests.fuzz.__main__ import seeds
from tests.rules.harness import Case, examine
from tests.solve.controls import BLOCKS, PLACES

CASES = {case.name: case for case in (*BLOCKS, *PLACES)}
FAR = (0.3, 2.0)  # times after which a step has long been crossed
FALSE = 1e-9
_LARGE = 1e6  # weights beyond which rounding is all that a comparison shows


def judge(case: Case, seed: int, verify: bool) -> str:
    """What is false of a case at a seed, in words; empty where nothing is."""
    torch.manual_seed(seed)
    model, args = case.build()
    function = Function(model, args, {})
    if not verify:
        families = derive(trace(model, args, {})).families
        return _moving(function, [BoundGenerator(f.kind, f) for f in families], seed)
    report = symfind.analyze(model, args, seed=seed, certify="never", formula=False)
    if report.verification.status == "failed":
        return "a rule derived what verification had to reject"
    if report.dimension.redundant > _measured(case.name):
        return "more is counted than is null"
    generators = [g for f in report.factors for g in f.generators if isinstance(g, BoundGenerator)]
    return _moving(function, generators, seed)


@cache
def _measured(name: str) -> int:
    return examine(CASES[name]).measured


def _moving(function: Function, generators: Sequence[BoundGenerator], seed: int) -> str:
    """The first generator whose flow changes the outputs."""
    rng = torch.Generator().manual_seed(seed)
    for one in generators:
        for t in FAR:
            theta = function.random_point(rng)
            after = {**theta, **one.flow(theta, one.coefficients(rng), t)}
            if max(float(w.abs().max()) for w in after.values()) > _LARGE:
                continue
            value = function(theta)
            change = float((function(after) - value).abs().max() / value.abs().max().clamp(min=1.0))
            if change > FALSE:
                return f"{one.id} of {', '.join(one.parameters)} moves the outputs by {change:.1e}"
    return ""


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.controls")
    parser.add_argument("--seeds", type=seeds, default=range(50))
    parser.add_argument("--verify", action="store_true", help="what a report counts")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    chosen, wrong = [c for n, c in CASES.items() if options.only in n], 0
    for case in chosen:
        found = {seed: judge(case, seed, options.verify) for seed in options.seeds}
        bad = {seed: words for seed, words in found.items() if words}
        wrong += len(bad)
        shown = next(iter(bad.items()), "")
        print(f"{case.name}: {len(found) - len(bad)} of {len(found)} right {shown}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
