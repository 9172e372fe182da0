"""The command that names an algebra of matrices in a file."""

import numpy as np
from click.testing import CliRunner

from symfind.cli import main


def run(*arguments: str):
    return CliRunner().invoke(main, ["identify", *arguments])


def rotations() -> np.ndarray:
    found = np.zeros((3, 3, 3), dtype=int)
    for k, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)]):
        found[k, i, j], found[k, j, i] = 1, -1
    return found


def test_rotations_in_a_file(tmp_path) -> None:
    np.save(tmp_path / "so3.npy", rotations())
    result = run(str(tmp_path / "so3.npy"))
    assert result.exit_code == 0 and "so(3)" in result.output and "exact" in result.output


def test_two_rotations_do_not_close_unless_asked(tmp_path) -> None:
    np.save(tmp_path / "two.npy", rotations()[:2])
    assert run(str(tmp_path / "two.npy")).exit_code == 2
    assert "so(3)" in run(str(tmp_path / "two.npy"), "--close").output


def test_a_file_that_is_no_array(tmp_path) -> None:
    (tmp_path / "text.npy").write_text("not an array")
    result = run(str(tmp_path / "text.npy"))
    assert result.exit_code == 2 and "numpy.save" in result.output
