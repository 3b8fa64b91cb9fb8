"""No proxy: rows are chosen by their embeddings and facts alone, and what answers them is learned later."""

from typing import ClassVar

from labelbench_ray.proxies import Proxy


class NoProxy(Proxy):
    """Fits nothing and predicts nothing, for tasks whose answers no proxy of embeddings predicts."""

    tasks: ClassVar[tuple[str, ...]] = ("response",)
