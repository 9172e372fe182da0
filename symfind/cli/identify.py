from pathlib import Path

import click

from symfind.cli.options import debug_option
from symfind.cli.output import print_text
from symfind.cli.progress import spoken_warnings
from symfind.errors import AlgebraError


@click.command("identify")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--close", is_flag=True, help="Add brackets until the span is closed.")
@debug_option
def identify_command(file: Path, close: bool) -> None:
    """Name the Lie algebra that the matrices in FILE span.

    FILE is a NumPy array [count, n, n], as `numpy.save` writes it; integers are taken exactly.
    """
    import numpy as np

    from symfind.lie import identify

    try:
        matrices = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise AlgebraError(
            f"{file} holds no array of numbers ({error}): save one with numpy.save"
        ) from error
    if not isinstance(matrices, np.ndarray):
        raise AlgebraError(f"{file} holds several arrays: save one, [count, n, n]")
    with spoken_warnings(quiet=False):
        found = identify(matrices, close=close)
    print_text(f"{found}\n")
