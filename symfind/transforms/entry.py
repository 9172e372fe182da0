"""The entry point: what a caller asks, answered."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from symfind.alone import alone
from symfind.errors import InputError
from symfind.transforms.action import Act, action
from symfind.transforms.data import search_data
from symfind.transforms.derived import Engines
from symfind.transforms.events import Events, events, read_events
from symfind.transforms.fields import Dictionary
from symfind.transforms.open import drawn, open_function, weights_of
from symfind.transforms.regressor import fit
from symfind.transforms.result import Found
from symfind.transforms.search import search

HELD = 0.2  # of the samples, from the fit
POOR = 0.9  # part of the variance that a fit should explain


@alone()
def inputs(
    f: nn.Module | str | Callable[..., Any] | None = None,
    x: Any = None,
    *,
    data: Any = None,
    steps: int = 4000,
    act: Act = "last-axis",
    affine: bool = False,
    degree: int = 1,
    on: Sequence[str] = (),
    rules: bool = True,
    output: Literal["raw", "softmax"] = "raw",
    seed: int = 0,
    train: bool = False,
    specs: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    weights: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Found:
    """Find the continuous transformations of the input that leave a function unchanged.

    A transformation exp(tX) leaves f unchanged where its field satisfies ∇f(x)·X(x) = 0 for all x.
    That is solved for linear, affine or quadratic X over many points, and compared with what the
    rules derive for the parameters of x ↦ f(A x + b). Every generator is applied for a finite time.

    Args:
        f: a module at its own weights, a spec as on the command line, or a function of tensors
            written with torch.
        x: an example of its input: tensor, tuple or dict; optional where a spec provides it. If
            the first axis numbers independent samples, that is seen.
        data: samples (x, y) as arrays, or an npz file of them: fields are then looked for at these,
            those of a smooth function that is fitted to y, or those of f where it is given. Each
            has a defect at samples that were held out, and an upper bound of it.
        steps: of the fit.
        act: on what fields act: the last axis or another one, alike for all other indices, or the
            whole of one sample.
        affine: whether fields have constant terms.
        degree: 1, or 2 for all fields of degree two.
        on: names of the inputs that move together; all that hold real numbers without it.
        rules: whether rules and discovery are asked how much of it they find.
        output: "raw", or "softmax": outputs up to what softmax ignores.
        seed: of all random numbers.
        train: batch statistics as in training.
        specs: input specs that replace the example inputs, as `--input`.
        settings: keyword arguments for a factory, class or config, as `--set`.
        weights: a checkpoint, at whose weights the function is taken.
        progress: called with a line on what is being done.

    Returns:
        A basis of the generators, the name of their algebra, and what it rests on.

    Raises:
        LoadError: the spec cannot be loaded.
        InputError: the inputs hold no real numbers, do not fit, or f is constant on them.
    """
    if degree not in (1, 2):
        raise InputError(f"fields of degree {degree} are not looked for: 1 or 2")
    tell = progress or (lambda text: None)
    if data is not None:
        return _from_data(f, x, data, act, affine, degree, on, steps, seed, tell,
                          specs=specs, settings=settings, weights=weights, train=train,
                          output=output)  # fmt: skip
    if f is None:
        raise InputError("there is no function: give a model, a function, or data")
    tell("loading the model")
    oracle, function, loaded = open_function(
        f, x, inputs=specs, settings=settings, weights=weights, output=output, train=train,
        seed=seed,
    )  # fmt: skip
    oracle = oracle.choosing(on) if on else oracle
    acting = action(oracle, act)
    values = weights_of(loaded, seed) if loaded else {}

    def engines(dictionary: Dictionary) -> Engines | None:
        asked = rules and output == "raw"
        return Engines(function, values, oracle, acting, dictionary, train) if asked else None

    spec = f if isinstance(f, str) else oracle.name
    found = search(oracle, acting, affine, degree, engines, seed, tell, spec)
    return _with_weights(found, loaded is not None and drawn(loaded))


def _from_data(
    f: nn.Module | str | Callable[..., Any] | None,
    x: Any,
    data: Any,
    act: Act,
    affine: bool,
    degree: int,
    on: Sequence[str],
    steps: int,
    seed: int,
    tell: Callable[[str], None],
    **arguments: Any,
) -> Found:
    held = read_events(str(data)) if isinstance(data, str | Path) else events(*data)
    if on:
        raise InputError("data have one input, x: it cannot be chosen from (--on)")
    if f is None:
        f, notes = _fitted(held, steps, seed, tell)
    else:
        notes = (f"gradients are those of the given function at {len(held.x):,} samples",)
    specs = arguments.pop("specs")
    arguments["inputs"] = specs
    oracle, _, _ = open_function(f, held.x[:4], seed=seed, **arguments)
    return search_data(oracle, action(oracle, act), [held.x], affine, degree, seed, tell,
                       held.name, notes)  # fmt: skip


def _fitted(
    held: Events, steps: int, seed: int, tell: Callable[[str], None]
) -> tuple[nn.Module, tuple[str, ...]]:
    if held.y is None:
        raise InputError(f"{held.name} has no y, to which a function could be fitted: give a model")
    rng = torch.Generator().manual_seed(seed)
    aside = torch.rand(len(held.x), generator=rng) < HELD
    found = fit(held.x, held.y, aside, steps, seed, tell)
    notes = [
        f"a perceptron of widths 128, 128 was fitted to {int((~aside).sum()):,} samples; it "
        f"explains {found.explained:.2%} of the variance of others"
    ]
    if found.explained < POOR:
        notes.append("the fit is poor: its gradients may not be those of what made the data")
    return found.model, tuple(notes)


def _with_weights(found: Found, random: bool) -> Found:
    from dataclasses import replace

    note = "the model has no weights of its own here: random ones were drawn"
    return replace(found, notes=(*found.notes, note)) if random else found
