"""Arithmetic modulo a prime beside the real point: the words of exact rules."""
