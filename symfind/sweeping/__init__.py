"""Many models, or one at many sizes: each in a process of its own, gathered in one table."""

from symfind.sweeping.job import Job, Options
from symfind.sweeping.run import sweep
from symfind.sweeping.table import Sweep

__all__ = ["Job", "Options", "Sweep", "sweep"]
