"""Linear algebra in floating point: decompositions, spans, kernels, and ranks by their gap."""
