import pytest
import torch

from symfind.verify.threads import fitting_threads


@pytest.mark.parametrize("parameters", [0, 10_000])
def test_number_of_threads_is_put_back(parameters: int) -> None:
    torch.set_num_threads(2)
    with pytest.raises(KeyboardInterrupt), fitting_threads(parameters):
        assert torch.get_num_threads() in ((1,) if not parameters else (1, 2))
        raise KeyboardInterrupt
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
