"""Good points: parameters at which every unit lives, drawn layer by layer over given inputs."""

from symfind.points.enliven import enliven
from symfind.points.manner import PLAIN, Manner, manner

__all__ = ["PLAIN", "Manner", "enliven", "manner"]
