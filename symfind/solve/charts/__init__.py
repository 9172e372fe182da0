"""Weights that parameters make up: what acts on the weight is lifted to the parameters."""
