"""What a campaign keeps below `runs`: how it chooses, and every batch that it proposed.

<runs>/<name>.campaign/campaign.json       the pool, the parts that choose, the seed: written once
                      /pool.parquet        row_id, content and version of every row: see `pool`
                      /batches/000.json    a proposal: its rows in order, and what was known when they were chosen
                      /answers.parquet     what people answered: see `answers.log`
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, Self

from pydantic import Field, NonNegativeInt, PositiveInt

from labelbench_ray.config import SIMULATED, Part, Trial, digest
from labelbench_ray.errors import ConfigError, DamagedError
from labelbench_ray.plugins import Frozen
from labelbench_ray.storage.atomic import publish_once
from labelbench_ray.storage.checksummed import from_checked_json, to_checked_json
from labelbench_ray.storage.locks import Lock

CAMPAIGN, BATCHES, ANSWERS, SUFFIX = "campaign.json", "batches", "answers.parquet", ".campaign"
COPY: Final = "bring it back from a copy; it cannot be made again"


ONE_LABEL: Final = "single_label"


class Campaign(Frozen):
    """How a campaign chooses; `campaign.json`. Nothing in it changes later."""

    format: int = 1
    dataset: Part
    encoder: Part
    proxy: Part
    trainer: Part
    first_batch: Part
    """The strategy while there is no label."""
    seed: NonNegativeInt
    classes: tuple[str, ...] | None
    """Declared names, in order; None: learned from the answers."""
    audit_key: str
    """Orders the rows that measure the model: see `audit`."""
    audit_limit: str
    """The last of these rows at the start; "" for none."""
    weight_by_confidence: bool = Field(default=False, exclude_if=lambda weighs: not weighs)
    """Models count each label by how likely it is right, by one-coin consensus; else all labels alike."""
    data_root: str
    """Where the pool lay."""
    task: str = Field(default=ONE_LABEL, exclude_if=lambda task: task == ONE_LABEL)
    """What people are asked for: one class a row, or several (`label_kinds`)."""
    versions: dict[str, str] = {}

    @property
    def id(self) -> str:
        """Names the campaign in files that leave its folder: 16 hexadecimal digits."""
        return digest(self.model_dump(mode="json", exclude={"data_root", "versions"}))

    def trial(self, strategy: Part, budget: int) -> Trial:
        """The trial that asks for the same rows, given the same answers."""
        return Trial(
            dataset=self.dataset,
            encoder=self.encoder,
            strategy=strategy,
            seed=self.seed,
            rounds=1,
            budget=budget,
            proxy=self.proxy,
            trainer=self.trainer,
            first_batch=self.first_batch,
            # No oracle of people serves several labels a row, and a campaign never asks its trial's.
            oracle=Part(name="files") if self.task == ONE_LABEL else SIMULATED,
        )


class Batch(Frozen):
    """A proposal; `batches/NNN.json`. It fixes what was chosen, whatever is answered later."""

    format: int = 1
    campaign: str
    number: NonNegativeInt
    row_ids: tuple[str, ...]
    """In the order in which people are asked."""
    audit: tuple[str, ...] = ()
    """Those of them that measure the model, which people are not shown."""
    budget: PositiveInt
    strategy: str
    """What was asked for."""
    chosen_by: str
    """What chose: the strategy, or the one for pools without labels."""
    model: str
    """SHA-256 of the model that scored the pool; "" for none."""
    answers: str
    """Hash of the answers that were known."""
    labels: NonNegativeInt
    """How many labels the model learned from."""
    classes: tuple[str, ...] = ()
    """The names that were known, in order."""
    annotators: tuple[str, ...] = ()
    """Who gets a file; none: one file for all."""
    overlap: PositiveInt = 1
    """Answers that each row is to get."""
    max_answers: PositiveInt | None = Field(default=None, exclude_if=lambda most: most is None)
    """Answers that a row gets at most, where rows may be asked again."""
    again: dict[str, str] = Field(default={}, exclude_if=lambda again: not again)
    """Those of the rows that have answers, and who is asked for one more."""
    out: str
    """The folder that was given for its files."""
    files: dict[str, str] = {}
    """The name and SHA-256 of each file as it was written."""
    versions: dict[str, str] = {}

    @property
    def new_rows(self) -> int:
        """How many of the rows had not been asked before."""
        return len(self.row_ids) - len(self.again)

    @property
    def answers_to_get(self) -> int:
        """How many answers it asks for."""
        return self.new_rows * self.overlap + len(self.again)

    @cached_property
    def id(self) -> str:
        """Names the batch in files and answers: 16 hexadecimal digits."""
        return digest([self.campaign, self.number, list(self.row_ids), self.strategy, self.answers])

    def __copy__(self) -> Self:
        """A copy computes its own id: `model_copy` may give it other rows."""
        copied = super().__copy__()
        copied.__dict__.pop("id", None)
        return copied


def pool_name(campaign: Campaign) -> str:
    """Where the pool lies below the data root, or the name of its data set."""
    return str(campaign.dataset.settings.get("path", campaign.dataset))


def audit_key(dataset: Part, seed: int) -> str:
    """The key of a pool's audit rows."""
    return digest([dataset.name, dict(dataset.settings), seed, "audit"])


def campaign_file(folder: Path) -> Path:
    """`campaign.json` of a campaign's folder."""
    return folder / CAMPAIGN


def read_campaign(folder: Path) -> Campaign:
    """The campaign in a folder.

    Raises:
        ConfigError: there is none.
        DamagedError: `campaign.json` is damaged.
    """
    if not campaign_file(folder).is_file():
        raise ConfigError(f"--campaign {folder}: no {CAMPAIGN} in it; give a campaign's folder, as propose names it")
    return from_checked_json(Campaign, campaign_file(folder), COPY)


def write_campaign(folder: Path, lock: Lock, campaign: Campaign) -> None:
    """Begin a campaign; the same one may be there."""
    lock.check()
    publish_once(campaign_file(folder), to_checked_json(campaign))


def read_batches(folder: Path, campaign: Campaign) -> list[Batch]:
    """The proposals so far, in order.

    Raises:
        DamagedError: one is damaged or missing, or of another campaign.
    """
    found: list[Batch] = []
    while (path := _batch_file(folder, len(found))).is_file():
        batch = from_checked_json(Batch, path, COPY)
        if (batch.campaign, batch.number) != (campaign.id, len(found)):
            raise DamagedError(f"{path}: is batch {batch.number} of campaign {batch.campaign}; {COPY}")
        found.append(batch)
    later = sorted(path.name for path in (folder / BATCHES).glob("*.json") if path.stem > f"{len(found):03d}")
    if later:
        raise DamagedError(f"{_batch_file(folder, len(found))}: is missing, and {later[0]} is there; {COPY}")
    return found


def write_batch(folder: Path, lock: Lock, batch: Batch) -> None:
    """Record a proposal."""
    lock.check()
    path = _batch_file(folder, batch.number)
    path.parent.mkdir(parents=True, exist_ok=True)
    publish_once(path, to_checked_json(batch))


def asked_rows(batches: Sequence[Batch]) -> dict[str, Batch]:
    """Every row that was proposed, in that order, with the batch that first asked for it."""
    found: dict[str, Batch] = {}
    for batch in batches:
        for row_id in batch.row_ids:
            found.setdefault(row_id, batch)
    return found


def _batch_file(folder: Path, number: int) -> Path:
    return folder / BATCHES / f"{number:03d}.json"
