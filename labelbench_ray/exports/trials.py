"""The tables of rounds and of trials: everything that the ledgers record, a row each."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from labelbench_ray.exports.columns import (
    TEXT,
    TIME,
    WHOLE,
    Member,
    column,
    identity,
    joined,
    measured,
    members,
    recipe,
    seconds,
    versions,
)
from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.report.curves import Experiment


def rounds_table(experiments: Iterable[Experiment]) -> Any:  # noqa: ANN401  pyarrow has no types
    """One row a recorded round."""
    rows = [(each, record) for each in members(experiments) for record in each.run.records]
    of, records = [each for each, _ in rows], [record for _, record in rows]
    return joined(
        identity(of),
        {
            "state": column(TEXT, (each.run.state.value for each in of)),
            "round": column(WHOLE, (record.round for record in records)),
            "num_labeled": column(WHOLE, (record.num_labeled for record in records)),
        },
        measured([each.run for each in of], records),
        seconds([{"wall": record.seconds, "cpu": record.cpu, "gpu": record.gpu} for record in records]),
        {
            "bytes_written": column(WHOLE, (record.bytes_written for record in records)),
            "finished": column(TIME, (record.finished for record in records)),
            "proxy_sha256": column(TEXT, (record.proxy for record in records)),
        },
        recipe(of),
        versions([record.versions or each.run.versions for each, record in rows]),
    )


def trials_table(experiments: Iterable[Experiment]) -> Any:  # noqa: ANN401  pyarrow has no types
    """One row a trial of the grids: its state, its metrics at its last recorded round, and what it took in all."""
    of = members(experiments)
    last = [each.run.records[-1] if each.run.records else None for each in of]
    return joined(
        identity(of),
        {
            "state": column(TEXT, (each.run.state.value for each in of)),
            "reason": column(TEXT, (each.run.reason or None for each in of)),
            "rounds_done": column(WHOLE, (len(each.run.records) for each in of)),
            "rounds": column(WHOLE, (each.run.trial.rounds for each in of)),
            "num_labeled": column(WHOLE, (record.num_labeled if record else 0 for record in last)),
        },
        measured([each.run for each in of], last),
        seconds([_spent(each.run.records) for each in of]),
        {
            "bytes_written": column(WHOLE, (sum(record.bytes_written for record in each.run.records) for each in of)),
            "finished": column(TIME, (record.finished if record else None for record in last)),
        },
        recipe(of),
        _made_from(of),
        {"version_sets": column(WHOLE, (len(each.run.provenances) for each in of))},
        versions(
            [(record.versions if record else {}) or each.run.versions for each, record in zip(of, last, strict=True)]
        ),
    )


def _made_from(of: Sequence[Member]) -> dict[str, Any]:
    return {
        "folder": column(TEXT, (str(each.run.directory) for each in of)),
        "store": column(TEXT, (each.run.store or None for each in of)),
        "views": column(TEXT, (each.run.views or None for each in of)),
        "compute": column(TEXT, (each.run.compute or None for each in of)),
    }


def _spent(records: Iterable[RoundRecord]) -> dict[str, Counter[str]]:
    """Seconds by clock and stage, over all rounds."""
    spent: dict[str, Counter[str]] = {"wall": Counter(), "cpu": Counter(), "gpu": Counter()}
    for record in records:
        for clock, stages in (("wall", record.seconds), ("cpu", record.cpu), ("gpu", record.gpu)):
            spent[clock].update(stages)
    return spent
