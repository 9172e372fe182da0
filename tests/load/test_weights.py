import pytest
import torch
from torch import nn

from symfind.errors import LoadError
from symfind.load import match_weights, read_weights


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.head = nn.Linear(3, 5, bias=False)
        self.head.weight = self.embed.weight


def test_torch_and_safetensors(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    state = nn.Linear(2, 3).state_dict()
    torch.save({"state_dict": state}, tmp_path / "a.pt")
    safetensors.save_file(state, tmp_path / "a.safetensors")
    for file in ("a.pt", "a.safetensors"):
        read = read_weights(tmp_path / file)
        assert read.keys() == state.keys()
        assert all(torch.equal(read[k], state[k]) for k in state)


class Anything:
    pass


def test_files_at_fault(tmp_path):
    with pytest.raises(LoadError, match="no such file"):
        read_weights(tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(b"nothing")
    with pytest.raises(LoadError, match="b.pt"):
        read_weights(tmp_path / "b.pt")
    torch.save(Anything(), tmp_path / "c.pt")
    with pytest.raises(LoadError, match="runs no code"):
        read_weights(tmp_path / "c.pt")
    torch.save([1, 2], tmp_path / "d.pt")
    with pytest.raises(LoadError, match="not named tensors"):
        read_weights(tmp_path / "d.pt")
    torch.save({"epoch": 3}, tmp_path / "e.pt")
    with pytest.raises(LoadError, match="holds no tensors"):
        read_weights(tmp_path / "e.pt")


def test_shared_parameters_go_by_any_of_their_names():
    model, weight = Tied(), torch.ones(5, 3)
    for name in ("head.weight", "module.embed.weight"):
        matched = match_weights(model, {name: weight})
        assert list(matched) == ["embed.weight"] and torch.equal(matched["embed.weight"], weight)


def test_mismatches_are_named():
    with pytest.raises(LoadError, match="lacks bias"):
        match_weights(nn.Linear(2, 3), {"weight": torch.ones(3, 2)})
    with pytest.raises(LoadError, match=r"weight with shape \(2, 3\).*wants \(3, 2\)"):
        match_weights(nn.Linear(2, 3), {"weight": torch.ones(2, 3), "bias": torch.ones(3)})
