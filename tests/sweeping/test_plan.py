import pytest

from symfind.errors import InputError
from symfind.sweeping.job import Job, Options
from symfind.sweeping.plan import plan


def planned(*specs, settings=None, one_per_module=False) -> list[Job]:
    return plan(specs, settings or {}, {}, (), Options(), one_per_module)


def test_patterns_name_models_of_the_zoos() -> None:
    found = [job.spec for job in planned("torchvision:resnet*")]
    assert "torchvision:resnet18" in found and len(found) > 4
    assert all(spec.startswith("torchvision:resnet") for spec in found)


def test_of_each_module_the_first() -> None:
    every, first = (planned("torchvision:*", one_per_module=one) for one in (False, True))
    assert len(every) > 100 > len(first) > 20
    specs = {job.spec for job in first}
    assert len([s for s in specs if s.startswith("torchvision:resne") or "wide" in s]) == 1


def test_classes_of_transformers_need_not_be_imported() -> None:
    found = {job.spec for job in planned("transformers:*ForCausalLM")}
    assert {"transformers:GPT2LMHeadModel", "transformers:AutoModelForCausalLM"}.isdisjoint(found)
    assert "transformers:LlamaForCausalLM" in found and len(found) > 100


def test_lists_hold_specs_settings_and_inputs(tmp_path) -> None:
    path = tmp_path / "models.txt"
    path.write_text("# mine\na.py:net --set width=1..2 --input f32[1,2]\n\nb.py  # another\n")
    jobs = planned(str(path), settings={"depth": "3"})
    assert [(j.spec, dict(j.settings), j.inputs) for j in jobs] == [
        ("a.py:net", {"depth": "3", "width": "1"}, ("f32[1,2]",)),
        ("a.py:net", {"depth": "3", "width": "2"}, ("f32[1,2]",)),
        ("b.py", {"depth": "3"}, ()),
    ]


def test_what_is_asked_for_twice_is_done_once() -> None:
    assert len(planned("a.py", "b.py", "a.py")) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [("a.py --sett x=1\n", ":1: --sett x=1"), ("a.py\nb.py --set\n", ":2: --set"),
     ("other.txt\n", "other lists"), ("a.py 'b\n", ":1: No closing quotation")],
)  # fmt: skip
def test_a_bad_line_is_named(tmp_path, text, words) -> None:
    (tmp_path / "models.txt").write_text(text)
    with pytest.raises(InputError, match=words):
        planned(str(tmp_path / "models.txt"))


def test_patterns_without_a_match_are_named() -> None:
    with pytest.raises(InputError, match="no model that matches 'nope\\*'"):
        planned("torchvision:nope*")


def test_keys_tell_apart_what_is_asked_for() -> None:
    one = Job("a.py", {"w": "1"})
    others = [Job("b.py", {"w": "1"}), Job("a.py", {"w": "2"}), Job("a.py", {"w": "1"}, {"d": "1"}),
              Job("a.py", {"w": "1"}, options=Options(certify="never"))]  # fmt: skip
    assert len({job.key for job in [one, *others]}) == 5
    assert one.key == Job("a.py", {"w": "1"}).key
