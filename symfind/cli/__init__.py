"""The command line: parse, call, print. Everything heavy is imported when a command runs."""

import click

from symfind import __version__
from symfind.cli.align import align_command
from symfind.cli.analyze import analyze_command
from symfind.cli.apply import apply_command
from symfind.cli.catalog import catalog_group
from symfind.cli.conserved import conserved_command
from symfind.cli.diff import diff_command
from symfind.cli.dims import dims_command
from symfind.cli.discover import discover_command
from symfind.cli.exact import exact_command
from symfind.cli.explain import explain_command
from symfind.cli.export import check_command, export_command
from symfind.cli.fix import fix_command
from symfind.cli.guard import GuardedGroup
from symfind.cli.help import help_command
from symfind.cli.identify import identify_command
from symfind.cli.inputs import inputs_command
from symfind.cli.ops import ops_command
from symfind.cli.permutations import permutations_command
from symfind.cli.rules import rules_command
from symfind.cli.sweep import sweep_command
from symfind.cli.teleport import teleport_command

_EPILOG = """\b
Model specs:
  model.py                      a file with `model` and `example_inputs`
  model.py:build                another attribute: a module, a class or a function
  package.module:attr           an importable module
  torchvision:resnet50          torchvision.models, random weights
  timm:vit_base_patch16_224     timm.create_model, random weights
  transformers:GPT2LMHeadModel  a transformers class with its default config
  transformers:path/config.json a config file on disk"""


@click.group(
    cls=GuardedGroup,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="symfind")
def main() -> None:
    """Find the continuous parameter-space symmetries of PyTorch models."""


main.add_command(align_command)
main.add_command(analyze_command)
main.add_command(apply_command)
main.add_command(catalog_group)
main.add_command(conserved_command)
main.add_command(diff_command)
main.add_command(dims_command)
main.add_command(exact_command)
main.add_command(fix_command)
main.add_command(explain_command)
main.add_command(export_command)
main.add_command(help_command)
main.add_command(check_command)
main.add_command(identify_command)
main.add_command(inputs_command)
main.add_command(ops_command)
main.add_command(teleport_command)
main.add_command(permutations_command)
main.add_command(discover_command)
main.add_command(rules_command)
main.add_command(sweep_command)

__all__ = ["main"]
