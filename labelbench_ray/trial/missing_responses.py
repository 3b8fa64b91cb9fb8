"""Responses that must be written before language models are fine-tuned: how many, and the file that lists them."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from labelbench_ray.embeddings.pool_rows import StoredRows
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.environment import Environment
from labelbench_ray.errors import NotProvidedError
from labelbench_ray.ledger.trials import read_header, read_records
from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.spreadsheets import guarded
from labelbench_ray.trial.bought import bought_ids
from labelbench_ray.trial.parts import Parts
from labelbench_ray.trial.stored_rows import stored_rows
from labelbench_ray.types import Ids

FILE: Final = "responses.csv"
COLUMNS: Final = ("row_id", "prompt", "response")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A trial whose language model is to be fine-tuned, and its folder."""

    parts: Parts
    directory: Path
    most: int
    """The largest budget."""


def check_written(chosen: Iterable[Chosen], environment: Environment, folder: Path) -> None:
    """Refuse to fine-tune while chosen or held-out prompts have no response; `responses.csv` then lists them.

    Raises:
        NotProvidedError: states how many, the file that lists them, and where responses belong.
    """
    by_store: dict[str, list[Chosen]] = {}
    for each in chosen:
        if not each.parts.task.predicted:
            by_store.setdefault(each.parts.embedding, []).append(each)
    for key, trials in by_store.items():
        rows = stored_rows(trials[0].parts, EmbeddingStore.open(environment.store / key), environment.data_root)
        bought = np.unique(np.concatenate([_bought(each) for each in trials]))
        held_out = replace(rows, split="test")
        counted = np.arange(held_out.store.manifest.count("test"))
        missing = [(split, _missing(split, ids)) for split, ids in ((rows, bought), (held_out, counted))]
        if any(len(ids) for _, ids in missing):
            path = folder / FILE
            publish(path, _listed(missing))
            raise NotProvidedError(
                f"{len(missing[0][1])} of {len(bought)} chosen prompts and {len(missing[1][1])} of {len(counted)} "
                f"held-out ones have no response; fill in the column 'response' of {path}, and put it to "
                f"{rows.where_to_write()}"
            )


def _bought(each: Chosen) -> Ids:
    return bought_ids(read_records(each.directory, read_header(each.directory / "trial.json")))[: each.most]


def _missing(rows: StoredRows, ids: Ids) -> Ids:
    return ids[np.array([each is None for each in rows.responses(ids)], np.bool_)]


def _listed(missing: Sequence[tuple[StoredRows, Ids]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for rows, ids in missing:
        for row_id, prompt in zip(rows.row_ids(ids), rows.payloads(ids) if len(ids) else [], strict=True):
            shown = prompt if isinstance(prompt, str) else prompt.decode(errors="replace")
            writer.writerow([guarded(row_id), guarded(shown), ""])
    return text.getvalue().encode()
