"""A strategy that fails in a trial: named by its full module path, as a user's own plug-in is."""

from labelbench_ray.planning.synthetic_view import ROWS
from labelbench_ray.strategies import Strategy
from labelbench_ray.types import Ask, Ids, PoolView


class Faulty(Strategy):
    """Raises in the round after the first, not on the made-up rows that a plan tries it on."""

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        if view.num_rows == ROWS:
            return view.open_ids()[:budget]
        raise RuntimeError(f"planned failure with {len(view.labeled_L)} labels")
