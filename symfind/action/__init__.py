"""Generators as data: records that can be printed, stored and applied without the traced model."""
