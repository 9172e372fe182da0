"""How many dimensions families of generators have, at the model's sizes or through small twins."""
