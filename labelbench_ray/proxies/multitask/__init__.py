"""Fitting many tasks that share one linear representation, from sums over the rows of each task."""
