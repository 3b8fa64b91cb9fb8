"""Published stopping criteria of a campaign: they look at the models' predictions alone, and change no advice."""

from collections.abc import Iterator, Sequence

import numpy as np

from labelbench_ray.campaign.choosing import Chooser
from labelbench_ray.campaign.standing import Learned, Standing, predictions
from labelbench_ray.report import words
from labelbench_ray.report.cells import NOTHING, Cell, Table
from labelbench_ray.report.statistics.stopping import Criterion, criteria, stop_set

DECIMALS = 4
"""A value of 0.9899 is below 0.99."""


def stopping_criteria(standing: Standing, chooser: Chooser, models: Sequence[Learned]) -> tuple[Criterion, ...]:
    """What published stopping criteria state of the models, on a sample of the pool. They need no audit rows."""
    stop_set_S = stop_set(len(standing.rows))
    predictions_TS = [predictions(chooser, each.model, stop_set_S)[0] for each in models]
    open_S = ~np.isin(stop_set_S, standing.rows.places([*standing.found.labels]))
    uncertainty = None
    if models and open_S.any():
        rows_UD = chooser.embedded.pool.embeddings_ND[stop_set_S[open_S]]
        uncertainty = chooser.kind.uncertainty(models[-1].model.probabilities(rows_UD))
    return criteria(np.array([each.labels for each in models], np.float64), predictions_TS, open_S, uncertainty)


def criteria_lines(found: Sequence[Criterion]) -> Iterator[str]:
    """A line each: what it looks at, its value, its threshold, and whether it would stop."""
    if found:
        yield "stopping criteria, on which the advice does not depend:"
    for each in found:
        if each.value is None:
            yield f"  {each.name}: {_verdict(each)}; {each.missing}"
        else:
            yield f"  {each.name}: {_value(each)} ({each.looks_at}); stops at {each.stops_where}: {_verdict(each)}"


def criteria_table(found: Sequence[Criterion]) -> Table:
    """The same for the page."""
    rows = tuple(
        (
            Cell(each.name, each.looks_at if each.value is not None else f"{each.looks_at}; {each.missing}"),
            NOTHING if each.value is None else Cell(_value(each)),
            Cell(each.stops_where),
            Cell(_verdict(each)),
        )
        for each in found
    )
    return Table(("criterion", "value", "stops at", "now"), rows)


def _value(criterion: Criterion) -> str:
    assert criterion.value is not None, criterion
    return words.signed(criterion.value, DECIMALS, plus="")


def _verdict(criterion: Criterion) -> str:
    return "not known yet" if criterion.value is None else "would stop" if criterion.stops else "would go on"
