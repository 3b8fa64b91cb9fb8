"""Campaigns on a pool of texts or of images, embedded in this process."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from labelbench_ray.answers.events import Answer
from labelbench_ray.answers.log import AnswerLog
from labelbench_ray.campaign.begin import begun
from labelbench_ray.campaign.places import find_pool
from labelbench_ray.campaign.propose import Proposal, Request, propose
from labelbench_ray.campaign.record import Batch, Campaign, audit_key, read_batches, read_campaign
from labelbench_ray.config import Part, Trial
from labelbench_ray.datasets import Source
from labelbench_ray.datasets.recognition import Stated
from labelbench_ray.embeddings.decoding import decode_shard
from labelbench_ray.embeddings.embed import EmbeddedShard, EmbeddingJob, embed_shard, read_records
from labelbench_ray.embeddings.shards import ShardId
from labelbench_ray.environment import Environment

NAMES = ("plain", "two words", "schön/tief/ß", "=formula")
"""Of image files; one lies in a folder in a folder."""


class InProcess:
    """Embeds in this process, decoders included."""

    device = "cpu"

    def shards(self, job: EmbeddingJob, source: Source, pending: Sequence[ShardId]) -> Iterator[EmbeddedShard]:
        network = job.encoder.load("cpu")
        for shard in pending:
            yield embed_shard(
                decode_shard(read_records(source, shard, job.shard_rows), job.encoder), network, job, shard
            )


@dataclass(frozen=True)
class Home:
    """A folder with a pool, and its campaign."""

    folder: Path
    pool: str = "photos"
    encoder: str = "pixels"
    name: str = "photos.campaign"

    @property
    def campaign(self) -> Path:
        return self.folder / "runs" / self.name

    @property
    def environment(self) -> Environment:
        runs, store = self.folder / "runs", self.folder / "store"
        return Environment(runs=runs, store=store, data_root=self.folder, tracking_uri="", executor="local")

    @property
    def batches(self) -> list[Batch]:
        return read_batches(self.campaign, read_campaign(self.campaign))

    def request(self, out: str, budget: int, given: Sequence[str] = (), **fields: Any) -> Request:
        """A request; fields of the campaign and of the request by name."""
        classes = tuple(fields.pop("classes", ()))
        found = find_pool(str(self.folder / self.pool), self.folder, Stated(classes=classes))
        begins = ("proxy", "trainer", "first_batch", "seed", "weight_by_confidence", "several")
        parts = {name: fields.pop(name) for name in begins if name in fields}
        campaign = begun(found, encoder=Part(name=self.encoder), **parts)
        strategy = Part(name=fields.pop("strategy", "margin"))
        return Request(campaign, frozenset(given), budget, strategy, self.folder / out, **fields)

    def propose(self, out: str, budget: int = 6, **fields: Any) -> Proposal:
        request = self.request(out, budget, **fields)
        return propose(self.campaign, request, self.environment, InProcess(), lambda done, total: None)

    def answer(self, labels: Mapping[str, str], annotator: str = "ann") -> None:
        """Answers in the log, as ingest writes them."""
        AnswerLog(self.campaign / "answers.parquet").append(
            Answer(
                row_id=row_id,
                annotator=annotator,
                labels=(label,),
                answer_id=f"{row_id} {annotator}",
                revision="1",
                tool="test",
            )
            for row_id, label in labels.items()
        )

    def files(self, out: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.folder / out).iterdir()}


def rows(data: bytes) -> list[dict[str, str]]:
    """The rows of a CSV."""
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def write_photos(folder: Path, count: int = 40, first: int = 0) -> None:
    """Dark and red noise, by turns."""
    for number in range(first, first + count):
        path = folder / "photos" / f"{NAMES[number % 4]} {number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 150, (8, 8, 3))
        pixels[:, :, 0] += 100 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(path)


def truth(row_id: str) -> str:
    """What people answer to a photo."""
    return ("dark", "red")[int(row_id.removesuffix(".png")[-2:]) % 2]


def make_home(folder: Path) -> Home:
    write_photos(folder)
    return Home(folder)


def campaign_of(trial: Trial, classes: tuple[str, ...], data_root: Path) -> Campaign:
    """The campaign with a trial's recipe, without audit rows."""
    return Campaign(
        dataset=trial.dataset,
        encoder=trial.encoder,
        proxy=trial.proxy,
        trainer=trial.trainer,
        first_batch=trial.first_batch,
        seed=trial.seed,
        classes=classes,
        audit_key=audit_key(trial.dataset, trial.seed),
        audit_limit="",
        data_root=str(data_root),
    )
