"""Formulas in the arguments of factories, at other sizes than those at which they were found."""

import functools
from pathlib import Path

import pytest
import sympy

import symfind
from symfind.family import Family
from symfind.formulas.corrections import corrected
from symfind.formulas.domain import (
    domain,
    doubtful,
    multiple,
    needed,
    order,
    untried,
    within,
)
from symfind.formulas.linear import solved
from symfind.formulas.positive import plain
from symfind.formulas.provenance import expression, relevant
from symfind.formulas.sizes import Sizes
from symfind.formulas.values import symbol

FACTORIES = Path(__file__).with_name("factories.py")
OTHERS = Path(__file__).parent.parent / "family" / "factories.py"

CASES = [
    ("lora", {"d": 5, "out": 4, "rank": 3}, 27),
    ("chain", {"a": 5, "b": 2, "c": 3, "d": 6}, 16),  # 34 − r(a+d−r), r = 2
    ("chain", {"a": 2, "b": 9, "c": 8, "d": 3}, 108),  # 114 − 2·3, the input is the narrowest
    ("relu", {"width": 7, "depth": 5}, 35),
    ("attention", {"d": 12, "heads": 3}, 96),  # h(dk² + dv²)
    ("attention", {"d": 8, "heads": 8}, 16),
    # per layer kv heads have k² (values) and k (pairs of a rotation); gains; so(d)
    ("grouped", {"width": 9, "layers": 5, "heads": 6, "kv": 3, "k": 4, "vocabulary": 20}, 391),
    ("grouped", {"width": 3, "layers": 1, "heads": 2, "kv": 2, "k": 4, "vocabulary": 20}, 48),
    ("floored", {"width": 11, "heads": 3, "hidden": 4}, 27),
    ("coded", {"code": 4, "hidden": 2}, 20),
    ("coded", {"code": 5, "hidden": 9}, 48),
    ("gpt", {"width": 12, "heads": 3, "layers": 1, "vocabulary": 19, "positions": 9}, 334),
    ("gpt", {"width": 8, "heads": 4, "layers": 3, "vocabulary": 11, "positions": 12}, 574),
    ("stages", {"depths_0": 2, "depths_1": 1, "widths_0": 5, "widths_1": 4, "ratio": 3}, 166),
    ("stages", {"depths_0": 3, "depths_1": 4, "widths_0": 3, "widths_1": 8, "ratio": 1}, 254),
    ("encoder", {"width": 8, "heads": 4, "hidden": 3, "layers": 3, "vocabulary": 17}, 315),
    ("patched", {"side": 8, "patch": 2, "heads": 2, "width": 6}, 32),
    ("patched", {"side": 10, "patch": 5, "heads": 4, "width": 8}, 45),
]  # the nullity of a Jacobian, of what no formula of one's own is given for


def _file(name: str) -> Path:
    return OTHERS if name in ("lora", "chain", "relu", "attention") else FACTORIES


@functools.cache
def analysed(name: str) -> symfind.Report:
    """A family of the files, derived once in every process that asks for it."""
    return symfind.analyze(f"{_file(name)}:{name}", verify=False, certify="never")


@pytest.mark.parametrize(("name", "sizes", "expected"), CASES)
def test_formula_at_other_sizes(name: str, sizes: dict[str, int], expected: int) -> None:
    report = analysed(name)
    at = {s: sizes[str(s)] for s in report.formula.free_symbols}
    assert report.formula.subs(at) == expected
    assert (report.dimension.checked or 0) >= 4


@pytest.mark.parametrize("name", sorted({name for name, _, _ in CASES}))
def test_formula_at_its_own_sizes(name: str) -> None:
    report = analysed(name)
    own = {s: report.dimension.sizes[str(s)] for s in report.formula.free_symbols}
    assert report.formula.subs(own) == report.dimension.redundant


def test_where_it_is_right_is_said_and_no_more() -> None:
    where = analysed("grouped").dimension.domain
    assert where is not None
    assert "k even" in where and "vocabulary>" in where  # pairs of a rotation; what tokens span


def test_widths_that_have_to_be_equal_change_together() -> None:
    report = symfind.analyze(f"{FACTORIES}:projected", verify=False, certify="never")
    assert report.dimension.domain is not None and "inner=width" in report.dimension.domain
    at = {s: {"width": 3, "vocabulary": 12}[str(s)] for s in report.formula.free_symbols}
    assert report.formula.subs(at) == 3 * 3 + 3 + 40  # GL and shifts of the table, units


def _start(name: str, **arguments: int) -> dict[str, int]:
    session = symfind.open(f"{FACTORIES}:{name}", settings=arguments)
    family = Family.of(session.loaded, session.graph)
    assert family is not None
    sizes = Sizes(family, dict(family.base), lambda: False)
    return sizes.named(sizes.start)


def test_a_size_is_set_apart_from_what_divides_it_and_from_nothing_else() -> None:
    by_chance = {"side": 6, "patch": 3, "heads": 3, "width": 9}
    assert _start("patched", **by_chance) == by_chance  # a patch of six would be all there is
    assert _start("patched", side=8, patch=2, heads=3, width=3)["width"] == 6


