"""Campaigns whose rows may have several classes in a real Label Studio, by the commands that people type.

LABEL_STUDIO_ENVIRONMENT=/some/folder .venv/bin/python -m pytest -m labelstudio
"""

import base64
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from labelbench_ray.answers.label_studio.client import Server
from labelbench_ray.answers.log import AnswerLog
from labelbench_ray.campaign.label_kinds import SEVERAL_CLASSES
from labelbench_ray.campaign.record import read_batches, read_campaign
from labelbench_ray.commands.cli import app
from tests.answers.label_studio.people import People, chosen, states
from tests.campaign.campaigns import rows, write_photos
from tests.servers.label_studio import LabelStudioServer
from tests.sounds import encoded, tone

pytestmark = [pytest.mark.labelstudio, pytest.mark.usefixtures("token")]
CLASSES = ("bus & tram", 'a "red" <car>', "dog")
BUS, CAR, DOG = CLASSES
NONE = "none of these"
Json = dict[str, Any]


def annotate(*words: str) -> tuple[int, str]:
    """The status and the output of a command that is not refused."""
    ended = CliRunner().invoke(app, ["annotate", *words], standalone_mode=False)
    assert ended.exception is None, ended.exception
    return ended.return_value, ended.output


def propose(pool: str, out: str, budget: int, *words: str) -> list[str]:
    """The rows of the next batch, in its order."""
    classes = ("--classes", ",".join(CLASSES), "--multi-label", "--out", out)
    assert annotate("propose", pool, "--budget", str(budget), *classes, *words)[0] == 0
    (campaign,) = Path("runs").glob("*.campaign")
    return [*read_batches(campaign, read_campaign(campaign))[-1].row_ids]


def project_of(client: Server, title: str) -> Json:
    (project,) = [each for each in client.projects() if each["title"] == title]
    return client.project(project["id"])


def ticked(*labels: str) -> list[Json]:
    """What the page of images sends."""
    return chosen(*labels, shown="image") if labels else []


def test_several_choices_come_back_as_the_sets_that_people_gave(
    server: LabelStudioServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path, 24)
    at, options = ("--url", server.url), ("--overlap", "2", "--encoder", "pixels", "--audit-reserve", "4")
    agree, empty, differ, skip, unknown, correct, unsure, delete, beside = propose("photos", "b0", 9, *options)
    for sent in ("9 rows added", "0 rows added, 9 were there"):
        assert f"/data: {sent}\n" in annotate("push", *at)[1]
    client, log = Server(server.url), AnswerLog(tmp_path / "runs" / "photos.campaign" / "answers.parquet")
    project = project_of(client, "photos labels")
    assert (project["maximum_annotations"], project["show_collab_predictions"]) == (2, False)
    assert project["enable_empty_annotation"]  # a row of none of the classes is submitted without a choice
    people = People(server, project["id"])
    assert (len(people.tasks), people.next()) == (9, agree)
    ann, ben = 1, server.user("ben.of.photos@example.com")
    of_ann: dict[str, list[Json]] = {
        agree: ticked(BUS, DOG),
        empty: ticked(),
        differ: ticked(BUS, DOG),
        skip: ticked(BUS),
        unknown: ticked(BUS, "plane"),
        correct: ticked(BUS),
        unsure: [*ticked(BUS, DOG), *chosen("unsure", control="unsure", shown="image")],
        delete: ticked(BUS),
        beside: ticked(NONE, CAR),
    }
    numbers = {row_id: people.answer(row_id, ann, result) for row_id, result in of_ann.items()}
    of_ben = {agree: (DOG, BUS), empty: (), differ: (CAR, DOG), unknown: (DOG,), correct: (BUS, CAR), unsure: (NONE,)}
    numbers_of_ben = {row_id: people.answer(row_id, ben, ticked(*labels)) for row_id, labels in of_ben.items()}
    people.answer(skip, ben, [], was_cancelled=True)
    people.answer(delete, ben, ticked(CAR), ground_truth=True)
    status, output = annotate("pull", *at)
    assert (status, "answers: 15 new" in output) == (1, True)
    rejected = {row["row_id"]: row for row in rows((log.path.parent / "rejected.csv").read_bytes())}
    assert {*rejected} == {unknown, beside}
    assert rejected[unknown]["value"] == "plane"
    assert "'none of these' stands beside a class" in rejected[beside]["rule"]
    expected = {
        agree: ("agreed", [BUS, DOG], 2, 0, 0, 2),
        empty: ("agreed", [], 2, 0, 0, 2),
        differ: ("disputed", None, 2, 0, 0, 2),
        skip: ("part", None, 1, 1, 0, 2),
        unknown: ("part", None, 1, 0, 0, 1),
        correct: ("disputed", None, 2, 0, 0, 2),
        unsure: ("unsure", None, 1, 0, 1, 2),
        delete: ("agreed", [CAR], 2, 0, 0, 2),
    }
    assert states(log, SEVERAL_CLASSES.vote) == expected
    people.correct(numbers[unknown], ticked(DOG))
    people.correct(numbers_of_ben[correct], ticked(BUS))
    people.correct(numbers[beside], ticked())
    server.call("DELETE", f"/api/annotations/{numbers[delete]}/")
    status, output = annotate("pull", *at, "--complete")
    assert (status, "answers: 2 new, 1 corrected, 13 already there, 1 retracted\n" in output) == (0, True), output
    expected |= {
        unknown: ("agreed", [DOG], 2, 0, 0, 2),
        correct: ("agreed", [BUS], 2, 0, 0, 2),
        beside: ("part", None, 1, 0, 0, 1),
        delete: ("agreed", [CAR], 1, 0, 0, 2),
    }
    assert states(log, SEVERAL_CLASSES.vote) == expected
    before = log.path.read_bytes()
    exported = people.export(tmp_path / "exported.json")
    for words in (("pull", *at), ("pull", *at, "--changed-only"), ("ingest", str(exported))):
        assert annotate(*words)[0] == 0
        assert log.path.read_bytes() == before
    assert annotate("export", "--out", "labels.parquet")[0] == 0
    found = {each["row_id"]: each["label_name"] for each in pq.read_table("labels.parquet").to_pylist()}
    assert found == {row_id: labels for row_id, (state, labels, *_) in expected.items() if state == "agreed"}


