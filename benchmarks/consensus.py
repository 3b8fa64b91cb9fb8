"""How often is the consensus of several annotators right, by majority, by one-coin Dawid-Skene, by crowd-kit's methods?

.venv/bin/python benchmarks/consensus.py          # a table, and a million rows of a thousand classes: about 2 minutes
.venv/bin/python benchmarks/consensus.py --tiny

crowds: 30 annotators whose ability is drawn from Beta(6, 2), each row answered by R of them, wrong answers even over
the other classes. `right` is the share of rows whose label is the true one, in %, ties of the majority broken at
random; means of 3 seeds (crowd-kit: 1 with 77 classes, where a fit takes long). `calibration` is the mean confidence
less the share of right rows, `agreement` the share of rows with the label of crowd-kit's one-coin Dawid-Skene, in %.

again: 10 classes, 2 answers a row, then a third one for a quarter of the rows: those that `ask_again` ranks first, or
random ones. Right rows in %, means of 3 seeds, beside those of 2 and of 3 answers to every row.

scale: CPU seconds and peak memory of one-coin Dawid-Skene on rows of a thousand classes with 3 answers each.
"""

import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from machine import parser, show, show_skipped
from numpy.typing import NDArray

from labelbench_ray.answers import consensus
from labelbench_ray.answers.consensus import Votes
from labelbench_ray.answers.consensus.ask_again import ask_again

ANNOTATORS, SEEDS = 30, 3
LEAST_GAIN, LEAST_AGREEMENT, MOST_MISCALIBRATED = 2.0, 99.5, 2.0
"""Points over majority, % of rows, and points, with 10 classes and 3 answers a row."""
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Setting:
    """A kind of crowd."""

    classes: int
    answers: int
    rows: int
    references: int
    """Seeds on which crowd-kit is fitted."""

    @property
    def name(self) -> str:
        return f"K={self.classes}, R={self.answers}, N={self.rows:,}"


DECIDES: Final = Setting(10, 3, 10_000, SEEDS)
SETTINGS: Final = (DECIDES, *(Setting(77, answers, 3_000, 1) for answers in (2, 3, 5)))
TINY: Final = (Setting(10, 3, 1_000, 1),)


def crowd(setting: Setting, seed: int) -> tuple[Votes, Ids]:
    """Simulated votes and the true labels."""
    draw = np.random.default_rng(seed)
    truth_N, skills_W = draw.integers(setting.classes, size=setting.rows), draw.beta(6, 2, ANNOTATORS)
    who_NR = np.stack([draw.permutation(ANNOTATORS)[: setting.answers] for _ in range(setting.rows)])
    wrong_NR = (truth_N[:, None] + draw.integers(1, setting.classes, size=who_NR.shape)) % setting.classes
    labels_NR = np.where(draw.random(who_NR.shape) < skills_W[who_NR], truth_N[:, None], wrong_NR)
    rows_V = np.repeat(np.arange(setting.rows), setting.answers)
    return Votes.of(rows_V, who_NR.ravel(), labels_NR.ravel(), setting.rows, setting.classes), truth_N


def majority_at_random(votes: Votes, seed: int) -> Ids:
    """(N,) the most frequent label, ties broken at random."""
    keys_P = votes.shares() + np.random.default_rng(seed).uniform(0, 1e-6, len(votes.rows_P))
    order_P = np.lexsort((keys_P, votes.rows_P))
    last_P = np.append(np.diff(votes.rows_P[order_P]) > 0, True)
    return votes.labels_P[order_P][last_P]


def reference(votes: Votes, name: str) -> Ids:
    """(N,) the labels of a method of crowd-kit."""
    import pandas
    from crowdkit import aggregation

    table = pandas.DataFrame({"task": votes.rows_V, "worker": votes.annotators_V, "label": votes.labels_V})
    labels_N: Ids = getattr(aggregation, name)(n_iter=100).fit_predict(table).sort_index().to_numpy()
    return labels_N


def timed(method: Callable[[], Any]) -> tuple[Any, float]:
    """What it returns, and CPU seconds."""
    start = time.process_time()
    return method(), time.process_time() - start


