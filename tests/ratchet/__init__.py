"""What is found of a fixed sample of models, written down: it may grow, and must not shrink."""