def test_factors_have_formulas_of_their_own() -> None:
    report = analysed("grouped")
    sizes = {**report.dimension.sizes, "layers": 7, "k": 6}
    values = [(f.group, sympy.sympify(f.formula).subs(sizes)) for f in report.factors]
    assert ("GL(4, R)", 7 * sizes["kv"] * 36) in values
    assert ("GL(1, C)^2", 7 * sizes["kv"] * 6) in values
    scales = sum(n for group, n in values if group == "GL+(1, R)")
    assert scales == 8 * sizes["width"] + 1  # gains of every norm, and the stream as a whole
    own = [sympy.sympify(f.formula).subs(report.dimension.sizes) for f in report.factors]
    assert sum(own) == report.dimension.algebra


def test_a_width_has_to_be_a_multiple_and_is_one_everywhere() -> None:
    base = {"width": 6, "heads": 2}
    where = domain(base, [{"width": 9, "heads": 3}, base], [{"width": 5, "heads": 2}],
                   [multiple("width", "heads")])  # fmt: skip
    assert where is not None and [c.words for c in where] == ["width multiple of heads"]


def test_conditions_that_leave_out_nothing_more_are_dropped() -> None:
    both = [order("vocabulary", "layers"), order("vocabulary", "width")]
    wrong = [{"vocabulary": 3, "width": 6, "layers": 3}, {"vocabulary": 5, "width": 6, "layers": 2}]
    assert [c.words for c in needed(both, wrong, [])] == ["vocabulary>width"]
    assert len(needed(both, wrong, both)) == 2


def test_what_is_felt_only_together_is_felt() -> None:
    rows = [({"rows": r, "read": t, "other": r}, max(0, r - t)) for r in (3, 4, 9) for t in (3, 6)]
    assert "read" in relevant(rows)
    beside = [({"rows": 6, "read": 9, "other": n}, 0) for n in (1, 2)]
    assert relevant([*beside, ({"rows": 12, "read": 9, "other": 1}, 3),
                     ({"rows": 12, "read": 8, "other": 2}, 4)]) == ["rows", "read"]  # fmt: skip


def test_conditions_that_may_still_be_needed() -> None:
    base = {"vocabulary": 9, "width": 6}
    words = {c.words for c in untried(base, [{"vocabulary": 5, "width": 5}], [])}
    assert "vocabulary>=width" in words and "vocabulary>width" not in words


def test_parts_that_vanish_in_the_domain_are_dropped() -> None:
    v, w = symbol("vocabulary"), symbol("width")
    where = domain({"vocabulary": 9, "width": 6}, [], [{"vocabulary": 3, "width": 6}])
    assert where is not None
    found = within(w + sympy.Max(0, w - v) + sympy.Max(0, v - w), where)
    assert found == w + sympy.Max(0, v - w)


def test_parts_that_too_few_members_show_become_conditions() -> None:
    v, w = symbol("vocabulary"), symbol("width")
    base, e = {"vocabulary": 9, "width": 6, "heads": 3}, w + sympy.Max(0, w - v)
    few = [{"vocabulary": 4, "width": n, "heads": n} for n in (5, 6)]
    assert [c.words for c in doubtful(e, base, few, list(base))] == ["vocabulary>width"]
    several = [{"vocabulary": n, "width": n + k, "heads": k} for n in (4, 5) for k in (1, 2, 3)]
    assert doubtful(e, base, several, list(base)) == []


def test_polynomial_through_values() -> None:
    x, y = symbol("x"), symbol("y")
    rows = [({"x": a, "y": b}, a * a + 3 * b) for a in range(1, 4) for b in range(1, 4)]
    assert solved([sympy.Integer(1), x, y, x**2], rows) == x**2 + 3 * y
    assert solved([sympy.Integer(1), x, y], rows) is None
    assert solved([sympy.Integer(1), x, y, x**2, y**3, y**2], rows[:4], unique=True) is None
    assert (
        solved([x], [({"x": 3, "y": 1}, 1), ({"x": 6, "y": 1}, 2)]) is None
    )  # thirds are no count


def test_where_a_size_comes_from() -> None:
    places = [{"image": i, "patch": p, "d": i} for i in (6, 9, 12, 7) for p in (1, 2, 3)]
    tokens = expression([({**at, "d": k}, (at["image"] // at["patch"]) ** 2 + 1)
                         for k, at in enumerate(places, 1)])  # fmt: skip
    assert tokens is not None and tokens.subs({symbol("image"): 11, symbol("patch"): 2}) == 26
    assert expression([(at, at["image"] + at["patch"]) for at in places[:2]]) is None


def test_what_a_formula_lacks_beyond_a_kink() -> None:
    places = [{"n": n, "k": k} for n in range(1, 7) for k in range(1, 5)]
    sizes = {symbol(name): [at[name] for at in places] for name in ("n", "k")}
    lacks = [-(max(0, at["n"] - at["k"] - 1) ** 2) for at in places]
    found = corrected(lacks, places, sizes)
    assert found is not None
    assert plain(found).subs({symbol("n"): 9, symbol("k"): 3}) == -25
    assert corrected([at["n"] ** 3 % 5 for at in places], places, sizes) is None


def test_conditions_leave_out_where_a_formula_is_wrong() -> None:
    base = {"vocabulary": 9, "width": 6}
    right = [{"vocabulary": 8, "width": 5}, {"vocabulary": 7, "width": 4}, base]
    wrong = [{"vocabulary": 3, "width": 6}, {"vocabulary": 2, "width": 4}]
    found = domain(base, right, wrong)
    assert found is not None and [c.words for c in found] == ["vocabulary>width"]
    assert domain(base, right, [base]) is None
