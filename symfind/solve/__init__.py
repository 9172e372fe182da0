"""From primitives to families of generators."""
