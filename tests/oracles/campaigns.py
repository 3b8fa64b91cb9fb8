"""A pool of texts, people who label them, and trials that ask these people."""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.ledger.records import COSTS
from labelbench_ray.ledger.trials import RoundRecord, read_history
from labelbench_ray.trial import parts
from labelbench_ray.trial.asking import AwaitingLabels
from tests.full_trials import Home, make_home, make_store

CLASSES = ("no", "yes")
ROWS = 60
TRIAL = Trial(
    dataset=Part.of("parquet", path="texts", payload="text", row_id="key", classes=CLASSES),
    encoder=Part(name="tests.word_counts"),
    strategy="margin",
    trainer=Part.of("supervised", epochs=4, learning_rate=0.05),
    oracle="files",
    seed=0,
    rounds=3,
    budget=5,
)


def truth(row_id: str) -> str:
    """What people answer, and what the data set states where it has labels: longer texts are of class "yes"."""
    return CLASSES[int(row_id.rpartition("-")[2]) % 3 == 0]


def write_pool(folder: Path, labels: Callable[[list[str]], Any] | None = None, test: bool = False) -> None:
    """`texts/train.parquet` with these labels (None: no label column), and a labeled `test.parquet`."""
    rng = np.random.default_rng(0)
    (folder / "texts").mkdir(parents=True)
    for split, rows in (("train", ROWS), *([("test", 40)] if test else [])):
        keys = [f"0{split}-{row}" for row in range(rows)]
        words = [" ".join(rng.choice(["red", "green"], 3 + 5 * (truth(key) == "yes"))) for key in keys]
        columns: dict[str, Any] = {
            "key": keys,
            "text": [f"{text} {key}" for text, key in zip(words, keys, strict=True)],
        }
        if split == "test":
            columns["label"] = [truth(key) for key in keys]
        elif labels is not None:
            columns["label"] = labels(keys)
        pq.write_table(pa.table(columns), folder / "texts" / f"{split}.parquet")


def make_campaign(folder: Path, labels: Callable[[list[str]], Any] | None = None, test: bool = False) -> Home:
    """The pool, embedded."""
    write_pool(folder, labels, test)
    make_store(TRIAL, folder / "store", folder)
    return make_home(folder, folder / "store")


@dataclass(frozen=True)
class Campaign:
    """A trial whose labels people give."""

    home: Home
    trial: Trial = TRIAL

    @property
    def directory(self) -> Path:
        return self.home.folder / parts.build(self.trial).fingerprint

    @property
    def records(self) -> tuple[RoundRecord, ...]:
        return read_history(self.directory).records if (self.directory / "trial.json").is_file() else ()

    def step(self) -> str:
        """Run the trial as far as it gets; what it waits for, "" where it is done."""
        try:
            list(self.home.job(self.trial).steps())
        except AwaitingLabels as waiting:
            return str(waiting)
        return ""

    def batch(self) -> list[dict[str, str]]:
        """The rows that people find in `batch.csv`."""
        return list(csv.DictReader(io.StringIO((self.directory / "batch.csv").read_text(), newline="")))

    def answer(self, name: str = "", labels: Mapping[str, str] | None = None, rows: slice = slice(None)) -> None:
        """What people save: labels of rows of the batch, by default all of them, and rightly."""
        given = labels or {row["row_id"]: truth(row["row_id"]) for row in self.batch()[rows]}
        text = "row_id,label\n" + "".join(f"{row_id},{label}\n" for row_id, label in given.items())
        (self.directory / "answers" / (name or f"{len(self.records):03d}.csv")).write_text(text)

    def finish(self) -> tuple[RoundRecord, ...]:
        """People answer whatever is asked, until the trial is done."""
        while self.step():
            self.answer()
        return self.records

    def with_strategy(self, name: str) -> "Campaign":
        return Campaign(self.home, vary(self.trial, strategy=name))


def untimed(records: tuple[RoundRecord, ...]) -> list[dict[str, Any]]:
    return [record.model_dump(exclude=COSTS) for record in records]
