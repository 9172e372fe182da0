"""From what was asked for to a table: plan, leave out what is known, analyse, keep each at once."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from symfind.sweeping.engine import Outcome, run_local
from symfind.sweeping.job import Job, Options
from symfind.sweeping.limits import Limits, cores
from symfind.sweeping.plan import plan
from symfind.sweeping.ranges import varying
from symfind.sweeping.store import Store
from symfind.sweeping.table import Sweep

Tell = Callable[[str], None]
Engine = Literal["local", "ray"]


def sweep(
    model: str | Sequence[str],
    settings: Mapping[str, Any] | None = None,
    *,
    preferred: Mapping[str, Any] | None = None,
    inputs: Sequence[str] = (),
    output: Literal["raw", "softmax"] = "raw",
    train: bool = False,
    verify: bool = True,
    certify: Literal["auto", "always", "never"] = "auto",
    laws: bool = False,
    formula: bool = True,
    device: str = "cpu",
    seed: int = 0,
    budget: float | None = None,
    file: str | Path | None = None,
    jobs: int | None = None,
    engine: Engine = "local",
    seconds: float | None = 300.0,
    gigabytes: float | None = 4.0,
    one_per_module: bool = False,
    retry: bool = False,
    progress: Tell | None = None,
) -> Sweep:
    """Analyse many models, or one at many sizes, each in a process of its own.

    A model that fails, crashes, hangs or takes too much memory costs its own row only.

    Args:
        model: specs as on the command line, patterns of a zoo (`timm:vit_*`), or files (`.txt`)
            that list either, one a line.
        settings: keyword arguments for the factory, class or config. Several values (a list, a
            range, or text such as `1..12` or `64,128`) make a row for each choice.
        preferred: settings for those models that take them.
        inputs: input specs, as `--input`.
        output: "raw", or "softmax": outputs that differ by what softmax ignores are the same.
        train: batch statistics as in training; dropout stays off.
        verify: check the generators on each model.
        certify: measure the nullity where a model or its twin is small enough, always, or never.
        laws: count the quantities that gradient flow conserves.
        formula: hold the counts against other sizes, for a formula in the model's arguments.
        device: where to verify and certify.
        seed: of all random numbers, in each model anew.
        budget: seconds for verification and certificate of a model; half of `seconds` where not
            given. What is not known then is undetermined.
        file: keep every record here as soon as it is known; what the file holds already is not
            analysed again.
        jobs: models at a time; one for each processor where not given.
        engine: "local", or "ray" for a cluster.
        seconds: after which a model is given up, by the clock.
        gigabytes: of memory, above which a model is given up.
        one_per_module: of the models that one module of a zoo defines, the first only.
        retry: analyse those anew that failed before.
        progress: called with a line for each model that is done.

    Returns:
        A row for each model, in the order asked for.

    Raises:
        InputError: a pattern without a match, an empty range, a list that cannot be read.
        LoadError: the package of a zoo, or ray, is not installed.
        OutputError: the file cannot be written, or is none of a sweep.
    """
    budget = budget if budget is not None or seconds is None else seconds / 2
    options = Options(
        output, train, verify, certify, device, seed, budget, laws=laws, formula=formula
    )
    specs = [model] if isinstance(model, str) else list(model)
    given = settings or {}
    asked = plan(specs, given, preferred or {}, inputs, options, one_per_module)
    store = Store(file)
    try:
        known = [store.records[job.key] for job in asked if job.key in store.records]
        if retry:
            store.drop(r["key"] for r in known if r["status"] != "analysed")
        todo = [job for job in asked if job.key not in store.records]
        run = _engine(engine)(todo, Limits(seconds, gigabytes), jobs)
        _gather(run, store, len(todo), len(asked) - len(todo), jobs or cores(), progress)
        records = tuple(store.records[job.key] for job in asked)
    finally:
        store.close()
    return Sweep(records, _columns(given, asked))


def _engine(name: str) -> Callable[[Sequence[Job], Limits, int | None], Iterator[Outcome]]:
    if name == "ray":
        from symfind.sweeping.cluster import run_ray

        return run_ray
    return run_local


def _gather(
    run: Iterator[Outcome], store: Store, count: int, before: int, jobs: int, tell: Tell | None
) -> None:
    if tell and before:
        tell(f"{before} of {before + count} known already")
    start = time.monotonic()
    for done, (job, record, _) in enumerate(run, 1):
        store.append(record)
        if tell:
            left = (time.monotonic() - start) / done * (count - done)
            tell(f"[{before + done}/{before + count}] {job.title}: {_verdict(record)}{_left(left)}")


def _verdict(record: dict[str, Any]) -> str:
    took = f"{record['seconds']:.1f} s"
    if record["status"] != "analysed":
        return f"failed, {record['reason']}: {record['message']} ({took})"[:200]
    checked, certificate = record["verification"]["status"], record["certificate"]["status"]
    redundant = record["dimension"]["redundant"]
    rigid = f", {len(record['unsupported'])} without a rule" if record["unsupported"] else ""
    return f"{redundant:,} redundant, {checked}, {certificate}{rigid} ({took})"


def _left(seconds: float) -> str:
    if seconds < 1:
        return ""
    if seconds < 90:
        return f"; about {seconds:.0f} s left"
    minutes = seconds / 60
    return (
        f"; about {minutes:.0f} min left" if minutes < 90 else f"; about {minutes / 60:.1f} h left"
    )


def _columns(settings: Mapping[str, Any], jobs: Sequence[Job]) -> tuple[str, ...]:
    """Names of settings, those first that vary."""
    changing = varying(settings)
    names = dict.fromkeys([*changing, *settings, *(n for job in jobs for n in job.settings)])
    return tuple(names)
