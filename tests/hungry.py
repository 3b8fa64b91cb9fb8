"""A user's own strategy that holds 20 bytes for every pair of a pool row and a class."""

from labelbench_ray.strategies.margin import Margin


class Hungry(Margin):
    """Margin, with a declared need for memory."""

    bytes_per_row = 700
    bytes_per_row_and_class = 20
