import json
from dataclasses import replace
from importlib import import_module

import pytest

import symfind
from symfind.catalog import blocks, build, entries, kept
from symfind.catalog.entries import BLOCKS as HEADING
from symfind.catalog.groups import role
from symfind.catalog.models import units
from symfind.catalog.models.decoder import decoder
from symfind.catalog.sources import references
from symfind.errors import InputError, OutputError
from symfind.load.grammar import parse_settings
from symfind.report import Certificate, Report, Unsupported
from tests.report.examples import complete, empty, troubled

ONLY = ("block-swiglu", "gpt2")
BLOCKS = [entry for entry in entries() if entry.family == HEADING]
KNOWN = entries()


def stub(entry):
    return complete() if entry.slug == "gpt2" else empty()


def test_slugs_are_unique_file_names():
    slugs = [entry.slug for entry in entries()]
    assert len(set(slugs)) == len(slugs)
    assert all(set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.") for slug in slugs)


def test_what_entries_name_is_there():
    slugs = {entry.slug for entry in KNOWN}
    for entry in KNOWN:
        assert set(entry.sources) <= set(references()), entry.slug
        assert not entry.compare or (entry.compare in slugs and entry.choice), entry.slug
    assert set(references()) == {key for entry in KNOWN for key in entry.sources}


def test_every_block_has_an_entry_and_every_entry_its_block():
    named = {entry.spec.partition(":")[2] for entry in BLOCKS} - {"decoder"}
    public = {
        name
        for home in (blocks, units)
        for name, value in vars(home).items()
        if name.islower() and getattr(value, "__annotations__", {}).get("return") == blocks.Built
    }
    assert named == public


@pytest.mark.parametrize("entry", BLOCKS, ids=lambda entry: entry.slug)
def test_blocks_run_and_are_small(entry):
    module, _, name = entry.spec.partition(":")
    model, inputs = getattr(import_module(module), name)(**parse_settings(entry.settings))
    assert 0 < sum(p.numel() for p in model.parameters()) < 3000
    assert model(*inputs).isfinite().all()


def test_build_writes_pages_and_index(tmp_path):
    lines = []
    assert build(tmp_path / "catalog", ONLY, lines.append, stub) == 0
    written = sorted(path.name for path in (tmp_path / "catalog").iterdir())
    assert written == [
        "README.md",
        "block-swiglu.json",
        "block-swiglu.md",
        "gpt2.json",
        "gpt2.md",
        "gpt2.svg",
        "manifest.json",
    ]
    text = (tmp_path / "catalog" / "gpt2.json").read_text()
    assert json.loads(text)["timing"] == {}
    assert Report.from_json(text).dimension == complete().dimension
    assert "](gpt2.svg)" in (tmp_path / "catalog" / "gpt2.md").read_text()
    index = (tmp_path / "catalog" / "README.md").read_text()
    assert "| [GPT-2 small](gpt2.md) | 59,858,688 | 599,040 | 1.00% | " in index
    assert "complete\N{NO-BREAK SPACE}on\N{NO-BREAK SPACE}twins |" in index
    assert lines == ["[1/2] SwiGLU: skipped", "[2/2] GPT-2 small: complete"]


def test_kinds_of_places_are_told_from_names_of_modules(tmp_path):
    gauge, bias = complete().factors[:2]
    stream = replace(gauge, site="query · key of transformer.h.*.attn: c_attn")
    path = replace(bias, site="roberta: embeddings → encoder")
    assert (role(stream), role(path)) == ("query · key", path.kind)
    report = replace(complete(), factors=(stream, path))
    build(tmp_path, ("gpt2",), analyse=lambda entry: report)
    page = (tmp_path / "gpt2.md").read_text()
    assert "on the query · key of transformer" in page
    assert "on roberta: embeddings" in page


def test_a_number_in_place_of_a_formula_has_its_reason(tmp_path):
    broke = ({"width": 3, "redundant": 32}, {"width": 4, "redundant": 7})
    report = complete()
    report = replace(report, dimension=replace(
        report.dimension, formula=str(report.dimension.redundant), sizes={}, broke=broke,
    ))  # fmt: skip
    build(tmp_path, ("gpt2",), analyse=lambda entry: report)
    page = (tmp_path / "gpt2.md").read_text()
    assert "no formula was found that also gives" in page
    assert "32 at width=3; 7 at width=4." in page


def test_many_tensors_that_are_never_read_have_one_line(tmp_path):
    lonely = next(f for f in troubled().factors if f.kind == "inert")
    more = tuple(replace(lonely, id=f"t{k}:unread", parameters=(f"t{k}",)) for k in range(4))
    report = replace(complete(), factors=(*complete().factors, *more))
    build(tmp_path, ("gpt2",), analyse=lambda entry: report)
    page = (tmp_path / "gpt2.md").read_text()
    assert "- 4 tensors are never read, `t0`, `t1`, `t2` and 1 more: 20 dimensions" in page
    assert page.count("entries that are never read") == 0
    assert "Any values do for `t0`, `t1`, `t2`, `t3`." in page
    assert "\n\n\n" not in page


def test_what_is_not_decided_is_said_without_numbers_that_are_not_there(tmp_path):
    report = replace(
        complete(), certificate=Certificate("undetermined", reason="60 s were not enough"),
        unsupported=(Unsupported("limit", ("mul",), "not looked for: translations"),),
    )  # fmt: skip
    build(tmp_path, ("gpt2", "block-swiglu"), analyse=lambda entry: report)
    page = (tmp_path / "gpt2.md").read_text()
    assert "\nundetermined: 60 s were not enough.\n" in page
    assert "## What was left out\n\n- not looked for: translations\n" in page
    assert "Operations without a rule" not in page
    assert "\n\n\n" not in page


def test_two_builds_are_equal(tmp_path):
    def contents(folder):
        build(folder, ONLY, analyse=stub)
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    def later(entry):
        report = stub(entry)
        return replace(report, timing=replace(report.timing, load=9.0))

    first = contents(tmp_path / "one")
    build(tmp_path / "two", ONLY, analyse=later)
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}


