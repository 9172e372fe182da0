"""A model as one of a family: the same architecture, made again with other arguments."""

from symfind.family.family import Family, Member

__all__ = ["Family", "Member"]
