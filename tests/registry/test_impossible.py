"""No submission that the check accepts holds what cannot be, or makes the leaderboard fail."""

import io
import json
import math
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from labelbench_ray import tasks
from labelbench_ray.config import digest, grid
from labelbench_ray.errors import RegistryError
from labelbench_ray.registry import pack as packing
from labelbench_ray.registry.check import check
from labelbench_ray.registry.schema import ROUNDS, TRIALS, protocol_id
from labelbench_ray.registry.tables import table_bytes
from tests.registry.test_registry import BASE, fingerprint, packed, rows_of, written, zipped

Row = dict[str, Any]
Members = dict[str, bytes]
TRIALS_NAME, ROUNDS_NAME, LEDGERS_NAME = "P.trials.parquet", "P.rounds.parquet", "P.ledgers.zip"
ONE = grid(BASE, strategy=["random", "margin"], seed=range(2))


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, bytes]:
    found = packed(tmp_path_factory.mktemp("packed"), ONE)
    return {path.name: path.read_bytes() for path in found.paths}


@pytest.fixture(scope="module")
def members(files) -> Members:
    with zipfile.ZipFile(io.BytesIO(files[LEDGERS_NAME])) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def first_fingerprint(files: dict[str, bytes]) -> str:
    return str(rows_of(files[TRIALS_NAME])[0]["fingerprint"])


def refusal(folder: Path, files: dict[str, bytes]) -> str:
    with pytest.raises(RegistryError) as caught:
        check(written(folder, files))
    text = str(caught.value)
    assert "\n" not in text
    assert "; " in text
    return text


def with_trial(files: dict[str, bytes], **fields: object) -> dict[str, bytes]:
    """Tables alone, the first trial with other values; its protocol follows from them where it can."""
    rows = rows_of(files[TRIALS_NAME])
    rows[0] |= fields
    rows[0]["protocol_id"] = protocol_id(rows[0])
    table = pa.Table.from_pylist(rows, schema=TRIALS)
    return {TRIALS_NAME: table_bytes(table), ROUNDS_NAME: files[ROUNDS_NAME]}


def with_round(files: dict[str, bytes], fields: Row) -> dict[str, bytes]:
    """Tables alone, the first trial's round 1 with other values."""
    rows, first = rows_of(files[ROUNDS_NAME]), first_fingerprint(files)
    for row in rows:
        if (row["fingerprint"], row["round"], row["metric"]) == (first, 1, "Test Accuracy"):
            row |= fields
    table = pa.Table.from_pylist(rows, schema=ROUNDS)
    return {TRIALS_NAME: files[TRIALS_NAME], ROUNDS_NAME: table_bytes(table)}


def with_member(files: dict[str, bytes], members: Members, name: str, change: Callable[[Row], Any]) -> dict[str, bytes]:
    """All three files, one of the first trial's changed, its checksum computed again."""
    path = f"{first_fingerprint(files)}/{name}"
    content = json.loads(members[path])
    change(content)
    if "checksum" in content:
        content.pop("checksum")
        content["checksum"] = digest(content)
    return files | {LEDGERS_NAME: zipped(members | {path: json.dumps(content).encode()})}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        *(
            ({name: None}, f"{name} is null")
            for name in ("strategy", "seed", "dataset", "submitter", "metric", "value")
        ),
        *(({name: None}, f"{name} is null") for name in ("cpu_seconds", "budget", "rounds", "encoder", "finished")),
        ({"seed": -4}, "seed is -4; it is at least 0"),
        ({"budget": 0}, "budget is 0; it is at least 1"),
        ({"cpu_seconds": [("fit", math.nan)]}, "cpu_seconds has a value that is no time"),
        ({"cpu_seconds": [("fit", None)]}, "cpu_seconds has a value that is no time"),
        ({"cpu_seconds": [("fit", -1e6)]}, "cpu_seconds has a value that is no time"),
        ({"versions": [("numpy", None)]}, "versions lacks one of its values"),
        ({"price": None}, "states one of price and currency"),
        ({"price": math.nan}, "price is nan; it is from 0 to 1e+12"),
        ({"price": -1.0}, "price is -1.0; it is from 0"),
        ({"imbalance": math.inf}, "imbalance is inf; it is from 0"),
        ({"value": 55.0}, "value is 55.0; it is from 0 to 1"),
        ({"value": math.nan}, "value is nan; it is from 0 to 1"),
        ({"finished": 10**18}, "finished is before 1970 or after 2999"),
        (
            {"metric": "Pool Accuracy"},
            "the metric that decides is Pool Accuracy; trials of task single_label are decided",
        ),
        ({"metric": ""}, "the metric that decides is missing"),
        ({"task": "a_stranger.task", "metric": ""}, "no metric decides"),
        ({"rounds": 2 * 10**8, "num_labels": 8 * 10**8}, "round 3: is without Test Accuracy, the metric that decides"),
    ],
)
def test_a_table_of_trials_with_an_impossible_value_is_refused(files, tmp_path, fields, words):
    text = refusal(tmp_path, with_trial(files, **fields))
    assert words in text
    assert f"trial {first_fingerprint(files)}" in text
    assert ("P.rounds.parquet" if fields.get("rounds") else "P.trials.parquet") in text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"value": math.nan}, "value is nan; it is from 0 to 1; run the trial again"),
        ({"value": math.inf}, "value is inf; it is from 0 to 1"),
        ({"value": None}, "value is null"),
        ({"value": 55.0}, "value is 55.0; it is from 0 to 1"),
        ({"value": 1e308}, "value is 1e+308; it is from 0 to 1"),
        ({"metric": "Loss of Test", "value": 1e308}, "value is 1e+308; it is from -1e+50 to 1e+50"),
        ({"record_sha256": None}, "record_sha256 is null"),
        ({"round": 3}, "round 3, Test Accuracy: has another number than the trial's rounds"),
        ({"round": -1}, "round -1, Test Accuracy: has another number"),
        ({"round": 2}, "round 2, Test Accuracy: is there 2 times"),
        ({"metric": "Another Accuracy"}, "round 1: is without Test Accuracy, the metric that decides"),
    ],
)
def test_a_table_of_rounds_with_an_impossible_value_is_refused(files, tmp_path, fields, words):
    text = refusal(tmp_path, with_round(files, fields))
    assert words in text
    assert f"P.rounds.parquet: trial {first_fingerprint(files)}, round " in text


