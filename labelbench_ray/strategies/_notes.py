"""Notes: one small integer for each chosen row, which a strategy writes in one round and reads in later ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from labelbench_ray.types import Ids, Labels

LARGEST_NOTE: Final = 2**31 - 1
NO_NOTE: Final = -1
"""What an earlier round has for its rows if its strategy wrote no notes."""


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """What a strategy chose: distinct unlabeled pool ids in order of selection, and a note for each or None."""

    ids: Ids
    notes: Ids | None = None
    """(B,) int64 in 0 .. `LARGEST_NOTE`, aligned with `ids`."""


@dataclass(frozen=True, slots=True, eq=False)
class ChosenRound:
    """An earlier round: the pool ids chosen, the labels returned for them, and the notes. Aligned and read-only."""

    ids: Ids
    labels: Labels
    notes: Ids
    """(B,) int64; `NO_NOTE` for every row if the strategy wrote none."""


History = Sequence[ChosenRound]
"""The earlier rounds, the first batch first."""


def check_notes(name: str, chosen: Chosen) -> None:
    """Refuse notes that are not one small integer for each row; `ValueError` states the class and the rule."""
    notes, rows = chosen.notes, len(chosen.ids)
    rule = f"notes must be {rows} int64, one for each chosen row, in 0 .. {LARGEST_NOTE}, or None"
    if notes is None:
        return
    if not isinstance(notes, np.ndarray) or notes.dtype != np.int64 or notes.shape != (rows,):
        what = f"{notes.dtype} of shape {notes.shape}" if isinstance(notes, np.ndarray) else type(notes).__name__
        raise ValueError(f"{name} returned notes as {what}; {rule}")
    wrong_B = (notes < 0) | (notes > LARGEST_NOTE)
    if wrong_B.any():
        raise ValueError(f"{name} returned the note {notes[wrong_B][0]} for row {chosen.ids[wrong_B][0]}; {rule}")
