"""A strategy whose scorers are lost for good in the middle of a trial, as they are with their node."""

from pathlib import Path

import ray

from labelbench_ray.cluster.scorers import ScorerView
from labelbench_ray.strategies.margin import Margin as Base
from labelbench_ray.types import Ask, Ids, PoolView


class Losing(Base):
    """As margin; each time that `folder` has fewer marks than `times`, its scorers are lost in the second round."""

    folder: str
    times: int = 1

    def choose(self, view: PoolView, budget: int, key: int, ask: Ask | None) -> Ids:
        if not isinstance(view, ScorerView):  # the made-up rows that a plan tries it on
            return super().choose(view, budget, key, ask)
        lost = len(list(Path(self.folder).iterdir()))
        if lost < self.times and len(view.labeled_L) > 0:
            (Path(self.folder) / str(lost)).touch()
            ray.kill(view.actors[-1])
        return super().choose(view, budget, key, ask)
