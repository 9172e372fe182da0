"""Sequences of different lengths, packed for recurrent layers."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tests.trace.compared import recorded_only
from tests.trace.test_trace import check

LAYERS = {
    "gru": nn.GRU(2, 3, batch_first=True),
    "lstm": nn.LSTM(2, 3, num_layers=2, batch_first=True),
    "both ways": nn.RNN(2, 3, bidirectional=True, batch_first=True),
}


class Packed(nn.Module):
    """A recurrent layer over sequences whose lengths are known; all states, or the last ones."""

    def __init__(self, layer: nn.RNNBase, lengths: list[int], padded: bool) -> None:
        super().__init__()
        self.layer, self.lengths, self.padded = copy.deepcopy(layer), lengths, padded

    def forward(self, x: Tensor) -> Tensor:
        packed = pack_padded_sequence(
            x, torch.tensor(self.lengths), batch_first=True, enforce_sorted=False
        )
        states, last = self.layer(packed)
        if self.padded:
            return pad_packed_sequence(states, batch_first=True)[0]
        return last[0] if isinstance(last, tuple) else last


@pytest.mark.parametrize("padded", [False, True], ids=["last", "padded"])
@pytest.mark.parametrize("lengths", [[4, 3, 2], [2, 4, 3]], ids=["falling", "mixed"])
@pytest.mark.parametrize("name", LAYERS)
def test_packed_sequences(name: str, lengths: list[int], padded: bool) -> None:
    with recorded_only():
        check(Packed(LAYERS[name], lengths, padded), (torch.randn(3, 4, 2),))
