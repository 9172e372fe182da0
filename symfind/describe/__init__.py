"""Families in words: names of groups, sites and generators."""
