"""One hidden layer: D -> D -> ReLU -> K (LabelBench's `num_hidden=2`)."""

from pydantic import PositiveInt

from labelbench_ray.proxies import LightProxy


class Shallow(LightProxy):
    """Strategies see the hidden layer after its ReLU. `hidden` is its width; None means D."""

    hidden: PositiveInt | None = None

    def widths(self, dimensions: int, classes: int) -> tuple[int, ...]:
        return (dimensions, self.hidden or dimensions, classes)
