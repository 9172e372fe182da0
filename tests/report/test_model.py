import json
import subprocess
import sys
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symfind.errors import SymfindError
from symfind.report import (
    KINDS,
    Certificate,
    Dimension,
    Discrete,
    Factor,
    GeneratorText,
    ModelInfo,
    Place,
    Report,
    ReportFormatError,
    Residual,
    Timing,
    Unsupported,
    Verification,
    Versions,
)
from tests.report.examples import EXAMPLES, complete

# The documented JSON: every key in its order, with the type of its value. A tuple is a choice.
NUMBER = (int, float, type(None))
COUNT = (int, type(None))
TEXT = (str, type(None))
ENTRY = {"tensor": str, "index": [int], "value": NUMBER}
FACTOR = {
    "id": str,
    "kind": str,
    "group": str,
    "algebra": str,
    "sites": int,
    "dimension": int,
    "total": int,
    "formula": str,
    "parameters": [str],
    "generator": {"text": str, "latex": str},
    "source": str,
    "residual": (type(None), {"infinitesimal": NUMBER, "random": NUMBER, "finite": NUMBER}),
}
SCHEMA = {
    "schema": str,
    "model": {"name": str, "spec": str, "inputs": {str: str}, "mode": str},
    "output": str,
    "dimension": {
        "parameters": int,
        "algebra": int,
        "symmetry": int,
        "inert": int,
        "redundant": int,
        "effective": int,
        "formula": str,
        "sizes": {str: int},
    },
    "factors": [FACTOR],
    "approximate": [FACTOR],
    "discrete": list,
    "unsupported": [{"op": str, "nodes": [str], "effect": str}],
    "certificate": {
        "status": str,
        "method": TEXT,
        "on": TEXT,
        "parameters": COUNT,
        "nullity": COUNT,
        "redundant": COUNT,
        "unexplained": COUNT,
        "gap": (type(None), [NUMBER]),
        "points": [int],
        "unexplained_support": [str],
        "reason": str,
        "known": COUNT,
        "saturation": [[int]],
        "at": {str: int},
        "unexplained_sets": [
            {
                "kind": str,
                "dimension": int,
                "tensors": [str],
                "linear": COUNT,
                "words": str,
                "vectors": [{"nonzero": int, "entries": [ENTRY]}],
            }
        ],
        "words": str,
    },
    "verification": {"status": str, "device": TEXT, "dtype": TEXT, "worst": NUMBER},
    "timing": {str: float},
    "versions": {"symfind": str, "torch": str},
}


def conforms(value, schema):
    if isinstance(schema, tuple):
        return any(conforms(value, choice) for choice in schema)
    if isinstance(schema, list):
        return isinstance(value, list) and all(conforms(item, schema[0]) for item in value)
    if isinstance(schema, dict) and list(schema) == [str]:
        return isinstance(value, dict) and all(conforms(v, schema[str]) for v in value.values())
    if isinstance(schema, dict):
        # Added keys come after the documented ones.
        keys = list(schema)
        return (
            isinstance(value, dict)
            and list(value)[: len(keys)] == keys
            and all(conforms(value[key], schema[key]) for key in keys)
        )
    return type(value) is schema


