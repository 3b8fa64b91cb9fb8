"""A linear probe: one affine layer on the standardized embeddings."""

from typing import ClassVar

from labelbench_ray.proxies import LightProxy


class Linear(LightProxy):
    """D -> K; strategies see the standardized embedding."""

    baseline: ClassVar[bool] = True

    def widths(self, dimensions: int, classes: int) -> tuple[int, ...]:
        return (dimensions, classes)
