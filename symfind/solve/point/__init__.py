"""A point in parameter space, and what is evaluated there."""
