"""CPU seconds of 18 further evaluation splits in a round, beside scoring as many pool rows.

.venv/bin/python benchmarks/evaluation_splits.py [--pairs 7] [--tiny]

18 splits of 5,000 rows (512-d float16, 10 classes, a linear proxy, one thread; each row in one of 50 groups, as many as
cameras or regions may be) are measured as a round does, metrics, groups and the three `prior_alphas` of the test rows
included, and the larger record is written. The pool of 90,000 rows is scored and tallied block by block, as a round
does that measures the pool. After a first pair that does not count, pairs are measured in turn in one process; the
ratio is the median over them. The limit of 1.3 is that of the project.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from operator import add
from pathlib import Path
from typing import Final

import numpy as np
from machine import parser, show
from threadpoolctl import threadpool_limits

from labelbench_ray.config import Part, Trial
from labelbench_ray.costs import Cost
from labelbench_ray.embeddings.store import Embedded, SplitArrays
from labelbench_ray.ledger.trials import Header, Ledger
from labelbench_ray.pool.standardization import standardize
from labelbench_ray.proxies import Classifier
from labelbench_ray.tasks.single_label import SINGLE_LABEL
from labelbench_ray.trial.evaluation import Measured, measure_splits
from labelbench_ray.trial.loop import tally_shard
from labelbench_ray.trial.parts import build
from labelbench_ray.types import PoolView

MOST_RATIO: Final = 1.3
CLASSES, DIMENSIONS, GROUPS = 10, 512, 50
SPLITS, ROWS, TINY_ROWS = 18, 5_000, 200
ALPHAS: Final = (10.0, 1.0, 0.1)


def main(given: Sequence[str] | None = None) -> None:
    """Measure pairs and show."""
    options = parser(__doc__)
    options.add_argument("--pairs", type=int, default=7)
    options.add_argument("--tiny", action="store_true", help=f"{TINY_ROWS} rows a split, 2 pairs")
    arguments = options.parse_args(given)
    rows, pairs = (TINY_ROWS, 2) if arguments.tiny else (ROWS, arguments.pairs)
    with threadpool_limits(1), tempfile.TemporaryDirectory(prefix="labelbench-") as folder:
        embedded = synthetic(rows)
        model = classifier(embedded)
        view = PoolView.from_model(embedded.pool.embeddings_ND, model, [], [])
        further = {name: split for name, split in embedded.splits.items() if name.startswith("test_")}
        found = [
            (
                seconds(partial(measured, model, embedded, further)) - seconds(partial(measured, model, embedded, {})),
                seconds(partial(score_pool, view, embedded)),
                written(Path(folder) / str(pair), model, embedded, further),
            )
            for pair in range(pairs + 1)
        ][1:]
    ratios = [(evaluation + record) / pool for evaluation, pool, record in found]
    ratio = statistics.median(ratios)
    shown = {
        "splits": SPLITS,
        "rows_a_split": rows,
        "cpu_seconds_splits": statistics.median(evaluation for evaluation, _, _ in found),
        "cpu_seconds_record": statistics.median(record for _, _, record in found),
        "cpu_seconds_pool": statistics.median(pool for _, pool, _ in found),
        "ratio": ratio,
        "ratio_lowest": min(ratios),
        "ratio_highest": max(ratios),
    }
    show("evaluation_splits", shown, {"ratio_at_most": MOST_RATIO}, met=ratio <= MOST_RATIO)


def synthetic(rows: int) -> Embedded:
    """Random rows: a pool as large as all further splits together, validation and test rows as one of them."""
    rng = np.random.default_rng(0)
    names = tuple(f"group {group}" for group in range(GROUPS))

    def split(count: int, *, groups: bool = False) -> SplitArrays:
        embeddings_ND = rng.standard_normal((count, DIMENSIONS), np.float32).astype(np.float16)
        labels_N = rng.integers(0, CLASSES, count)
        return SplitArrays(embeddings_ND, labels_N, *((rng.integers(0, GROUPS, count), names) if groups else ()))

    usual = {"pool": split(SPLITS * rows), "validation": split(rows), "test": split(rows)}
    further = {f"test_shift_{number}": split(rows, groups=True) for number in range(SPLITS)}
    return Embedded(usual | further, standardize(usual["pool"].embeddings_ND[:10_000]), tuple(map(str, range(CLASSES))))


def classifier(embedded: Embedded) -> Classifier:
    """A linear proxy with random weights."""
    weight_DK = np.random.default_rng(1).standard_normal((DIMENSIONS, CLASSES), np.float32)
    return Classifier(embedded.standardization, ((weight_DK, np.zeros(CLASSES, np.float32)),))


def measured(model: Classifier, embedded: Embedded, further: Mapping[str, SplitArrays]) -> Measured:
    """Test rows and further splits as a round measures them; class shares are shifted where there are some."""
    return measure_splits(model, {"test": embedded.test, **further}, SINGLE_LABEL, ALPHAS if further else ())


def score_pool(view: PoolView, embedded: Embedded) -> object:
    """Every row of the pool as a round measures it."""
    return reduce(add, view.map(partial(tally_shard, embedded=embedded)))


def written(folder: Path, model: Classifier, embedded: Embedded, further: Mapping[str, SplitArrays]) -> float:
    """CPU seconds that the record with further splits takes beyond the one without them."""
    trial = Trial(
        dataset=Part(name="digits"),  # never opened: the rows are synthetic
        encoder=Part(name="pixels"),
        strategy=Part(name="margin"),
        seed=0,
        rounds=2,
        budget=10,
    )
    header = Header(fingerprint=build(trial).fingerprint, trial=trial, store="synthetic", compute="none", versions={})
    with Ledger.open(folder, header) as ledger:
        spent = [
            seconds(partial(_publish, ledger, number, measured(model, embedded, splits)))
            for number, splits in enumerate(({}, further))
        ]
    return spent[1] - spent[0]


def _publish(ledger: Ledger, number: int, found: Measured) -> None:
    chosen_B = np.arange(10 * number, 10 * number + 10)
    tensors = {"weight": np.zeros(1, np.float32)}
    spent = {"fit": Cost(1.0, 1.0)}
    labels_B = np.zeros(10, np.int64)
    ledger.publish(number, chosen_B, labels_B, 10 * (number + 1), found.metrics, spent, tensors, None, found.groups)


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of the process."""
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