def compared(setting: Setting, seeds: int) -> dict[str, Any]:
    """A row of the table."""
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        votes, truth_N = crowd(setting, seed)
        plain_N = majority_at_random(votes, seed)
        ours, seconds = timed(lambda votes=votes: consensus.of("one_coin")(votes))
        right = {"majority": np.mean(plain_N == truth_N), "one_coin": np.mean(ours.labels_N == truth_N)}
        figures = {f"right: {name}": 100 * share for name, share in right.items()}
        figures["gain"] = 100 * (right["one_coin"] - right["majority"])
        figures["calibration"] = 100 * (ours.confidence_N.mean() - right["one_coin"])
        figures["seconds: one_coin"] = seconds
        if seed < setting.references:
            for name in ("OneCoinDawidSkene", "DawidSkene"):
                theirs_N, seconds = timed(lambda votes=votes, name=name: reference(votes, name))
                figures[f"right: {name}"] = 100 * np.mean(theirs_N == truth_N)
                figures[f"seconds: {name}"] = seconds
                if name == "OneCoinDawidSkene":
                    figures["agreement"] = 100 * np.mean(ours.labels_N == theirs_N)
        for name, figure in figures.items():
            found.setdefault(name, []).append(float(figure))
    return {name: float(np.mean(each)) for name, each in found.items()}


def asked_again(setting: Setting, seeds: int) -> dict[str, float]:
    """Right rows in %, where a quarter of them gets a third answer."""
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        votes, truth_N = crowd(setting, seed)
        place_V = np.arange(len(votes.rows_V)) % setting.answers
        # Votes are sorted by annotator: which of a row's is the last to come is drawn.
        is_last_V = place_V == np.repeat(np.random.default_rng(seed).integers(setting.answers, size=setting.rows), 3)
        first = consensus.of("one_coin")(_some(votes, ~is_last_V))
        two_N = np.full(setting.rows, setting.answers - 1)
        doubtful = ask_again(first.confidence_N, first.disputed_N, first.answers_N, two_N, setting.answers)
        quarter = setting.rows // 4
        rows = {
            "2 answers": np.array([], np.int64),
            "third for random rows": np.random.default_rng(seed + 100).permutation(setting.rows)[:quarter],
            "third for rows in doubt": doubtful[:quarter],
            "3 answers": np.arange(setting.rows),
        }
        for name, again in rows.items():
            labels_N = consensus.of("one_coin")(_some(votes, ~is_last_V | np.isin(votes.rows_V, again))).labels_N
            found.setdefault(name, []).append(100 * float(np.mean(labels_N == truth_N)))
    return {name: float(np.mean(each)) for name, each in found.items()}


def _some(votes: Votes, which_V: NDArray[np.bool_]) -> Votes:
    rows_V, annotators_V, labels_V = (each[which_V] for each in (votes.rows_V, votes.annotators_V, votes.labels_V))
    return Votes.of(rows_V, annotators_V, labels_V, votes.num_rows, votes.num_classes)


def scale(rows: int) -> dict[str, Any]:
    """CPU seconds and memory of many rows and classes."""
    draw = np.random.default_rng(0)
    truth_N = draw.integers(1000, size=rows)
    first_N = draw.integers(ANNOTATORS, size=rows)
    annotators_V = (np.repeat(first_N, 3) + np.tile([0, 7, 19], rows)) % ANNOTATORS
    is_right_V = draw.random(3 * rows) < draw.beta(6, 2, ANNOTATORS)[annotators_V]
    labels_V = np.where(is_right_V, np.repeat(truth_N, 3), draw.integers(1000, size=3 * rows))
    rows_V = np.repeat(np.arange(rows), 3)
    votes, sorting = timed(lambda: Votes.of(rows_V, annotators_V, labels_V, rows, 1000))
    _, seconds = timed(lambda: consensus.of("one_coin")(votes))
    tracemalloc.start()
    consensus.of("one_coin")(votes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {"rows": rows, "votes": 3 * rows, "sorting_s": sorting, "one_coin_s": seconds, "peak_mib": peak / 2**20}


def main() -> int:
    """Measure, and print the answer."""
    options = parser(__doc__)
    options.add_argument("--tiny", action="store_true", help="1,000 rows of one seed, 20,000 rows of 1,000 classes")
    given = options.parse_args()
    try:
        import crowdkit.aggregation  # noqa: F401
    except ImportError:
        show_skipped("consensus", "crowd-kit is not installed: pip install 'labelbench-ray[dev]'")
        return 0
    settings, seeds = (TINY, 1) if given.tiny else (SETTINGS, SEEDS)
    table = {setting.name: compared(setting, seeds) for setting in settings}
    decides = table[settings[0].name]
    met = (
        decides["gain"] >= LEAST_GAIN
        and decides["agreement"] >= LEAST_AGREEMENT
        and abs(decides["calibration"]) <= MOST_MISCALIBRATED
    )
    target = {"gain": LEAST_GAIN, "agreement": LEAST_AGREEMENT, "calibration": MOST_MISCALIBRATED}
    measured = {
        "crowds": table,
        "again": asked_again(settings[0], seeds),
        "scale": scale(20_000 if given.tiny else 1_000_000),
    }
    show("consensus", measured, {settings[0].name: target}, met=met)
    return 0


if __name__ == "__main__":
    sys.exit(main())
