"""Many models: published architectures and building blocks, analysed and laid out as pages."""

from symfind.catalog.build import build
from symfind.catalog.entries import Entry, entries

__all__ = ["Entry", "build", "entries"]