def test_sets_are_suggested_once_that_is_asked_for(
    server: LabelStudioServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path, 40)
    at, options = ("--url", server.url, "--project", "suggested"), ("--encoder", "pixels", "--audit-reserve", "4")
    first = propose("photos", "b0", 12, *options)
    annotate("push", *at)
    client = Server(server.url)
    people = People(server, project_of(client, "suggested")["id"])
    for row_id in first:  # dark or red by turns, and every fifth neither
        number = int(row_id.removesuffix(".png")[-2:])
        people.answer(row_id, 1, ticked(*(((BUS,), (CAR, DOG))[number % 2] if number % 5 else ())))
    assert annotate("pull", *at)[0] == 0
    second = propose("photos", "b1", 10, *options)
    assert "/data: 10 rows added\n" in annotate("push", *at, "--show-predictions")[1]
    assert project_of(client, "suggested")["show_collab_predictions"] is True
    people, shown = People(server, people.project), dict[str, list[Json]]()
    for row_id in second:
        task = people.next_task()
        (suggestion,) = task["predictions"]
        assert task["meta"]["row_id"] == row_id
        shown[row_id] = suggestion["result"]
        people.answer(row_id, 1, suggestion["result"])
    (audit,) = [row_id for row_id, result in shown.items() if not result]
    assert annotate("pull", *at)[0] == 0
    answers = AnswerLog(tmp_path / "runs" / "photos.campaign" / "answers.parquet").read().to_pylist()
    assert {each["row_id"] for each in answers if each["shown"]} == {*second} - {audit}
    labels = {each["row_id"]: each["labels"] for each in answers if each["row_id"] in shown}
    assert labels == {row_id: result[0]["value"]["choices"] if result else [] for row_id, result in shown.items()}
    assert any(labels.values())


def write_sounds(folder: Path) -> dict[str, bytes]:
    """Low and high tones, in a folder in a folder."""
    files = {f"deep/{number:02d} &.wav": encoded(tone((200, 3000)[number % 2], 0.1)) for number in range(12)}
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return files


def labeled(server: LabelStudioServer, title: str, shown: str, row_ids: list[str]) -> dict[str, list[str]]:
    """The labels of the campaign after somebody ticked two classes of every row of a batch."""
    people = People(server, project_of(Server(server.url), title)["id"])
    assert {*people.tasks} == {*row_ids}
    for row_id in row_ids:
        people.answer(row_id, 1, chosen(BUS, DOG, shown=shown))
    assert annotate("pull", "--url", server.url, "--project", title)[0] == 0
    (log,) = Path("runs").glob("*.campaign/answers.parquet")
    return {each["row_id"]: each["labels"] for each in AnswerLog(log).read().to_pylist()}


def test_texts_and_their_sets(server: LabelStudioServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    texts = {f"id {number}": f"{number}.5 {number % 3}" for number in range(12)}
    lines = [f"{row_id},{text}\n" for row_id, text in texts.items()]
    Path("notes.csv").write_text("".join(["row_id,text\n", *lines]))
    batch = propose("notes.csv", "b0", 4, "--encoder", "numbers(columns=2)")
    for sent in ("4 rows added", "0 rows added, 4 were there"):
        assert f"/data: {sent}\n" in annotate("push", "--url", server.url, "--project", "notes")[1]
    client = Server(server.url)
    tasks = [*client.tasks(project_of(client, "notes")["id"])]
    assert {task["meta"]["row_id"]: task["data"] for task in tasks} == {each: {"text": texts[each]} for each in batch}
    assert labeled(server, "notes", "text", batch) == {row_id: [BUS, DOG] for row_id in batch}


def test_sounds_and_their_sets(server: LabelStudioServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    pool = server.documents / "sounds"
    files = write_sounds(pool)
    batch = propose(str(pool), "b0", 4)
    for title, images in (("sounds inside", "data-uri"), ("sounds on disk", "files")):
        at = ("--url", server.url, "--project", title, "--images", images)
        for sent in ("4 rows added", "0 rows added, 4 were there"):
            assert f"/data: {sent}\n" in annotate("push", *at)[1]
    client = Server(server.url)
    for task in client.tasks(project_of(client, "sounds inside")["id"]):
        kind, _, data = task["data"]["audio"].partition(";base64,")
        assert (kind, base64.b64decode(data)) == ("data:audio/wav", files[task["meta"]["row_id"]])
    for task in client.tasks(project_of(client, "sounds on disk")["id"]):
        assert server.file(task["data"]["audio"]) == files[task["meta"]["row_id"]]
    assert labeled(server, "sounds on disk", "audio", batch) == {row_id: [BUS, DOG] for row_id in batch}
