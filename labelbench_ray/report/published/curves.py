"""Published learning curves as tidy rows: one run, round and metric each. A file of one's own has the same columns.

Columns: dataset, batch_size, embed, model, trainer, strategy, seed, round, num_labels, metric, value. Some of
LabelBench's runs hold one label too many a round, so that runs are aligned by the nearest multiple of the batch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labelbench_ray.errors import DataError
from labelbench_ray.report.curves import RANDOM
from labelbench_ray.report.statistics.comparison import Curves

LABELBENCH: Final = Path(__file__).parent / "labelbench.parquet"
ACCURACY: Final = "Test Accuracy"
DATA_SETS: Final = frozenset({"cifar10", "cifar100", "fmow", "imagenet", "iwildcam"})
"""Data sets of this package that LabelBench published runs on; there are more runs under other names."""
SETTING: Final = ("dataset", "batch_size", "embed", "model", "trainer")
COLUMNS: Final = pa.schema(
    [
        ("dataset", pa.string()),
        ("batch_size", pa.int64()),
        ("embed", pa.string()),
        ("model", pa.string()),
        ("trainer", pa.string()),
        ("strategy", pa.string()),
        ("seed", pa.int64()),
        ("round", pa.int64()),
        ("num_labels", pa.int64()),
        ("metric", pa.string()),
        ("value", pa.float64()),
    ]
)


@dataclass(frozen=True, slots=True)
class PublishedSetting:
    """The runs that may be compared with each other, on one metric."""

    dataset: str
    batch_size: int
    embed: str
    model: str
    trainer: str
    curves: Mapping[str, Curves]
    """By strategy, at the checkpoints that all of the strategy's runs have."""

    @property
    def name(self) -> str:
        """The setting in one line."""
        embed = "" if self.embed == "none" else f", {self.embed}"
        return f"{self.dataset}, batches of {self.batch_size:,}{embed}, {self.model}, {self.trainer}"


@cache
def labelbench() -> tuple[PublishedSetting, ...]:
    """LabelBench's settings by test accuracy, read once a process."""
    return published()


def published(path: Path = LABELBENCH, metric: str = ACCURACY) -> tuple[PublishedSetting, ...]:
    """Every setting that has the metric, in the order of its fields.

    Raises:
        DataError: the file cannot be read, lacks a column, or holds one run's round twice.
    """
    rows = _rows(path, metric)
    return tuple(_setting(fields, list(mine)) for fields, mine in groupby(rows, itemgetter(*SETTING)))


def with_random(settings: Iterable[PublishedSetting]) -> tuple[PublishedSetting, ...]:
    """The settings in which strategies can be compared with random."""
    return tuple(each for each in settings if RANDOM in each.curves)


def _rows(path: Path, metric: str) -> list[dict[str, Any]]:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as published curves ({error}); give a parquet file") from error
    missing = [name for name in COLUMNS.names if name not in table.column_names]
    if missing:
        raise DataError(f"{path}: has no column {', '.join(missing)}; published curves have {', '.join(COLUMNS.names)}")
    try:
        table = table.select(COLUMNS.names).cast(COLUMNS)
    except (pa.ArrowException, ValueError) as error:
        raise DataError(f"{path}: a column has another type ({error}); the types are {COLUMNS}") from error
    table = table.filter(pc.equal(table["metric"], metric))
    by = [*SETTING, "strategy", "seed", "num_labels"]
    rows: list[dict[str, Any]] = table.sort_by([(name, "ascending") for name in by]).to_pylist()
    return rows


def _setting(fields: tuple[Any, ...], rows: list[dict[str, Any]]) -> PublishedSetting:
    curves = {
        strategy: _curves(strategy, fields, list(mine)) for strategy, mine in groupby(rows, itemgetter("strategy"))
    }
    return PublishedSetting(**dict(zip(SETTING, fields, strict=True)), curves=curves)


def _curves(strategy: str, fields: tuple[Any, ...], rows: list[dict[str, Any]]) -> Curves:
    runs: dict[int, dict[int, float]] = {}
    batch = fields[SETTING.index("batch_size")]
    for row in rows:
        labels = max(1, round(row["num_labels"] / batch)) * batch
        run = runs.setdefault(row["seed"], {})
        if labels in run:
            raise DataError(
                f"{fields}, {strategy}, seed {row['seed']}: has {labels} labels twice; keep one round of it"
            )
        run[labels] = row["value"]
    shared = sorted(set.intersection(*(set(run) for run in runs.values())))
    values_ST = np.array([[run[labels] for labels in shared] for run in runs.values()])
    return Curves(strategy, tuple(runs), np.array(shared, dtype=np.float64), values_ST)