def edits() -> Iterator[tuple[str, str, Callable[[Row], Any], str]]:
    """Changes of a trial's files that leave every checksum right: name, file, change, words of the refusal."""
    record = "rounds/001.json"
    yield "finished", record, lambda c: c.update(finished=10**18), "finished is 1000000000000000000 ms after 1970"
    yield "finished2", record, lambda c: c.update(finished=10**20), "finished is 100000000000000000000 ms"
    yield "cpu", record, lambda c: c["cpu"].update(fit=-1e6), "001.json: cpu of fit is -1000000.0; it is from 0"
    yield "rounds", "trial.json", lambda c: c["trial"].update(rounds=10**8), "lacks rounds/003.json; the trial has 1000"
    yield (
        "metric",
        "trial.json",
        lambda c: c.update(traits={"metrics": ["Pool Accuracy"]}),
        "trial.json: the metric that decides is Pool Accuracy; trials of task single_label are decided by Test",
    )
    yield "no metric", "trial.json", lambda c: c.update(traits={"metrics": []}), "the metric that decides is missing"
    yield (
        "task",
        "trial.json",
        lambda c: c.update(task="open_set"),
        "task is open_set, labels of digits are single_label",
    )


@pytest.mark.parametrize(("name", "file", "change", "words"), [pytest.param(*each, id=each[0]) for each in edits()])
def test_a_ledger_with_an_impossible_value_is_refused(files, members, tmp_path, name, file, change, words):
    text = refusal(tmp_path, with_member(files, members, file, change))
    assert words in text
    assert first_fingerprint(files) in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda metrics: metrics.pop("Test Accuracy"), "round 1: is without Test Accuracy, the metric that decides"),
        (lambda metrics: metrics.update({"Test Accuracy": 7.5}), "value is 7.5; it is from 0 to 1"),
        (lambda metrics: metrics.update({"Test Accuracy": -3.0}), "value is -3.0; it is from 0 to 1"),
        (lambda metrics: metrics.update({"Pool Loss": -1.0}), "value is -1.0; it is from 0"),
        (lambda metrics: metrics.update({"Other Metric 1": 1e308}), "value is 1e+308; it is from -1e+50"),
    ],
)
def test_neither_pack_nor_check_takes_an_impossible_metric(tmp_path, change, words):
    """Who packs is refused; who packs with other code is refused by the check."""
    packed(tmp_path, ONE[:1])
    runs = tmp_path / "runs" / "a.b"
    path = runs / fingerprint(ONE[0]) / "rounds" / "001.json"
    content = json.loads(path.read_bytes())
    content.pop("checksum")
    change(content["metrics"])
    path.write_text(json.dumps(content | {"checksum": digest(content)}))
    with pytest.raises(RegistryError) as caught:
        packing.pack([runs], tmp_path / "P", tmp_path / "store", "")
    assert words in str(caught.value)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("check_trials", "check_rounds"):
            patch.setattr(packing, name, lambda *tables: None)
        other = packing.pack([runs], tmp_path / "P", tmp_path / "store", "")
    with pytest.raises(RegistryError) as caught:
        check(other.paths)
    assert words in str(caught.value)


def test_an_empty_submission_is_refused(tmp_path):
    tables = {TRIALS_NAME: table_bytes(TRIALS.empty_table()), ROUNDS_NAME: table_bytes(ROUNDS.empty_table())}
    assert "P.trials.parquet: holds no trial" in refusal(tmp_path, tables)
    assert "P.trials.parquet: holds no trial" in refusal(tmp_path, tables | {LEDGERS_NAME: zipped({})})


@pytest.mark.parametrize(
    ("task", "metric", "expected"),
    [
        ("single_label", "Test Accuracy", (0, 1)),
        ("single_label", "STD Pool Accuracy", (0, 1)),
        ("open_set", "Test Accuracy Present Classes", (0, 1)),
        ("single_label", "Validation Loss", (0, math.inf)),
        ("single_label", "Fit Epochs", (-math.inf, math.inf)),
        ("multi_label", "Test mAP", (0, 1)),
        ("multi_label", "Test Class Average F1 Top-3", (0, 1)),
        ("regression", "Test R2", (-math.inf, 1)),
        ("regression", "Test Mean Squared Error", (0, math.inf)),
        ("response", "Test Response Likelihood", (0, 1)),
    ],
)
def test_a_task_states_the_range_of_each_of_its_metrics(task, metric, expected):
    assert tasks.create(task).range_of(metric) == expected


@pytest.mark.parametrize("task", tasks.names())
def test_the_metrics_that_reports_compare_have_a_largest_value(task):
    shown = tasks.create(task).shown
    assert [tasks.create(task).range_of(metric)[1] for metric in shown] == [1.0] * len(shown)
