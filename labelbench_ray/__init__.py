"""labelbench_ray: which labels to buy, with which strategy, and what that saves."""

__version__ = "0.1.0"
