"""The rows of a registry's tables, made from trials."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Final

import pyarrow as pa

from labelbench_ray.config import digest
from labelbench_ray.costs import total
from labelbench_ray.datasets import SPLITS, split_title
from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.registry.schema import ROUNDS, TRIALS, protocol_id
from labelbench_ray.registry.trials import RegistryTrial, deciding_metric

COMMIT: Final = "commit"


def trials_table(trials: Iterable[RegistryTrial]) -> Any:  # noqa: ANN401  pyarrow has no types
    """One row a trial, by fingerprint."""
    rows = [_trial(each) for each in sorted(trials, key=lambda each: each.fingerprint)]
    return pa.Table.from_pylist(rows, schema=TRIALS)


def rounds_table(trials: Iterable[RegistryTrial]) -> Any:  # noqa: ANN401
    """One row a round and metric, by fingerprint, round and metric."""
    parts = [_rounds(each) for each in sorted(trials, key=lambda each: each.fingerprint)]
    return pa.concat_tables(parts) if parts else ROUNDS.empty_table()


def _trial(of: RegistryTrial) -> dict[str, Any]:
    trial, last = of.header.trial, of.records[-1]
    named = ("dataset", "encoder", "strategy", "proxy", "trainer", "corrupter", "oracle", "first_batch")
    metric = deciding_metric(of.header)
    row: dict[str, Any] = {
        **{field: str(getattr(trial, field)) for field in named},
        "fingerprint": of.fingerprint,
        "seed": trial.seed,
        "task": of.header.task,
        "budget": trial.budget,
        "rounds": trial.rounds,
        "num_labels": last.num_labeled,
        "metric": metric,
        "value": last.metrics.get(metric),
        "store": of.header.store,
        "compute": of.header.compute,
        "wall_seconds": _by_stage(record.seconds for record in of.records),
        "cpu_seconds": _by_stage(record.cpu for record in of.records),
        "gpu_seconds": _by_stage(record.gpu for record in of.records),
        "finished": last.finished,
        "versions": sorted((last.versions or of.header.versions).items()),
        "lock_hash": lock_hash(of),
        "ledger_sha256": of.ledger_sha256,
        **of.submission.model_dump(exclude={"prices"}),
        **_price(of),
    }
    return row | {"protocol_id": protocol_id(row)}


def lock_hash(of: RegistryTrial) -> str:
    """Names the versions that its rounds ran with: Python, and the packages that numbers depend on."""
    every = (record.versions or of.header.versions for record in of.records)
    hashes = {digest({name: value for name, value in each.items() if name != COMMIT}) for each in every}
    return digest([*sorted(hashes)])


def _price(of: RegistryTrial) -> dict[str, Any]:
    """Labels and computing of all rounds, without the embedding that trials share."""
    if (prices := of.submission.prices) is None:
        return {"price": None, "currency": None}
    spent = total(record.spent for record in of.records)
    return {"price": prices.money(spent, of.records[-1].num_labeled), "currency": prices.currency}


def _by_stage(rounds: Iterable[dict[str, float]]) -> list[tuple[str, float]]:
    spent: Counter[str] = Counter()
    for each in rounds:
        spent.update(each)
    return sorted(spent.items())


def _rounds(of: RegistryTrial) -> Any:  # noqa: ANN401
    names = [sorted(record.metrics) for record in of.records]
    counts = [len(each) for each in names]
    pairs = [*zip(of.records, names, strict=True)]
    columns = {
        "fingerprint": [of.fingerprint] * sum(counts),
        "round": _repeated([record.round for record in of.records], counts),
        "num_labels": _repeated([record.num_labeled for record in of.records], counts),
        "split": [split for record, mine in pairs for split in _splits(record, mine)],
        "metric": [*chain.from_iterable(names)],
        "value": [record.metrics[name] for record, mine in pairs for name in mine],
        "record_sha256": _repeated(of.record_hashes, counts),
    }
    return pa.table(columns, schema=ROUNDS)


def _repeated(values: Sequence[Any], counts: Sequence[int]) -> list[Any]:
    return [value for value, count in zip(values, counts, strict=True) for _ in range(count)]


def _splits(record: RoundRecord, metrics: Sequence[str]) -> Iterable[str | None]:
    """The split that each metric is of, by the longest name of one that it begins with; None for none."""
    titles = sorted({*SPLITS, *record.groups}, key=len, reverse=True)
    known = [(split, f"{split_title(split)} ") for split in titles]
    return [next((split for split, title in known if name.startswith(title)), None) for name in metrics]
