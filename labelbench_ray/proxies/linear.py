"""A linear probe: one affine layer on the standardized embeddings."""

from labelbench_ray.proxies import LightProxy


class Linear(LightProxy):
    """D -> K; strategies see the standardized embedding."""

    def widths(self, dimensions: int, classes: int) -> tuple[int, ...]:
        return (dimensions, classes)
