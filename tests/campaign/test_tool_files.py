"""Batches as files of Argilla and Prodigy, and the answers that come back."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelbench_ray.answers.log import AnswerLog
from labelbench_ray.campaign.ingest import ingest_files
from labelbench_ray.campaign.label_kinds import SEVERAL_CLASSES
from labelbench_ray.campaign.tool_files import check_tool, write_tool_files
from labelbench_ray.campaign.words import describe_tool_files
from labelbench_ray.errors import ConfigError
from tests.campaign.campaigns import Home, make_home, truth, write_photos


@pytest.fixture
def home(tmp_path) -> Home:
    return make_home(tmp_path)


def written(home: Home, tool: str, number: int = 0) -> Path:
    (path,) = write_tool_files(tool, home.campaign, home.folder / "store", number, home.folder / f"b{number + 1}")
    return path


def flattened(record: dict[str, Any], *responses: tuple[Any, str, str]) -> dict[str, Any]:
    """As `dataset.records.to_list(flatten=True)` of Argilla 2.8 gives a record back."""
    values, users, states = zip(*responses, strict=True)
    return {
        "id": record["id"],
        "status": "completed",
        "_server_id": "0b6f16f3",
        **record["fields"],
        **record["metadata"],
        "label.responses": list(values),
        "label.responses.users": list(users),
        "label.responses.status": list(states),
    }


def held(home: Home) -> set[tuple[str, str, str]]:
    """Row, annotator and label or status of every answer."""
    events = AnswerLog(home.campaign / "answers.parquet").read().to_pylist()
    return {(each["row_id"], each["annotator"], (each["labels"] or [each["status"]])[0]) for each in events}


def test_a_batch_goes_to_argilla_and_its_answers_come_back(home):
    batch = home.propose("b1", overlap=2).batch
    path = written(home, "argilla")
    before = path.read_bytes()
    assert written(home, "argilla").read_bytes() == before
    records = json.loads(before)
    assert [record["id"] for record in records] == [*batch.row_ids]
    assert all((home.folder / "photos" / each["id"]).samefile(each["fields"]["image"]) for each in records)
    assert {record["metadata"]["batch"] for record in records} == {batch.id}
    assert b"audit" not in before
    skipped, *others = records
    answered = [flattened(skipped, (None, "u1", "discarded"), ("red", "u2", "draft"))]
    answered += [flattened(each, (truth(each["id"]), "u1", "submitted"), ("red", "u2", "submitted")) for each in others]
    (home.folder / "export.json").write_text(json.dumps(answered))
    accepted = ingest_files(home.campaign, [home.folder / "export.json"])
    assert (accepted.ingested.new, accepted.ingested.rejected) == (11, ())
    expected = {(each["id"], "u1", truth(each["id"])) for each in others} | {(skipped["id"], "u1", "skipped")}
    assert held(home) == expected | {(each["id"], "u2", "red") for each in others}
    assert ingest_files(home.campaign, [home.folder / "export.json"]).ingested.new == 0


def test_a_batch_goes_to_prodigy_and_its_answers_come_back(home):
    batch = home.propose("b1", classes=("dark", "red")).batch
    path = written(home, "prodigy")
    before = path.read_bytes()
    assert written(home, "prodigy").read_bytes() == before
    tasks = [json.loads(line) for line in before.splitlines()]
    assert [task["row_id"] for task in tasks] == [*batch.row_ids]
    assert [each["id"] for each in tasks[0]["options"]] == ["dark", "red"]
    assert all(task["image"].startswith("data:image/png;base64,") and "meta" not in task for task in tasks)
    for task in tasks:
        task |= {"accept": [truth(task["row_id"])], "answer": "accept", "_annotator_id": "ann"}
    tasks[0] |= {"accept": [], "answer": "ignore"}
    (home.folder / "export.jsonl").write_text("\n".join(map(json.dumps, tasks)))
    accepted = ingest_files(home.campaign, [home.folder / "export.jsonl"])
    assert (accepted.ingested.new, accepted.ingested.rejected) == (6, ())
    first, *others = batch.row_ids
    assert held(home) == {(row_id, "ann", truth(row_id)) for row_id in others} | {(first, "ann", "skipped")}


@pytest.mark.parametrize("tool", ["argilla", "prodigy"])
def test_ids_keep_the_spaces_around_them(tmp_path, tool):
    """Two rows whose ids differ in spaces alone: each answer goes to its own."""
    write_photos(tmp_path, 12)
    images = [path.read_bytes() for path in sorted((tmp_path / "photos").rglob("*.png"))]
    ids = ["a", " a", "a ", *(f"r{number}" for number in range(9))]
    (tmp_path / "pool").mkdir()
    pq.write_table(pa.table({"row_id": ids, "image": images}), tmp_path / "pool" / "pool.parquet")
    home = Home(tmp_path, "pool", name="pool.campaign")
    home.propose("b1", 12, reserve=0, classes=("dark", "red"))
    listed = [json.loads(line) for line in written(home, tool).read_text().splitlines()] if tool == "prodigy" else []
    answers = {row_id: ("dark", "red")[place % 2] for place, row_id in enumerate(ids)}
    if tool == "argilla":
        records = json.loads(written(home, tool).read_bytes())
        assert records[0]["fields"]["image"].startswith("data:image/png;base64,")
        listed = [flattened(each, (answers[each["id"]], "ann", "submitted")) for each in records]
    else:
        listed = [task | {"accept": [answers[task["row_id"]]], "answer": "accept"} for task in listed]
    (tmp_path / "export.json").write_text(json.dumps(listed))
    accepted = ingest_files(home.campaign, [tmp_path / "export.json"], annotator="ann")
    assert accepted.ingested.rejected == ()
    assert held(home) == {(row_id, "ann", label) for row_id, label in answers.items()}


def test_a_file_of_answers_with_the_same_name_stays(home):
    home.propose("b1")
    path = written(home, "argilla")
    path.write_text("answers")
    with pytest.raises(ConfigError, match=r"--to argilla: .*records.json is there and is not the file of this batch"):
        written(home, "argilla")
    assert path.read_text() == "answers"


def test_what_a_tool_cannot_show_is_refused_before_a_batch_is_recorded(home):
    begun = home.request("b1", 6).campaign
    check_tool("argilla", home.campaign, begun)
    check_tool("argilla", home.campaign, begun, max_answers=2, overlap=2)  # the default, which asks no row again
    with pytest.raises(ConfigError, match="--max-answers asks rows again of one annotator"):
        check_tool("argilla", home.campaign, begun, max_answers=3, overlap=2)
    for tool, name in (("prodigy", "Prodigy"), ("label-studio", "Label Studio")):
        with pytest.raises(ConfigError, match=f"--to {tool}: .* declares no classes, and {name} offers choices alone"):
            check_tool(tool, home.campaign, begun)
    home.propose("b1", classes=("dark", "red"))
    check_tool("prodigy", home.campaign, begun)  # the campaign that is there counts


def test_the_way_back_is_printed(home):
    several = describe_tool_files("prodigy", [Path("b 1/tasks.jsonl").absolute()], SEVERAL_CLASSES)
    assert '"choice_style": "multiple"' in several[1]
    lines = describe_tool_files("prodigy", [Path("b 1/tasks.jsonl").absolute()])
    assert lines == [
        "b 1/tasks.jsonl: for Prodigy, written",
        "or label in Prodigy: run prodigy mark DATASET 'b 1/tasks.jsonl' --view-id choice, then prodigy db-out DATASET "
        "> EXPORT.jsonl, and then: labelbench annotate ingest EXPORT.jsonl",
    ]