def test_a_failure_leaves_the_others(tmp_path):
    def failing(entry):
        if entry.slug == "gpt2":
            raise RuntimeError("no such thing")
        return stub(entry)

    lines = []
    assert build(tmp_path, ONLY, lines.append, failing) == 1
    assert (tmp_path / "block-swiglu.md").exists()
    assert not (tmp_path / "gpt2.md").exists()
    assert any("gpt2 failed: RuntimeError: no such thing" in line for line in lines)
    assert "- `gpt2`: RuntimeError: no such thing" in (tmp_path / "README.md").read_text()


def test_a_failed_verification_is_shown_and_counts(tmp_path):
    lines = []
    assert build(tmp_path, ("block-swiglu",), lines.append, lambda entry: troubled()) == 1
    assert "block-swiglu: a generator failed verification" in lines
    index = (tmp_path / "README.md").read_text()
    assert "(block-swiglu.md)" in index
    assert "- `block-swiglu`: a generator failed verification" in index


def test_the_index_keeps_earlier_entries(tmp_path):
    build(tmp_path, ("gpt2",), analyse=stub)
    build(tmp_path, ("block-swiglu",), analyse=stub)
    index = (tmp_path / "README.md").read_text()
    assert "gpt2.md" in index
    assert "block-swiglu.md" in index


def test_an_unknown_slug_is_named(tmp_path):
    with pytest.raises(InputError, match="no-such-model"):
        build(tmp_path, ("no-such-model",), analyse=stub)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(OutputError, match="file"):
        build(blocker / "catalog", ONLY, analyse=stub)


def test_a_build_that_was_stopped_goes_on(tmp_path):
    def stopped(entry):
        if entry.slug == "gpt2":
            return stub(entry)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, ("gpt2", "bert-base"), analyse=stopped)
    assert (tmp_path / "gpt2.md").exists()
    lines = []
    build(tmp_path, ONLY, lines.append, stub)
    assert lines == ["1 of 2 entries are up to date", "[1/1] SwiGLU: skipped"]


def test_what_is_kept_acts_as_the_whole():
    report = symfind.analyze(*decoder(), certify="never")  # a spec would fit a formula to it
    short = Report.from_json(kept.to_json(kept.kept(report)))
    assert short.dimension == report.dimension
    for one, two in zip(short.factors, report.factors, strict=True):
        assert one.total == two.total and len(one.places) <= len(two.places)
        assert set(one.generators[0].record.tensors) == set(two.records[0].tensors)
