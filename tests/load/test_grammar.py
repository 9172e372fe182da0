import pytest
import torch

from symfind.errors import InputError, LoadError
from symfind.load.grammar import parse_input, parse_inputs, parse_settings


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(
    ("text", "name", "dtype", "shape", "bound"),
    [
        ("f32[8,3,224,224]", None, torch.float32, (8, 3, 224, 224), None),
        ("name=i64[1,128]", "name", torch.int64, (1, 128), None),
        ("i64<50257>[1,128]", None, torch.int64, (1, 128), 50257),
        ("ids = u8<256>[ 4 , 2 ]", "ids", torch.uint8, (4, 2), 256),
        ("mask=bool[2]", "mask", torch.bool, (2,), None),
        ("c64[3]", None, torch.complex64, (3,), None),
        ("bf16[]", None, torch.bfloat16, (), None),
    ],
)
def test_input_follows_the_grammar(text, name, dtype, shape, bound, generator):
    found, tensor, limit = parse_input(text, generator)
    assert (found, tensor.dtype, tuple(tensor.shape), limit) == (name, dtype, shape, bound)


def test_integers_use_the_whole_vocabulary(generator):
    _, tensor, _ = parse_input("i64<7>[1000]", generator)
    assert sorted(tensor.unique().tolist()) == list(range(7))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("8,3,224", "not understood"),
        ("f32", "not understood"),
        ("f32[1,2", "not understood"),
        ("1x=f32[1]", "not understood"),
        ("f31[2]", "unknown dtype 'f31'"),
        ("f32[1,,2]", "every size"),
        ("f32[0,2]", "every size"),
        ("f32[1,2,]", "every size"),
        ("f32<7>[1]", "needs an integer dtype"),
        ("i64<0>[1]", "bound must lie between"),
        ("i8<129>[1]", "between 1 and 128"),
    ],
)
def test_bad_inputs_are_named(text, says, generator):
    with pytest.raises(InputError, match=says) as caught:
        parse_input(text, generator)
    assert repr(text) in str(caught.value)


def test_inputs_together_keep_order_and_bounds(generator):
    inputs = parse_inputs(["f32[2]", "i64<5>[2,3]", "mask=i64<2>[1]"], generator)
    assert [a.dtype for a in inputs.args] == [torch.float32, torch.int64]
    assert inputs.bounds == {"1": 5, "mask": 2}
    with pytest.raises(InputError, match="given twice"):
        parse_inputs(["x=f32[1]", "x=f32[2]"], generator)


def test_settings_are_literals_where_they_can_be():
    parsed = parse_settings(
        {"a": "2", "b": "(1, 2)", "c": "gelu", "d": "False", "e": "false", "f": "none", "g": 3}
    )
    assert parsed == {"a": 2, "b": (1, 2), "c": "gelu", "d": False, "e": False, "f": None, "g": 3}
    with pytest.raises(LoadError, match="not a name"):
        parse_settings({"n layer": "2"})
