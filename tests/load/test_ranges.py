"""Which integers an input is drawn from: by what it indexes, else as the examples show."""

import torch
from torch import Tensor, nn

from symfind.load.inputs import Inputs, draw
from symfind.load.ranges import Range, observed
from symfind.trace import trace
from symfind.trace.lookups import leaf_ranges

MANY = 400


class Columns(nn.Module):
    """Two tables that read columns of one tensor, a third that reads offsets of a second."""

    def __init__(self) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(9, 2), nn.Embedding(4, 2)
        self.fields = nn.Embedding(7, 2)
        self.register_buffer("starts", torch.tensor([0, 2, 5]))

    def forward(self, pair: Tensor, many: Tensor) -> Tensor:
        joint = self.users(pair[:, 0]) * self.items(pair[:, 1])
        return joint + self.fields(many + self.starts).sum(1)


class Stepped(nn.Module):
    """A step that enters arithmetic, and picks a row of a schedule as well."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(2, 2)
        self.register_buffer("schedule", torch.rand(50, 2))

    def forward(self, step: Tensor, label: Tensor) -> Tensor:
        return self.a(self.schedule[step] * label[:, None])


def largest(model: nn.Module, *args: Tensor) -> list[Tensor]:
    graph = trace(model, args, {})
    ranges = leaf_ranges(graph, Inputs(args))
    rng = torch.Generator().manual_seed(0)
    drawn = [draw(Inputs(args), rng, ranges=ranges).args for _ in range(MANY)]
    return [torch.stack([d[i] for d in drawn]) for i in range(len(args))]


def test_columns_stay_below_the_table_that_each_is_looked_up_in():
    pair, many = largest(
        Columns(), torch.zeros(3, 2, dtype=torch.long), torch.tensor([[1, 2, 0]] * 3)
    )
    assert pair.amax((0, 1)).tolist() == [8, 3]
    assert many.amax((0, 1)).tolist() == [1, 2, 1]  # up to where the next offset begins


def test_offsets_that_the_examples_cross_are_no_fields():
    _, many = largest(
        Columns(), torch.zeros(3, 2, dtype=torch.long), torch.tensor([[1, 2, 0], [3, 0, 0]] * 2)[:3]
    )
    assert many.amax((0, 1)).tolist() == [6, 4, 1]


def test_steps_and_labels():
    step, label = largest(Stepped(), torch.tensor([3, 7]), torch.tensor([900, 5]))
    assert step.max() == 49  # all of the schedule
    assert label.max() > 800 and label.min() < 100  # nothing is looked up: as in the examples


def test_what_an_example_shows_is_told_by_column_where_it_has_rows_enough():
    rows = torch.stack([torch.arange(10) % 3, torch.arange(10) - 4], 1)
    found = observed(rows)
    assert found.high.tolist() == [[3, 6]] and found.low.tolist() == [[0, -4]]
    assert observed(rows[:2]).high.tolist() == 2  # too few rows to tell columns apart
    assert Range.below(4).within(found).high.tolist() == [[3, 4]]
