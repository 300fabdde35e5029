"""Servers of the baselines, written as in each project's own guide."""
