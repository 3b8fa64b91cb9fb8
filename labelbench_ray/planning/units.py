"""What a command counts first: rows to embed, rounds or fine-tunes; known from the plan, before anything starts."""

from collections.abc import Iterable
from dataclasses import dataclass

from labelbench_ray.planning.plan import Plan
from labelbench_ray.planning.stores import PlannedStore


@dataclass(frozen=True, slots=True)
class Units:
    """The first frame of a bar."""

    name: str
    total: int | None
    """None where nothing is to be done, or where it is not known yet."""
    done: int = 0


def embedding_units(stores: Iterable[PlannedStore]) -> Units:
    """What embedding these stores counts."""
    return Units("rows", sum(_rows(store) for store in stores) or None)


def run_units(plan: Plan) -> Units:
    """What `labelbench run` counts first."""
    embedding = embedding_units(plan.stores)
    if embedding.total or not plan.missing:
        return embedding
    rounds = sum(trial.parts.trial.rounds for trial in plan.missing)
    return Units("rounds", rounds, sum(trial.rounds_done for trial in plan.missing))


def finetune_units(plan: Plan) -> Units:
    """What `labelbench finetune` counts."""
    return Units("fine-tunes", sum(len(tuning.missing) for tuning in plan.tunings) or None)


def _rows(store: PlannedStore) -> int:
    """Rows that are to be embedded, those of views included; 0 where that is not known."""
    rows = 0 if store.done else sum(store.rows.values())
    views = sum(views.wanted.count - views.there for views in store.views)
    return rows + store.rows.get("pool", 0) * views
