"""What a user's own plug-in does wrong in a worker: the command names it, with the user's own frames. Without Ray.

The functions are those that workers run; the errors that they return end the command with status 2.
"""

import json
import re
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelbench_ray import plugins, strategies
from labelbench_ray.augmentations import WantedViews
from labelbench_ray.cluster import pipeline, shard_columns
from labelbench_ray.config import Part, Trial
from labelbench_ray.embeddings.attempts import attempt
from labelbench_ray.embeddings.embed import EmbeddingJob, all_shards
from labelbench_ray.embeddings.finished import close_store
from labelbench_ray.embeddings.shard_attempts import work_of
from labelbench_ray.embeddings.shards import ShardId
from labelbench_ray.errors import DataError
from labelbench_ray.trial import parts
from labelbench_ray.types import PoolView
from labelbench_ray.user_code import in_a_line, portable
from tests.ray.raising import RaisingAugmentation, UnfitToTravel

MODULE = "tests.ray.raising"
SHARD = ShardId("validation", 0)


@pytest.fixture(autouse=True)
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """References are what they refer to, and this process is the actor."""
    monkeypatch.setattr(pipeline.ray, "get", lambda reference: reference)
    monkeypatch.setattr(pipeline.ray, "get_runtime_context", lambda: Context)


class Context:
    """A worker's."""

    @staticmethod
    def get_actor_id() -> str:
        return "actor"


def embedded(tmp_path: Path, dataset: str = "", encoder: str = "") -> dict[str, Any]:
    """What a shard's reader and then its actor return for it."""
    job, source = job_of(tmp_path, dataset, encoder)
    return rows_of(job, source, [SHARD])[0]


def rows_of(job: EmbeddingJob, source: Any, shards: list[ShardId]) -> list[dict[str, Any]]:
    """What reading and decoding these shards, and then the actor, return for each."""
    actor = pipeline.EmbedActor(job)
    read = (pipeline._read_and_decode({"shards": [json.dumps([shard])]}, job, source) for shard in shards)
    return [actor({name: values[0] for name, values in row.items()}) for rows in read for row in rows]


def trial_of(dataset: str, encoder: str) -> Trial:
    return Trial(
        dataset=Part.of(MODULE, mistake=dataset, max_rows=30),
        encoder=Part.of(MODULE, mistake=encoder),
        strategy="random",
        seed=0,
        rounds=1,
        budget=5,
    )


def job_of(tmp_path: Path, dataset: str, encoder: str, shard_rows: int = 1024) -> tuple[EmbeddingJob, Any]:
    built = parts.build(trial_of(dataset, encoder))
    for name in ("marks", "shards"):
        (tmp_path / name).mkdir()
    job = EmbeddingJob(built.encoder, tmp_path, "recipe", "cpu", shard_rows, marks=tmp_path / "marks")
    return job, built.dataset.open(tmp_path)


def check_frames(text: str, planned: str) -> None:
    """The user's frames are shown, and no others."""
    files = re.findall('File "(.*)"', text)
    assert [Path(file).name for file in files] == ["raising.py"]
    assert f'raise UnfitToTravel("{planned}", 1)' in text


@pytest.mark.parametrize(
    ("where", "begins"),
    [
        ({"dataset": "read"}, r"shard .*: reading it: .*UnfitToTravel: planned in read"),
        ({"encoder": "decode"}, r"shard .*: decoding it by RaisingPixels\(.*UnfitToTravel: planned in decode"),
        ({"encoder": "load"}, r"loading RaisingPixels\(.*UnfitToTravel: planned in load"),
        ({"encoder": "embed"}, r"shard .*: embedding it by RaisingPixels\(.*UnfitToTravel: planned in embed"),
    ],
)
def test_what_it_raises_is_stated_with_the_user_s_frames_only(tmp_path: Path, where: dict[str, str], begins: str):
    error = embedded(tmp_path, **where)["error"]
    assert re.match(begins, error)
    check_frames(error, next(f"planned in {mistake}" for mistake in where.values()))
    assert not list((tmp_path / "marks").iterdir()), "it is not counted as a death"


def test_what_an_augmentation_raises_is_stated_with_the_user_s_frames_only(tmp_path: Path):
    job, source = job_of(tmp_path, "", "")
    assert not rows_of(job, source, [SHARD])[0]["error"]
    augmentation = RaisingAugmentation(mistake="augment")
    views = WantedViews(augmentation, plugins.recipe(MODULE, augmentation), 1)
    (row,) = rows_of(replace(job, views=views), source, [ShardId("validation", 0, 0)])
    assert re.match(r"shard .*: augmenting it by RaisingAugmentation\(", row["error"])
    check_frames(row["error"], "planned in augment")