counts = st.integers(0, 10**12)
names = st.text(max_size=12)
tensors = st.lists(names, max_size=3).map(tuple)
optional_float = st.none() | st.floats(allow_nan=False, allow_infinity=False)
residuals = st.builds(Residual, optional_float, optional_float, optional_float)
places = st.builds(Place, names, tensors, names, counts, counts)
factors = st.builds(
    Factor,
    id=names,
    kind=st.sampled_from(KINDS),
    group=names,
    algebra=names,
    sites=counts,
    dimension=counts,
    total=counts,
    formula=names,
    parameters=tensors,
    generator=st.builds(GeneratorText, names, names),
    source=names,
    residual=st.none() | residuals,
    module=names,
    axes=names,
    places=st.lists(places, max_size=2).map(tuple),
)
certificates = st.builds(
    Certificate,
    st.sampled_from(("complete", "incomplete", "undetermined", "skipped")),
    st.none() | names,
    st.none() | names,
    st.none() | counts,
    st.none() | counts,
    st.none() | counts,
    st.none() | counts,
    st.none() | st.tuples(optional_float, optional_float),
    st.lists(counts, max_size=3).map(tuple),
    tensors,
    names,
)
sizes = st.dictionaries(names, counts, max_size=3)
several = st.lists(factors, max_size=2).map(tuple)
seconds = st.none() | st.floats(0, 1e6)
reports = st.builds(
    Report,
    model=st.builds(
        ModelInfo,
        names,
        names,
        st.dictionaries(names, names, max_size=2),
        st.sampled_from(("eval", "train")),
        sizes,
    ),
    output=st.sampled_from(("raw", "softmax")),
    dimension=st.builds(Dimension.of, counts, counts, counts, counts, names, sizes),
    factors=several,
    approximate=several,
    discrete=st.lists(st.builds(Discrete, names, names, counts, tensors, names), max_size=2).map(
        tuple
    ),
    unsupported=st.lists(st.builds(Unsupported, names, tensors, names), max_size=2).map(tuple),
    certificate=certificates,
    verification=st.builds(
        Verification,
        st.sampled_from(("verified", "failed", "skipped")),
        st.none() | names,
        st.none() | names,
        optional_float,
        several,
        names,
    ),
    timing=st.builds(Timing, seconds, seconds, seconds, seconds, seconds),
    versions=st.builds(Versions, names, names),
)


@given(reports)
def test_any_report_survives_json_and_keeps_the_documented_shape(report):
    assert Report.from_json(report.to_json()) == report
    assert conforms(json.loads(report.to_json()), SCHEMA)


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_keep_the_documented_shape(name):
    assert conforms(EXAMPLES[name]().to_dict(), SCHEMA)


def test_generators_stay_in_memory():
    report = complete()
    marked = replace(report.factors[0], generators=(object(),))
    with_generators = replace(report, factors=(marked, *report.factors[1:]))
    assert with_generators == report
    assert with_generators.to_dict() == report.to_dict()


def test_numbers_that_json_lacks_become_null():
    assert (
        '"worst": null'
        in replace(complete(), verification=Verification("failed", worst=float("inf"))).to_json()
    )


def test_only_a_complete_certificate_makes_a_report_complete():
    complete_ones = {name for name, make in EXAMPLES.items() if make().is_complete}
    assert complete_ones == {"complete"}


def test_timing_can_be_left_out():
    assert complete().without_timing().to_dict()["timing"] == {}


def test_unknown_keys_are_ignored():
    data = complete().to_dict()
    data["later"] = data["model"]["later"] = 1
    assert Report.from_dict(data) == complete()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("schema",), "symfind.report/2", "report.schema"),
        (("output",), "logits", "report.output"),
        (("factors",), {}, "report.factors"),
        (("factors", 0, "sites"), "many", "report.factors[0].sites"),
        (("factors", 0, "sites"), True, "report.factors[0].sites"),
        (("factors", 1, "kind"), "magic", "report.factors[1].kind"),
        (("certificate", "gap"), [1.0], "report.certificate.gap"),
        (("model", "inputs"), {"x": 3}, "report.model.inputs.x"),
        (("dimension", "redundant"), 1, "report.dimension"),
        (("dimension", "effective"), 1, "report.dimension"),
    ],
)
def test_a_wrong_value_is_named(path, value, message):
    data = complete().to_dict()
    target = data
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    with pytest.raises(ReportFormatError, match=message.replace("[", r"\[")):
        Report.from_dict(data)


def test_a_missing_key_is_named():
    data = complete().to_dict()
    del data["factors"][0]["group"]
    with pytest.raises(ReportFormatError, match="'group'"):
        Report.from_dict(data)


@pytest.mark.parametrize("text", ["", "[]", "null", "{}"])
def test_what_is_no_report_is_a_user_error(text):
    with pytest.raises(SymfindError):
        Report.from_json(text)


def test_every_documented_kind_is_known():
    documented = "gauge scaling rotation shift reach parallel inert"
    assert " ".join(KINDS) == documented


def test_every_record_is_frozen():
    with pytest.raises(AttributeError):
        complete().output = "softmax"
    assert [f.name for f in fields(Report)][0] == "model"


def test_the_report_needs_no_torch():
    script = "import sys, symfind.report, symfind.report.terminal, symfind.catalog; "
    script += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
