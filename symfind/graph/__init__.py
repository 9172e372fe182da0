"""Primitives: the wires that operations are lowered to, and passes over them."""
