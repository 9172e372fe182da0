"""Random networks by the thousand: `python -m tests.fuzz --seeds 0..1000 [--layers] [--no-verify]`.

Without verification the rules stand alone: every derived direction is held against a Jacobian that
is measured independently, and followed for a while. With it, all of an analysis is run. What is
unsound, crashes, is refused or takes long is printed as it comes; a summary by kinds of steps says
where directions were missed. Exit 1 if anything was printed. With `--layers` networks are built of
layers that torch.nn and published code offer, of up to 900 parameters.
"""

import argparse
import sys
from collections import Counter

import torch

from tests.fuzz.judge import Verdict, judge
from tests.fuzz.layered import Layered
from tests.fuzz.network import Network


def seeds(text: str) -> range:
    """`a..b`, or one seed."""
    first, dots, last = text.partition("..")
    return range(int(first), int(last) if dots else int(first) + 1)


def kinds(network: Network) -> set[str]:
    """What the steps of a network are, without their numbers."""
    return {step.text.split(",")[0] for step in network.steps}


def summary(verdicts: list[Verdict], drawn: type[Network]) -> str:
    """Counts of outcomes, and kinds of steps by how often directions were missed beside them."""
    lines = [", ".join(f"{n} {status}" for status, n in
                       Counter(v.status for v in verdicts).most_common())]  # fmt: skip
    missed, met = Counter[str](), Counter[str]()
    for v in verdicts:
        if v.nullity >= 0:
            own = kinds(drawn(v.seed))
            met.update(own)
            missed.update(own if 0 <= v.derived < v.nullity else ())
    for kind, n in sorted(missed.items(), key=lambda item: -item[1] / met[item[0]]):
        if met[kind] >= 5:
            lines.append(f"{n:4d} of {met[kind]:4d} short: {kind}")
    rigid = Counter(name for v in verdicts if 0 <= v.derived < v.nullity for name in v.rigid)
    lines += [f"{n:4d} rigid: {name}" for name, n in rigid.most_common()]
    return "\n".join(lines)


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seeds", type=seeds, default=range(100))
    parser.add_argument("--no-verify", action="store_true", help="the rules alone")
    parser.add_argument("--layers", action="store_true", help="of layers that are in use")
    parser.add_argument("--all", action="store_true", help="print every verdict")
    options = parser.parse_args()
    torch.set_num_threads(1)
    verdicts, drawn = [], Layered if options.layers else Network
    for seed in options.seeds:
        verdicts.append(judge(seed, not options.no_verify, drawn))
        if options.all or verdicts[-1].bad:
            print(verdicts[-1], flush=True)
            if verdicts[-1].bad:
                print(drawn(seed).text(), flush=True)
    print(summary(verdicts, drawn))
    return int(any(v.bad for v in verdicts))


if __name__ == "__main__":
    sys.exit(main())
