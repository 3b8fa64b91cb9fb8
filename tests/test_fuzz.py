"""Whatever lies on disk, a reader gives it back or refuses it with an error of ours."""

import json
import random
import time
from pathlib import Path

import pytest
import torch

from labelbench_ray.embeddings.shard_table import ShardTable
from labelbench_ray.errors import StoreError
from labelbench_ray.trainers.engine.checkpoints import FileCheckpoints
from tests.fuzzing import ENTRIES, MANIFEST, OURS, Target, spoiled, targets

SECONDS = 5.0
"""A reader that takes longer hangs, as far as people are concerned."""
TRIES = 25


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Target]:
    return targets(tmp_path_factory.mktemp("sound"))


NAMES = (
    *(f"embeddings {name}" for name in ("x.npy", "labels.npy", "ids.npy", "x.npz", "x.parquet")),
    *(
        "answer log",
        "answers answers.csv",
        "answers answers.parquet",
        "answers argilla.json",
        "answers argilla.parquet",
        "answers label_studio.json",
    ),
    "answers prodigy.jsonl",
    *("trial", "part", "fine-tune", "header", "record", "grid", "point", "failure", "point header", "why", "manifest"),
    "stopped",
    *("view manifest", "shard", "arrays", "proxy", "hits", "checkpoint"),
    *(
        "rows.csv",
        "rows.tar",
        "rows.jsonl",
        "row.jsonl",
        "rows.parquet",
        "rows.arrow",
        "README of rows",
        "features of rows",
        "saved rows",
    ),
    *("image PNG", "image JPEG", "image GIF", "image TIFF", "image BMP", "image WEBP"),
    *(f"registry {name}" for name in ("P.trials.parquet", "P.rounds.parquet", "P.ledgers.zip", "trial.json")),
    *("sound WAV", "sound FLAC", "esc50", "cifar_c", "imagenet_c", "tabular rows", "table row"),
)


def test_every_target_is_tried(every):
    assert set(every) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_sound_is_read(every, name: str, tmp_path: Path):
    every[name].read(tmp_path, every[name].sound)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_spoiled_is_read_or_refused_with_our_own_error(every, name: str, tmp_path: Path):
    choices = random.Random(f"{name} 0")
    for number in range(TRIES):
        folder = tmp_path / str(number)
        folder.mkdir()
        data = spoiled(every[name], choices)
        start = time.monotonic()
        try:
            every[name].read(folder, data)
        except OURS:
            pass
        except Exception as error:
            raise AssertionError(f"{name}, try {number}: {data[:300]!r}") from error
        assert time.monotonic() - start < SECONDS, data[:300]


@pytest.mark.parametrize(
    "change",
    [
        {"dimensions": 1},
        {"dimensions": 10**12},
        {"shards": [each.model_dump() | {"rows": 0} for each in ENTRIES]},
        {"shards": [each.model_dump() | {"rows": 10**12} for each in ENTRIES]},
        {"shards": [each.model_dump() for each in ENTRIES[1:]]},
        {"shards": []},
    ],
)
def test_a_manifest_that_states_what_its_shards_do_not_hold_is_refused(every, tmp_path: Path, change: dict):
    """Found by fuzzing: numpy's own errors, after memory or disk was laid out for what it states."""
    data = json.dumps(json.loads(MANIFEST.model_dump_json()) | change).encode()
    with pytest.raises(StoreError, match=r"key"):
        every["manifest"].read(tmp_path, data)


def test_a_manifest_without_evaluation_rows_is_another_store(every, tmp_path: Path):
    """An unlabeled pool has none, so this is no damage; trials of the complete store refuse the other content."""
    stated = MANIFEST.model_copy(update={"shards": ShardTable.of((ENTRIES[0],))})
    every["manifest"].read(tmp_path, stated.model_dump_json().encode())
    assert stated.content != MANIFEST.content


def test_a_checkpoint_without_its_state_is_as_good_as_none(every, tmp_path: Path):
    """Found by fuzzing: a KeyError."""
    torch.save({"identity": "me"}, tmp_path / "checkpoint.pt")
    assert FileCheckpoints(tmp_path / "checkpoint.pt", "me").load() is None
