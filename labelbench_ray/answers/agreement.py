"""How far annotators agree, how often each is right on reference answers, and how long an answer takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from labelbench_ray.answers import fold
from labelbench_ray.answers.consensus.votes import Ids, Votes, references
from labelbench_ray.answers.events import Status
from labelbench_ray.console.progress import duration

LEVEL: Final = 0.95
UNKNOWN: Final = "-"


@dataclass(frozen=True, slots=True)
class Share:
    """Right answers among those that reference answers can judge, with Wilson's 95 % interval."""

    right: int
    judged: int
    low: float
    high: float

    def __str__(self) -> str:
        return self.stated("rows")

    def stated(self, judged: str) -> str:
        """In words, with a name for what is judged."""
        if not self.judged:
            return UNKNOWN
        percent = f"{100 * self.right / self.judged:.0f} %"
        return f"{percent} ({100 * self.low:.0f} to {100 * self.high:.0f} %, {self.judged} {judged})"


@dataclass(frozen=True, slots=True)
class Annotator:
    """What one annotator answered."""

    name: str
    answers: Mapping[str, int]
    """How many that are paid, by status."""
    gold: Share
    """On rows with a reference answer; the complete set of labels must be equal."""
    equal_pairs: int
    pairs: int
    """Pairs of a label of this annotator with one of another to the same row, and those of equal labels."""
    median_seconds: float | None
    """Of an answer, where the tool measured time."""
    seconds: float
    """In all."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Reference answers are not an annotator's: they judge the others, and count nowhere else."""

    rows: int
    """Rows with a label by somebody."""
    shared_rows: int
    """Rows with labels by several annotators: these show agreement."""
    raw: float | None
    """The share of equal pairs among all pairs of labels of a row; None without such a pair."""
    alpha: float | None
    """Krippendorff's, nominal: 1 for agreement, 0 for what chance gives. None without pairs or with one label alone."""
    gold: Share
    """Of all annotators' labels of rows with a reference answer."""
    annotators: tuple[Annotator, ...]
    """Sorted by name."""

    def table(self) -> list[dict[str, str]]:
        """One line an annotator: column -> text."""
        return [
            {
                "annotator": each.name,
                **{status.value: str(each.answers.get(status, 0)) for status in SHOWN},
                "right on gold": str(each.gold),
                "median": UNKNOWN if each.median_seconds is None else f"{each.median_seconds:.1f} s",
                "time": duration(each.seconds) if each.seconds else UNKNOWN,
            }
            for each in self.annotators
        ]

    def lines(self) -> list[str]:
        """For the terminal: agreement, then a line an annotator."""
        if self.raw is None:
            first = f"agreement: unknown; none of the {self.rows:,} labeled rows has labels of two annotators"
        else:
            alpha = "undefined: one label alone" if self.alpha is None else f"{self.alpha:.3f}"
            first = (
                f"agreement: {100 * self.raw:.1f} % of pairs, Krippendorff's alpha {alpha} "
                f"({self.shared_rows:,} of {self.rows:,} labeled rows have several labels)"
            )
        stated = f"right on gold, the rows with a reference answer: {self.gold.stated('labels')}"
        gold = [stated] if self.gold.judged else []
        return [first, *gold, *(", ".join(_words(line)) for line in self.table())]


SHOWN: Final = (Status.SUBMITTED, Status.SKIPPED, Status.UNSURE)


