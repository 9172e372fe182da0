"""Many models: published architectures and building blocks, or one's own, laid out as pages."""

from symfind.catalog.build import build
from symfind.catalog.entries import Entry, entries
from symfind.catalog.project import Project, load

__all__ = ["Entry", "Project", "build", "entries", "load"]
