"""Members of a family: how they are made, and what they prove."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

import symfind
from symfind.analysis import choice
from symfind.analysis.choice import Choice
from symfind.analysis.derived import Derived
from symfind.analysis.remainder import Remainder
from symfind.analysis.twins import ByTwins
from symfind.budget import OutOfTime
from symfind.family import Family, Member
from symfind.family.depth import Short, shortened
from symfind.family.family import name_of
from symfind.family.fewest import fewest
from symfind.family.lookups import OutOfRange, check_lookups
from symfind.family.orders import keeps_orders
from symfind.family.places import changed, integers, spelled
from symfind.family.shrink import Shrinking, shrink
from symfind.family.small import _with, apart, richer
from symfind.load import load
from symfind.report.certificate import Certificate
from symfind.trace import trace_loaded

NANO = str(Path(__file__).with_name("models.py"))
FACTORIES = str(Path(__file__).with_name("factories.py"))
OTHERS = str(Path(__file__).parent.parent / "formulas" / "factories.py")


@dataclass(frozen=True)
class Config:
    """Sizes in a dataclass, some of them in a list."""

    width: int = 8
    depths: tuple[int, ...] = (2, 6)
    bias: bool = True


def family(spec: str, *inputs: str) -> Family:
    loaded = load(spec, inputs=inputs)
    found = Family.of(loaded, trace_loaded(loaded))
    assert found is not None
    return found


def test_integers_of_arguments() -> None:
    arguments = {"config": Config(), "heads": 4, "flag": True, "rate": {"window": [7, 1]}}
    found = integers(arguments)
    assert {spelled(p): n for p, n in found.items()} == {
        "config.width": 8, "config.depths[0]": 2, "config.depths[1]": 6, "heads": 4,
        "rate.window[0]": 7, "rate.window[1]": 1,
    }  # fmt: skip


def test_changed_arguments_leave_the_others_alone() -> None:
    arguments = {"config": Config(), "rate": {"window": [7, 1]}}
    places = {spelled(p): p for p in integers(arguments)}
    made = changed(arguments, {places["config.depths[1]"]: 3, places["rate.window[0]"]: 5})
    assert made == {"config": Config(depths=(2, 3)), "rate": {"window": [5, 1]}}
    assert arguments == {"config": Config(), "rate": {"window": [7, 1]}}


def test_member_of_a_module_that_a_file_made() -> None:
    own = family(NANO)
    places = {name_of(p): p for p in own.base}
    assert own.base[places["values of 0"]] == own.base[places["config.vocab_size"]]
    wanted = {"config.n_embd": 12, "config.n_layer": 1, "config.vocab_size": 9, "values of 0": 9}
    made = own.member({places[name]: n for name, n in wanted.items()})
    assert isinstance(made, Member)
    assert made.graph.parameters["wpe.weight"].shape == (64, 12)
    assert int(made.loaded.inputs.args[0].max()) < 9
    assert isinstance(own.member({places["config.n_embd"]: 13}), str)  # six heads do not divide it


def test_inputs_longer_than_the_table_are_no_member() -> None:
    own = family(NANO)
    places = {name_of(p): p for p in own.base}
    refused = own.member({places["config.block_size"]: 9})  # sixteen positions are looked up
    assert isinstance(refused, str) and "looks up 15 of 9" in refused
    loaded = load(NANO)
    loaded.model.wpe = torch.nn.Embedding(9, 384)
    with pytest.raises(OutOfRange):
        check_lookups(trace_loaded(loaded))


def test_transformer_of_a_dataclass_config_is_certified() -> None:
    report = symfind.analyze(NANO, verify=False, formula=False)
    found = report.certificate
    assert found.status == "complete" and found.on == "twin", found.reason
    assert len(found.members) == len(found.twins) >= 2
    assert all(t.nullity == t.redundant for t in found.twins[-1:])
    widths = [one["config.n_embd"] for one in found.members]
    assert len(set(widths)) == len(widths) and max(widths) < 384
    again = symfind.Report.from_dict(report.to_dict())
    assert again.certificate.members == found.members


@pytest.fixture
def large(monkeypatch) -> dict[str, object]:
    """What is asked of a model all of whose members are said to be large."""
    monkeypatch.setattr(choice, "_EASY", 0)
    settings = {"width": 60, "inputs": 50, "outputs": 40}
    return {"settings": settings, "verify": False, "budget": 100.0, "formula": False}


def test_twins_are_measured_where_members_are_larger(large) -> None:
    found = symfind.analyze(f"{FACTORIES}:relu", **large).certificate
    assert (found.status, found.on, found.members) == ("complete", "twin", ())


def test_members_are_made_smaller_where_there_are_no_easy_twins(large, monkeypatch) -> None:
    monkeypatch.setattr(ByTwins, "easy", lambda self: False)
    found = symfind.analyze(f"{FACTORIES}:relu", **large).certificate
    assert found.status == "complete" and found.members


def test_members_are_made_smaller_where_twins_say_nothing(large, monkeypatch) -> None:
    nothing = Certificate("undetermined", reason="said for a test")
    monkeypatch.setattr(ByTwins, "certificate", lambda self: (nothing, self.found))
    found = symfind.analyze(f"{FACTORIES}:relu", **large).certificate
    assert found.status == "complete" and found.members


def test_the_second_member_is_near_the_first_where_that_is_not_small(monkeypatch) -> None:
    """It differs in every size, and is not searched for again."""
    sizes = {"width": 60, "inputs": 50, "outputs": 40}
    asked = {"settings": sizes, "verify": False, "formula": False}
    search, least = choice.small, []
    monkeypatch.setattr(choice, "small", lambda *a, **k: (least.append(a[2]), search(*a, **k))[1])
    for lone, searched in ((choice._LONE, [3, 4]), (0, [3])):
        monkeypatch.setattr(choice, "_LONE", lone)
        found = symfind.analyze(f"{FACTORIES}:relu", **asked, budget=100.0).certificate
        first, second = found.members
        assert found.status == "complete" and all(first[k] != second.get(k) for k in first)
        assert least == searched
        least.clear()


def test_pictures_shrink_though_a_width_happens_to_have_their_size() -> None:
    own = family(f"{FACTORIES}:picture", "f32[1,3,64,64]")
    short = shortened(own)
    assert isinstance(short, Short)
    values = {name_of(p): n for p, n in shrink(own, short.member, [], 3, 5.0).member.values.items()}
    assert values["0.shape[2]"] == values["0.shape[3]"] == values["side"] == 8
    assert values["width"] <= 6 and values["classes"] < 40


def test_rows_that_are_counted_are_rows_that_are_there() -> None:
    own = family(f"{FACTORIES}:padded")
    places = {name_of(p): p for p in own.base}
    few, enough = ({places["tokens"]: 4, places["rows"]: n} for n in (5, 6))
    assert isinstance(own.member(few), str)  # four tokens are at the rows 2 to 5
    assert isinstance(own.member(enough), Member)


def test_pictures_stay_large_enough_for_all_of_a_kernel() -> None:
    own = family(f"{FACTORIES}:kernels", "f32[1,3,24,24]")
    short = shortened(own)
    assert isinstance(short, Short)
    member = shrink(own, short.member, [], 2, 5.0).member
    assert 12 <= member.values["input", "0", 2] < 24  # a kernel of five needs three rows of four


def test_as_many_tokens_as_fit_or_none_more() -> None:
    """Those of a member that fits into a number of parameters, unless they are too few to help."""
    own = family(NANO)
    places = {spelled(p): p for p in own.base}
    table = next(p for p in own.given if p[0] == "bound")
    changes = {"config.n_embd": 6, "config.n_head": 2, "config.n_layer": 1, "config.vocab_size": 9}
    values = {places[name]: n for name, n in changes.items()} | {table: 9}
    model, few = own.member({}), own.member(values)
    assert isinstance(model, Member) and isinstance(few, Member)
    widest = max(n for op in few.graph.parameters.values() for n in op.shape or () if n != 9)
    more = own.member(values | {places["config.vocab_size"]: 10, table: 10})
    assert isinstance(more, Member)
    each = more.parameters - few.parameters

    def tokens(most: int) -> int:
        return richer(own, model, few, 2.5, most).values[table]

    assert tokens(few.parameters + 10 * widest * each) == int(2.5 * widest) + 3
    assert tokens(few.parameters + (2 * widest - 9) * each) == 2 * widest
    assert tokens(few.parameters + (2 * widest - 10) * each) == 9


def test_of_two_tables_both_have_more_rows_than_what_is_wide() -> None:
    """Neither counts as wide beside the other."""
    own = family(f"{FACTORIES}:pairs")
    places = {spelled(p): p for p in own.base}
    users, items = (p for p in own.given if p[0] == "bound")
    changes = {places["users"]: 5, users: 5, places["items"]: 4, items: 4, places["size"]: 3}
    model, few = own.member({}), own.member(changes)
    assert isinstance(model, Member) and isinstance(few, Member)
    rich = richer(own, model, few, 2.5, 5000)
    assert rich.values[users] == rich.values[items] == int(2.5 * 9) + 3
    some = richer(own, model, few, 2.5, few.parameters + 2 * 3 * 15)  # as many more of each
    assert (some.values[users], some.values[items]) == (20, 19)


def test_what_does_as_the_small_member_does_differs_from_it() -> None:
    """A small member that leaves out a step of the model has a second one that does, too."""
    own = family(f"{FACTORIES}:windowed")
    places = {spelled(p): p for p in own.base}
    short = shortened(own)
    weak = own.member({places["d"]: 4, places["hidden"]: 5, places["window"]: 24})
    assert isinstance(short, Short) and isinstance(weak, Member)
    assert weak.signature != short.member.signature
    first = Shrinking(weak, [places["d"], places["hidden"]])
    second = Shrinking(weak, first.felt)
    assert apart(own, short, first, second, 500, 500) == []
    assert second.member.signature == weak.signature


def test_what_only_changes_operations_is_not_made_smaller() -> None:
    """No operation is wanted that the model does not have, for no parameter less."""
    own = family(f"{FACTORIES}:turned")
    short = shortened(own)
    assert isinstance(short, Short)
    found = shrink(own, short.member, [], 2, 20.0)
    sizes = {spelled(p): found.member.values[p] for p in own.arguments}
    assert sizes["period"] == 6 and sizes["d"] < 12 and sizes["hidden"] < 16
    assert found.member.signature == short.member.signature


def test_longer_inputs_leave_a_table_with_as_many_rows_as_there_are_tokens() -> None:
    own = family(f"{FACTORIES}:windowed")
    length, bound, rows = ("input", "x", 1), ("bound", "x", 0), ("arguments", "rows")
    own.base = {length: 20, bound: 90, rows: 90}
    own.arguments = {rows: 90}
    member = own.member({})
    assert isinstance(member, Member)
    member = replace(member, values={length: 5, bound: 6, rows: 6})
    assert _with(own, member, length, 7) == {length: 7, bound: 8, rows: 8}


def test_members_in_the_order_of_the_model_come_before_others() -> None:
    own = family(NANO)
    places = {spelled(p): p for p in own.base}
    width, length = places["config.n_embd"], places["config.block_size"]
    picked = Choice(own, {})

    def one(n: int, positions: int) -> Shrinking:
        made = own.member({width: n, length: positions})
        assert isinstance(made, Member)
        return Shrinking(made, [width, length])

    first, large, odd = one(18, 16), one(24, 17), one(6, 20)
    assert odd.member.parameters < large.member.parameters
    assert sorted((odd, large), key=lambda o: picked._strange(first, o)) == [large, odd]


def test_a_constructor_that_takes_its_arguments_apart_is_called_again() -> None:
    own = family(FACTORIES)
    assert own.member({}).parameters == 30 + 56 + 45  # type: ignore[union-attr]
    narrow = own.member({("stages", 1, "width"): 3})
    assert isinstance(narrow, Member) and narrow.parameters == 30 + 21 + 20
    assert isinstance(own.member({}), Member)


def test_widths_in_the_code_leave_no_small_member() -> None:
    fixed, free = family(f"{FACTORIES}:stages"), family(f"{FACTORIES}:relu")
    model = fixed.member({})
    assert isinstance(model, Member)
    assert model.parameters == 200 + 2460 + 305
    assert fewest(fixed, model) == 200 + 2460  # of the classes nothing need stay
    member = free.member({})
    assert isinstance(member, Member)
    assert fewest(free, member) <= free.scalars({p: 1 for p in free.arguments})  # type: ignore[operator]


def test_what_has_to_change_together_is_no_width_in_the_code() -> None:
    own = family(f"{OTHERS}:projected")  # two widths that have to be equal
    member = own.member({})
    assert isinstance(member, Member)
    assert fewest(own, member) < member.parameters // 2
    assert own.scalars({("inner",): 9}) is None or own.member({("inner",): 9}) != member


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [
        # heads times the size of one must not pass the width, as each alone does not
        ({"width": 200, "heads": 8, "size": 16}, lambda m: m["heads"] * m["size"] < m["width"]),
        # of six channels, interleaved by twos, three are no number of pairs
        ({"width": 96, "depth": 3}, lambda m: m["width"] % 4 == 0),
    ],
)
def test_members_of_which_the_formula_says_nothing_are_made_again(settings, sizes) -> None:
    name = "headed" if "heads" in settings else "shuffled"
    found = symfind.analyze(
        f"{FACTORIES}:{name}", settings=settings, verify=False, formula=False
    ).certificate
    assert found.status == "complete" and len(found.members) == 2, found.reason
    assert all(sizes({**settings, **member}) for member in found.members)


def test_longer_sides_stay_longer() -> None:
    of = family(f"{FACTORIES}:headed")
    model = of.member({})
    places = {name_of(p): p for p in of.base}

    def at(width: int, heads: int, size: int) -> Member:
        sizes = {"width": width, "heads": heads, "size": size}
        made = of.member({places[name]: n for name, n in sizes.items()})
        assert isinstance(made, Member)
        return made

    assert isinstance(model, Member)
    assert keeps_orders(model, at(13, 3, 4)) and not keeps_orders(model, at(12, 3, 4))
    assert not keeps_orders(model, at(5, 3, 4))


def test_kinds_of_layers_that_no_member_has_were_not_measured() -> None:
    """Members with two layers say nothing of a third kind, whatever the rules count of it."""
    report = symfind.analyze(f"{FACTORIES}:periodic", verify=False, formula=False, discovery=False)
    assert report.certificate.status == "incomplete", report.certificate


def test_what_a_member_leaves_unexplained_is_not_measured_again() -> None:
    told: list[str] = []
    report = symfind.analyze(
        f"{FACTORIES}:periodic", verify=False, formula=False, discovery=False, progress=told.append
    )
    assert report.certificate.unexplained_sets
    assert told.count("measuring the nullity") == sum(t.startswith("a model of") for t in told)


def test_of_what_is_special_about_a_member_it_has_to_be_seen(monkeypatch) -> None:
    """More may be null because it is small; where there was no time to look, nothing is claimed."""

    def late(self: Remainder) -> None:
        raise OutOfTime

    def none(self: ByTwins) -> tuple[Certificate, Derived]:
        return Certificate("skipped", reason="not asked"), self.found

    monkeypatch.setattr(Remainder, "sets", late)
    monkeypatch.setattr(ByTwins, "certificate", none)
    asked = {"verify": False, "formula": False, "discovery": False, "without": ["scaling"]}
    report = symfind.analyze(f"{FACTORIES}:pairs", **asked)
    assert report.certificate.status == "undetermined" and report.certificate.unexplained == 6
    assert "no time left to see whether these are special" in report.certificate.reason


@pytest.mark.parametrize(("hard", "layers"), [(choice._HARD, 2), (1, 1)])
def test_what_computes_much_has_one_layer_of_a_kind(hard, layers, monkeypatch) -> None:
    monkeypatch.setattr(choice, "_HARD", hard)
    own = family(NANO)
    model = own.member({})
    assert isinstance(model, Member)
    shapes = {name: tuple(op.shape or ()) for name, op in model.graph.parameters.items()}
    found = Choice(own, shapes).first()
    assert not isinstance(found, str)
    short, first = found
    assert {first.member.values[p] for p in short.depths} == {layers}
    assert first.member.signature == short.member.signature
