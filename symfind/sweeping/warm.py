"""Imported once by the process of which all others are forked: what every analysis needs is there.

Analysing a tiny network imports what is imported late and fills the tables of rules; that takes
ten times as long as the analysis itself. ZOOS names packages of models to import as well.
"""

import contextlib
import importlib
import os
import warnings

ZOOS = "SYMFIND_ZOOS"


def _warm() -> None:
    import torch

    from symfind.load.operators import prepare_torchvision
    from symfind.session import open

    torch.set_num_threads(1)  # a pool of threads would not survive the fork
    os.environ["HF_HUB_OFFLINE"] = "1"
    zoos = os.environ.get(ZOOS, "").split()
    if zoos:
        prepare_torchvision()
    for name in zoos:
        with contextlib.suppress(ImportError):  # then the models say so
            importlib.import_module(name)
    width = 2
    net = torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.ReLU())
    session = open(torch.nn.Sequential(net, torch.nn.Linear(width, width)), torch.ones(1, width))
    session.report()
    session.laws(check=False)


with warnings.catch_warnings(), contextlib.suppress(Exception):
    # whatever fails here fails again where it can be told
    warnings.simplefilter("ignore")
    _warm()
