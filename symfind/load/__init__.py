"""From a spec on the command line to a model and example inputs."""

from symfind.load.derive import derive
from symfind.load.grammar import parse_input, parse_settings
from symfind.load.inputs import Inputs, as_inputs, check_fits, describe, draw
from symfind.load.loaded import Loaded
from symfind.load.resolve import resolve
from symfind.load.sizes import module_sizes, sizes_of
from symfind.load.spec import initialised, load
from symfind.load.weights import match_weights, read_weights

__all__ = [
    "Inputs",
    "Loaded",
    "as_inputs",
    "check_fits",
    "derive",
    "describe",
    "draw",
    "initialised",
    "load",
    "match_weights",
    "parse_input",
    "parse_settings",
    "read_weights",
    "resolve",
    "module_sizes",
    "sizes_of",
]
