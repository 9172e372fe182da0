import pytest
import torch
from torch import nn

from symfind.errors import InputError
from symfind.load import Inputs, as_inputs, check_fits, describe, draw
from symfind.load.ranges import Range


class Net(nn.Module):
    def forward(self, x, *, mask=None):
        return x


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_documented_form_is_accepted():
    x = torch.ones(2, 3)
    assert as_inputs(x).args == (x,)
    assert as_inputs((x, x)).args == (x, x)
    assert as_inputs({"x": x}).kwargs == {"x": x}
    assert as_inputs(lambda: (x,)).args == (x,)
    assert as_inputs(Inputs((x,))).args == (x,)


@pytest.mark.parametrize("example", [3, "f32[1]", None, (), {}, (1, 2), {1: torch.ones(1)}])
def test_other_forms_are_refused(example):
    with pytest.raises(InputError, match="example inputs"):
        as_inputs(example)


def test_a_function_that_raises_is_quoted():
    def example():
        raise ValueError("no data")

    with pytest.raises(InputError, match="ValueError: no data"):
        as_inputs(example)


def test_description_uses_the_names_of_forward():
    inputs = Inputs((torch.ones(1, 3),), {"mask": torch.ones(2, dtype=torch.bool)})
    assert describe(inputs, Net()) == {"x": "f32[1,3]", "mask": "bool[2]"}
    assert describe(inputs) == {"0": "f32[1,3]", "mask": "bool[2]"}
    nested = Inputs(([torch.ones(3), torch.ones(4)],))
    assert describe(nested, Net()) == {"x[0]": "f32[3]", "x[1]": "f32[4]"}


def test_draw_keeps_shapes_and_dtypes_and_uses_only_its_generator():
    ids = torch.zeros(1, 500, dtype=torch.int64)
    inputs = Inputs((torch.ones(1, 3), ids), {"flag": True}, {"1": 9})
    before = torch.random.get_rng_state()
    first, second = draw(inputs, generator()), draw(inputs, generator())
    assert torch.equal(before, torch.random.get_rng_state())
    assert describe(first) == describe(inputs)
    assert torch.equal(first.args[0], second.args[0]) and torch.equal(first.args[1], second.args[1])
    assert first.args[1].unique().tolist() == list(range(9))
    assert first.kwargs["flag"] is True and first.bounds == {"1": 9}


def test_draw_changes_batch_and_precision():
    inputs = Inputs((torch.ones(2, 3), torch.ones(2, dtype=torch.bool)), {"table": torch.ones(5)})
    drawn = draw(inputs, generator(), batch=7, dtype=torch.float64)
    assert describe(drawn) == {"0": "f64[7,3]", "1": "bool[7]", "table": "f64[5]"}


def test_draw_does_not_depend_on_precision():
    inputs = Inputs((torch.ones(4, 3),))
    low, high = draw(inputs, generator()), draw(inputs, generator(), dtype=torch.float64)
    assert torch.equal(low.args[0], high.args[0].float())


def test_unknown_bounds_follow_what_was_seen_and_masks_stay():
    inputs = Inputs((torch.tensor([[0, 3]]),), {"attention_mask": torch.tensor([[1, 0]])})
    drawn = draw(inputs, generator(), batch=200)
    assert drawn.args[0].unique().tolist() == [0, 1, 2, 3]
    assert drawn.kwargs["attention_mask"].unique(dim=0).tolist() == [[1, 0]]
    wider = draw(inputs, generator(), batch=200, ranges={"0": Range.below(6)})
    assert wider.args[0].max() == 5


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        (Inputs(), "missing a required argument: 'x'"),
        (Inputs((torch.ones(1), torch.ones(1))), "too many positional"),
        (Inputs((torch.ones(1),), {"y": torch.ones(2)}), "unexpected keyword argument 'y'"),
    ],
)
def test_inputs_that_do_not_fit_are_spelled_out(inputs, says):
    with pytest.raises(InputError, match=says) as caught:
        check_fits(Net(), inputs)
    assert "expected: forward(x, mask=None)" in str(caught.value)
    assert "given:" in str(caught.value)
