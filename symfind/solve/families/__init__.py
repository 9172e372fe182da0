"""Lie algebras of symbolic size, and how they act on parameters."""
