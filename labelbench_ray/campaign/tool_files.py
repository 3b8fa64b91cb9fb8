"""A batch as a file for the import of an annotation tool, beside its own files; the same batch gives the same bytes."""

import os
from pathlib import Path
from typing import Final

from labelbench_ray import datasets, plugins
from labelbench_ray.answers.formats import argilla, prodigy
from labelbench_ray.campaign import label_studio
from labelbench_ray.campaign.choosing import parts_of
from labelbench_ray.campaign.label_studio import chosen_batch
from labelbench_ray.campaign.pool import known_rows
from labelbench_ray.campaign.record import Batch, Campaign, campaign_file, read_batches, read_campaign
from labelbench_ray.campaign.standing import ANY_STRATEGY
from labelbench_ray.datasets import Dataset, Modality
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.errors import ConfigError
from labelbench_ray.oracles._to_show import rows_to_show
from labelbench_ray.report import words
from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.folders import folder_place
from labelbench_ray.trial.stored_rows import stored_rows

TOOLS: Final = {"label-studio": "Label Studio", "argilla": "Argilla", "prodigy": "Prodigy"}
"""What `--to` names beside csv, and the names of these tools in messages."""
RECORDS, TASKS = "records.json", "tasks.jsonl"
CHOICES: Final = ("label-studio", "prodigy")
"""Tools that are given the classes."""
SHOWN: Final = {
    "label-studio": (Modality.TEXT, Modality.IMAGE, Modality.AUDIO),
    "argilla": (Modality.TEXT, Modality.IMAGE),
    "prodigy": (Modality.TEXT, Modality.IMAGE, Modality.AUDIO),
}


def check_tool(tool: str, folder: Path, begun: Campaign, max_answers: int | None = None, overlap: int = 1) -> None:
    """Refuse, before a batch is recorded, a tool that cannot show its rows or needs declared classes.

    Args:
        tool: one of `TOOLS`, or csv, which takes everything.
        folder: the campaign's.
        begun: the campaign as it is begun, if it is not there yet.
        max_answers: that a row gets at most; above the overlap, rows may be asked again. None: the overlap.
        overlap: answers that each row is to get.

    Raises:
        ConfigError: with the fix.
    """
    if tool not in TOOLS:
        return
    if max_answers not in (None, overlap):
        raise ConfigError(
            f"--to {tool}: {TOOLS[tool]} decides who answers, and --max-answers asks rows again of one annotator; "
            "leave one of them out"
        )
    campaign = read_campaign(folder) if campaign_file(folder).is_file() else begun
    modality = _modality(campaign)
    if modality not in SHOWN[tool]:
        shown, pool = words.listed([each.traits.plural for each in SHOWN[tool]]), modality.traits.plural
        raise ConfigError(
            f"--to {tool}: {TOOLS[tool]} shows {shown}, and the pool has {pool}; leave --to out, and label batch.csv"
        )
    if tool in CHOICES and not campaign.classes:
        raise ConfigError(
            f"--to {tool}: {folder} declares no classes, and {TOOLS[tool]} offers choices alone; begin a campaign with "
            "--classes, or label batch.csv"
        )


def _modality(campaign: Campaign) -> Modality:
    return Modality.of(plugins.build(Dataset, datasets.PACKAGE, campaign.dataset).modality())


def write_tool_files(tool: str, folder: Path, store: Path, number: int, out: Path) -> list[Path]:
    """Write a batch for one of `TOOLS`.

    Args:
        tool: its name.
        folder: the campaign's.
        store: where embeddings lie.
        number: of the batch.
        out: the folder of the batch's files.

    Raises:
        ConfigError: another file has the file's name, or a row's file cannot be read.
    """
    if tool == "label-studio":
        return label_studio.write_import(folder, store, number, out)
    campaign = read_campaign(folder)
    batch = chosen_batch(read_batches(folder, campaign), number)
    name, data = _file(tool, folder, store, campaign, batch)
    path = out / name
    if os.path.lexists(path) and not (path.is_file() and path.read_bytes() == data):
        raise ConfigError(
            f"--to {tool}: {path} is there and is not the file of this batch; move it, and run the same command again"
        )
    publish(path, data)
    return [path]


def _file(tool: str, folder: Path, store: Path, campaign: Campaign, batch: Batch) -> tuple[str, bytes]:
    """The name and the content of a tool's file."""
    built = parts_of(campaign, ANY_STRATEGY, batch.budget)
    modality = _modality(campaign)
    known = known_rows(folder)
    opened = EmbeddingStore.open(store / known.store)
    rows = rows_to_show(stored_rows(built, opened, folder_place(campaign.data_root)), known.places(batch.row_ids))
    if tool == "argilla":
        return RECORDS, argilla.to_json(rows, modality.value, batch.id)
    return TASKS, prodigy.to_json_lines(rows, modality.value, campaign.classes or (), batch.id)
