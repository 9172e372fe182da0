"""Good points: parameters at which every unit lives, drawn layer by layer over given inputs."""

from symfind.points.enliven import enliven

__all__ = ["enliven"]