def agreement(events: pa.Table) -> Agreement:
    """The agreement of the answers that hold, and what was paid for.

    Args:
        events: rows of `events.SCHEMA`, each event once, in any order. Sets of labels are compared as a whole.
    """
    held, paid = fold.latest(events), fold.given(events)
    held = held.filter(pc.equal(held.column("status"), Status.SUBMITTED))
    is_gold_V = held.column("gold").to_numpy()
    paid = paid.filter(pc.invert(paid.column("gold")))
    names = pc.unique(paid.column("annotator"))
    names = names.take(pc.sort_indices(names))
    row_ids = pc.unique(held.column("row_id"))
    choices, labels_V = fold.choices_of(held.column("labels"))
    rows_V = _places(held, "row_id", row_ids)
    answered = held.filter(pa.array(~is_gold_V))
    people_V = _places(answered, "annotator", names)
    votes = Votes.of(rows_V[~is_gold_V], people_V, labels_V[~is_gold_V], len(row_ids), max(len(choices), 1))
    reference_N = references(rows_V[is_gold_V], labels_V[is_gold_V], len(row_ids))
    judged_V = reference_N[votes.rows_V] >= 0
    right_V = judged_V & (reference_N[votes.rows_V] == votes.labels_V)
    others_V = votes.answers_N[votes.rows_V] - 1
    same_V = _counts(votes)[0][votes.pairs_V] - 1
    equal_W, pairs_W = (np.bincount(votes.annotators_V, each, len(names)) for each in (same_V, others_V))
    judged_W, right_W = (np.bincount(votes.annotators_V[each], minlength=len(names)) for each in (judged_V, right_V))
    return Agreement(
        int((votes.answers_N > 0).sum()),
        int((votes.answers_N > 1).sum()),
        pairwise_agreement(votes),
        krippendorff_alpha(votes),
        _share(int(right_W.sum()), int(judged_W.sum())),
        tuple(
            _annotator(
                name,
                paid.filter(pc.equal(paid.column("annotator"), name)),
                _share(int(right), int(judged)),
                (int(equal), int(pairs)),
            )
            for name, right, judged, equal, pairs in zip(
                names.to_pylist(), right_W, judged_W, equal_W, pairs_W, strict=True
            )
        ),
    )


def pairwise_agreement(votes: Votes) -> float | None:
    """The share of equal pairs among all pairs of votes on one row."""
    counts_P, _ = _counts(votes)
    pairs = np.sum(votes.answers_N * (votes.answers_N - 1))
    return float(np.sum(counts_P * (counts_P - 1)) / pairs) if pairs else None


def krippendorff_alpha(votes: Votes) -> float | None:
    """Krippendorff's alpha of nominal labels; rows with one vote say nothing, missing votes need no filling.

    1 - observed / expected disagreement, by the matrix of coincidences (Krippendorff 2011, "Computing Krippendorff's
    Alpha-Reliability"): each pair of votes of a row counts 1 / (votes of the row - 1).
    """
    counts_P, of_row_P = _counts(votes)
    shared_P = of_row_P > 1
    counts_P, of_row_P, labels_P = counts_P[shared_P], of_row_P[shared_P], votes.labels_P[shared_P]
    values = int(counts_P.sum())
    by_label_K = np.bincount(labels_P, counts_P, minlength=1)
    expected = values**2 - np.sum(by_label_K**2)
    if not expected:
        return None
    equal = np.sum(counts_P * (counts_P - 1) / (of_row_P - 1))
    return float(1 - (values - 1) * (values - equal) / expected)


def _counts(votes: Votes) -> tuple[Ids, Ids]:
    """(P,) the votes of each pair, and those of its row."""
    return np.bincount(votes.pairs_V, minlength=len(votes.rows_P)), votes.answers_N[votes.rows_P]


def _share(right: int, judged: int) -> Share:
    # Imported here: scipy takes its time, and most commands do without it.
    from scipy.stats import binomtest

    low, high = binomtest(right, judged).proportion_ci(LEVEL, method="wilson") if judged else (0.0, 1.0)
    return Share(right, judged, float(low), float(high))


def _annotator(name: str, paid: pa.Table, gold: Share, with_others: tuple[int, int]) -> Annotator:
    counts = pc.value_counts(paid.column("status")).to_pylist()
    measured = pc.drop_null(paid.column("seconds")).to_numpy().astype(np.float64)
    return Annotator(
        name,
        {each["values"]: each["counts"] for each in counts},
        gold,
        *with_others,
        float(np.median(measured)) if len(measured) else None,
        float(measured.sum()),
    )


def _places(table: pa.Table, column: str, values: pa.Array) -> NDArray[np.int64]:
    places_V: NDArray[np.int64] = pc.index_in(table.column(column), value_set=values).to_numpy().astype(np.int64)
    return places_V


def _words(line: Mapping[str, str]) -> list[str]:
    """`anna: 12 submitted, 1 skipped, 92 % right on gold (...), median 3.1 s, time 40 s`."""
    counts = [f"{line[status.value]} {status.value}" for status in SHOWN if line[status.value] != "0"]
    rest = [f"{name} {line[name]}" for name in ("right on gold", "median", "time") if line[name] != UNKNOWN]
    first, *others = [*counts, *rest]
    return [f"{line['annotator'] or 'annotator without a name'}: {first}", *others]