@pytest.mark.parametrize(
    ("mistake", "states"),
    [
        (
            "shape",
            r"RaisingNetwork\.embed of .* returned float32 of shape \(29, 64\) for 30 rows; it must return \(B, D",
        ),
        ("list", r"RaisingNetwork\.embed of .* returned list for 30 rows; it must return \(B, D\) floats"),
    ],
)
def test_embeddings_that_are_not_one_a_row_are_refused_by_the_class_and_the_rule(
    tmp_path: Path, mistake: str, states: str
):
    error = embedded(tmp_path, encoder=mistake)["error"]
    assert re.search(states, error)
    assert "\n" not in error


@pytest.mark.parametrize(
    ("mistake", "states"),
    [
        ("ids are numbers", r"the row id \d+ for 30 rows"),
        ("one label less", r"29 labels for 30 rows"),
        ("one payload less", r"29 payloads for 30 rows"),
        ("a row less", r"29 row_ids for 30 rows"),
        ("labels beyond", r"label 1\d of 10 classes for 30 rows"),
        ("labels are lists", r"labels_B as list for 30 rows"),
        ("labels are floats", r"labels_B as float64 of shape \(30,\) for 30 rows"),
        ("payloads are None", r"a payload of type NoneType for 30 rows"),
        ("no records", r"NoneType for 30 rows"),
    ],
)
def test_rows_that_a_table_reads_wrong_are_refused_by_the_class_and_the_rule(tmp_path: Path, mistake: str, states: str):
    error = embedded(tmp_path, dataset=mistake)["error"]
    assert re.fullmatch(rf"RaisingTable\.read returned {states}; it must return Records: row_ids .*", error)


def made_of_all_splits(tmp_path: Path, dataset: str = "", encoder: str = "") -> None:
    """Embed every split, and close the store."""
    job, source = job_of(tmp_path, dataset, encoder, shard_rows=16)
    rows = rows_of(job, source, all_shards(source, job.shard_rows))
    assert not [row["error"] for row in rows if row["error"]]
    built = parts.build(trial_of(dataset, encoder))
    close_store(built.store_recipe, source, "none", job, [shard_columns.reported(row) for row in rows], 1.0)


def test_a_store_of_plug_ins_without_a_mistake_is_closed(tmp_path: Path):
    made_of_all_splits(tmp_path)
    assert (tmp_path / "manifest.json").is_file()


@pytest.mark.parametrize(
    ("mistakes", "states"),
    [
        ({"dataset": "ids repeat"}, r"row_id 'digits/\d+' is repeated in the split 'pool'; ids .* must be distinct"),
        ({"encoder": "width"}, r"RaisingPixels\(.*\) returned embeddings of \[\d, \d\] dimensions; .* the same"),
    ],
)
def test_what_only_all_rows_show_ends_the_embedding_before_there_is_a_store(
    tmp_path: Path, mistakes: dict[str, str], states: str
):
    """A `DataError` ends the command with status 2; no trial starts without a store."""
    with pytest.raises(DataError, match=states):
        made_of_all_splits(tmp_path, **mistakes)
    assert not (tmp_path / "manifest.json").exists()


def test_without_a_mistake_the_shard_is_embedded(tmp_path: Path):
    assert embedded(tmp_path)["error"] == ""


def test_what_a_trial_s_own_code_raises_is_one_line_with_its_place_and_survives_another_process():
    embeddings_ND = np.zeros((1000, 64), np.float32)
    view = PoolView.from_arrays(embeddings_ND, np.full((1000, 2), 0.5, np.float32), [], [])
    with pytest.raises(UnfitToTravel) as caught:
        strategies.create(MODULE, mistake="score").select(view, 5, np.random.default_rng(0))
    line = in_a_line(caught.value)
    assert re.fullmatch(r"tests/ray/raising\.py, line \d+: UnfitToTravel: planned in score", line)
    with pytest.raises(TypeError):
        copy(caught.value)
    assert in_a_line(copy(portable(caught.value))) == line


def test_an_error_without_frames_of_the_user_travels_as_it_is():
    error = ValueError("of ours")
    assert portable(error) is error
    assert in_a_line(error) == "ValueError: of ours"


def test_a_shard_whose_embedding_ended_three_workers_ends_the_command_by_its_name(tmp_path: Path) -> None:
    """Kills real workers: tests/faults/deadly_network.py; tests/ray/test_embed.py, while they load the network."""
    job, source = job_of(tmp_path, "", "")
    assert job.marks is not None
    for deaths, message in (
        (2, ""),
        (3, r"^shard shards/validation-00000\.parquet \(from row 0 .*\): embedding it by "),
    ):
        dead = [attempt(job.marks / work_of("embed", SHARD)) for _ in range(deaths)]
        for each in dead:
            each.__enter__()  # and never left, as by a process that died
        (row,) = rows_of(job, source, [SHARD])
        assert bool(row["error"]) == bool(message), row["error"]
        assert re.search(message, row["error"])
    assert "\n" not in row["error"]
