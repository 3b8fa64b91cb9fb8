"""The hits of compared trials on the same test rows, read from their ledgers, and the noise of these rows.

Rows are taken into intervals only where every compared trial has its hits at every checkpoint, and all were computed
from one embedding store, so that row n is the same row for all. Otherwise intervals are over seeds only, with the
reason. (Letters: S seeds, T checkpoints, N rows, B = ceil(N / 8) bytes.)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.errors import LedgerError
from labelbench_ray.ledger.finetunes import FOLDER
from labelbench_ray.ledger.hits import METRIC, Bits, read_hits
from labelbench_ray.report.curves import Run
from labelbench_ray.report.statistics.two_way import Floats, RowNoise, row_noise
from labelbench_ray.storage.parallel import read_below


@dataclass(frozen=True, slots=True, eq=False)
class RowHits:
    """Hits by trial, or why there are none that can be used."""

    rows: int = 0
    """N; 0 without hits."""
    packed: Mapping[str, NDArray[np.uint8]] | None = None
    """(T, B) by fingerprint."""
    missing: str = ""
    """Why intervals are over seeds only, as a part of a sentence."""

    def of(self, runs: Sequence[Run]) -> Bits | None:
        """(S, T, B) of these trials."""
        if self.packed is None:
            return None
        return Bits(np.stack([self.packed[run.fingerprint] for run in runs]), self.rows)


NO_ROW_HITS: Final = RowHits()


def read_row_hits(runs: Sequence[Run], metric: str, labels: Sequence[int]) -> RowHits:
    """The hits whose means are this metric, of all these trials at these checkpoints."""
    return _hits_of(runs, metric, partial(_read, labels=labels))


def read_finetuned_hits(runs: Sequence[Run], metric: str, recipe: str, labels: int) -> RowHits:
    """The same of their fine-tunes of one recipe with this number of labels: one checkpoint."""
    return _hits_of(runs, metric, partial(_read_finetuned, recipe=recipe, labels=labels))


def _hits_of(runs: Sequence[Run], metric: str, read: Callable[..., Bits | None]) -> RowHits:
    split, _, name = metric.rpartition(" ")
    if name != METRIC:
        return RowHits(missing=f"{metric} is not a share of right rows")
    if len({run.store for run in runs}) > 1:
        return RowHits(missing="the trials were computed from different embedding stores")
    try:
        found = read_below(runs[0].directory, partial(read, split=split), runs)
    except LedgerError as error:
        return RowHits(missing=str(error))
    known = [bits for bits in found if bits is not None]
    if len(known) < len(found):
        some = f"{len(found) - len(known)} of {len(found)} trials" if known else "the trials"
        return RowHits(missing=f"{some} did not record which rows are right (older versions did not)")
    if len({bits.rows for bits in known}) > 1:
        return RowHits(missing="the trials were tested on different numbers of rows")
    packed = {run.fingerprint: bits.packed for run, bits in zip(runs, known, strict=True)}
    return RowHits(known[0].rows, packed)


def _read(run: Run, split: str, labels: Sequence[int]) -> Bits | None:
    """(T, B); None where a checkpoint has no hits."""
    by_labels = {record.num_labeled: record for record in run.records}
    found = []
    for count in labels:
        record = by_labels.get(count)
        if record is None:
            return None
        path = run.directory / "rounds" / f"{record.round:03d}.json"
        bits = read_hits(path, run.fingerprint, record.round, record.metrics).get(split)
        if bits is None:
            return None
        found.append(bits)
    if len({bits.rows for bits in found}) > 1:
        return None
    return Bits(np.stack([bits.packed for bits in found]), found[0].rows)


def _read_finetuned(run: Run, split: str, recipe: str, labels: int) -> Bits | None:
    """(1, B); None without a record or its hits."""
    record = run.finetuned(recipe, labels)
    if record is None:
        return None
    path = run.directory / FOLDER / record.fingerprint / f"{labels:06d}.json"
    bits = read_hits(path, record.fingerprint, labels, record.metrics).get(split)
    return bits and Bits(bits.packed[None], bits.rows)


def noise_of(*several: Bits | None) -> RowNoise | None:
    """Of the checkpoints of one strategy, or of several one after the other, each (S, T, B) with the same seeds."""
    known = [bits for bits in several if bits is not None]
    if len(known) < len(several):
        return None
    return row_noise(_by_seed(known))


def _by_seed(several: Sequence[Bits]) -> Iterator[NDArray[np.uint8]]:
    """(C, N) of each seed."""
    for seed in range(len(several[0].packed)):
        yield np.concatenate([bits.unpacked(seed) for bits in several])


def area_weights(labels_T: Floats) -> Floats:
    """(T,) with which values at the checkpoints add up to the mean over the curve."""
    if len(labels_T) == 1:
        return np.ones(1)
    widths = np.diff(labels_T) / 2
    weights_T: Floats = (np.append(widths, 0) + np.append(0, widths)) / (labels_T[-1] - labels_T[0])
    return weights_T
