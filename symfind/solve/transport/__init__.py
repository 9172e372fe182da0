"""How perturbations travel from wire to wire."""
