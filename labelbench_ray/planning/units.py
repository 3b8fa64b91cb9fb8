"""The units of a command's first progress bar: rows, rounds or fine-tunes, counted from the plan."""

from collections.abc import Iterable
from dataclasses import dataclass

from labelbench_ray.planning.plan import Plan
from labelbench_ray.planning.stores import PlannedStore


@dataclass(frozen=True, slots=True)
class Units:
    """The first frame of a bar."""

    name: str
    total: int | None
    """None if there is nothing to do, or if it is unknown."""
    done: int = 0


def embedding_units(stores: Iterable[PlannedStore]) -> Units:
    """Rows to embed."""
    return Units("rows", sum(_rows(store) for store in stores) or None)


def run_units(plan: Plan) -> Units:
    """Rows to embed or, without any, rounds to run."""
    embedding = embedding_units(plan.stores)
    if embedding.total or not plan.missing:
        return embedding
    rounds = sum(trial.parts.trial.rounds for trial in plan.missing)
    return Units("rounds", rounds, sum(trial.rounds_done for trial in plan.missing))


def finetune_units(plan: Plan) -> Units:
    """Fine-tunes to run."""
    return Units("fine-tunes", sum(len(tuning.missing) for tuning in plan.tunings) or None)


def _rows(store: PlannedStore) -> int:
    """Rows to embed, views included; 0 while that is unknown."""
    rows = 0 if store.done else sum(store.rows.values())
    views = sum(views.wanted.count - views.there for views in store.views)
    return rows + store.rows.get("pool", 0) * views
