"""A strategy that fails for one seed: named by its full module path, as a user's own plug-in is."""

from labelbench_ray.strategies import Strategy
from labelbench_ray.types import Ask, Ids, PoolView


class Faulty(Strategy):
    """Raises in the round after the first."""

    def _choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        raise RuntimeError(f"planned failure with {len(view.labeled_L)} labels")
