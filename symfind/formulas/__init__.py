"""Counts as expressions in the arguments of a family of models, held against its members."""
