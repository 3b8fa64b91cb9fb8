"""A batch to a real Label Studio and its answers back; see `tests/servers/label_studio.py` for how to run it.

LABEL_STUDIO_ENVIRONMENT=/some/folder .venv/bin/python -m pytest -m labelstudio
"""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from labelbench_ray.answers.checking import Rules, checked
from labelbench_ray.answers.formats import read as read_file
from labelbench_ray.answers.formats.stated import Read
from labelbench_ray.answers.ingest import ingest
from labelbench_ray.answers.label_studio.client import TOKEN, Server, ServerError
from labelbench_ray.answers.label_studio.pictures import LocalFiles
from labelbench_ray.answers.label_studio.project import Wanted
from labelbench_ray.answers.label_studio.tasks import BatchOfTasks, requests_of
from labelbench_ray.answers.label_studio.transfer import pull, push
from labelbench_ray.answers.log import AnswerLog
from labelbench_ray.answers.names import Names
from labelbench_ray.answers.to_show import FileAt, Suggestion, ToShow, batch_to_show
from labelbench_ray.campaign.label_kinds import SEVERAL_CLASSES
from labelbench_ray.errors import ConfigError
from tests.answers.label_studio.people import People, chosen, states
from tests.servers.label_studio import LabelStudioServer

pytestmark = [pytest.mark.labelstudio, pytest.mark.usefixtures("token")]
CLASSES = ("bug", 'a "question" & more', " praise ")
ORDER = ("row/3", "row/1", "row/2", "row/0", "row/5", "row/4")
RULES = Rules(
    asked=Names(dict.fromkeys(ORDER, "batch 1")),
    batches={"batch 1": ORDER},
    classes=Names({name: number for number, name in enumerate(CLASSES)}),
)


def batch(title: str, number: int = 1, rows: tuple[str, ...] = ORDER) -> BatchOfTasks:
    wanted = Wanted(title, "text", CLASSES, answers_a_row=2)
    shown = batch_to_show(rows, [f"the text of {row_id} <b>&amp;" for row_id in rows])
    return BatchOfTasks("campaign", f"batch {number}", shown, wanted)


def checked_pull(server: LabelStudioServer, title: str) -> Read:
    return checked(pull(Server(server.url), title), RULES)


def test_a_round_trip_gives_exactly_the_states_that_people_gave(server: LabelStudioServer, tmp_path: Path):
    client = Server(server.url)
    pushed = push(client, "round trip", batch("round trip"))
    assert (pushed.sent, pushed.there) == (6, 0)
    people, log = People(server, pushed.project), AnswerLog(tmp_path / "answers.parquet")
    ann, ben = 1, server.user("ben@example.com")
    for row_id in ORDER[:2]:
        assert people.next() == row_id
        people.answer(row_id, ann, chosen("bug"))
    corrected = people.answer("row/3", ben, chosen(" praise "))
    people.answer("row/1", ben, [], was_cancelled=True)
    partial = checked(read_file(people.export(tmp_path / "partial.json", "row/3", "row/1")), RULES)
    assert ingest(log, [partial]).new == 4
    assert states(log) == {
        "row/1": ("part", None, 1, 1, 0, 2),
        "row/3": ("disputed", None, 2, 0, 0, 2),
    }
    people.correct(corrected, chosen("bug"))
    deleted = people.answer("row/2", ann, chosen("bug"))
    people.answer("row/2", ben, chosen("bug"), ground_truth=True)
    people.answer("row/0", ann, chosen("nonsense"))
    people.answer("row/0", ben, chosen('a "question" & more'))
    people.answer("row/5", ann, [*chosen("bug"), *chosen("unsure", control="unsure")])
    people.answer("row/5", ben, [])
    overlapping = ingest(log, [checked_pull(server, "round trip")])
    assert (overlapping.new, overlapping.corrected, overlapping.repeated) == (4, 1, 3)
    assert sorted((each.row_id, each.rule[:32]) for each in overlapping.rejected) == [
        ("row/0", "no class called 'nonsense' (have"),
        ("row/5", "a row has exactly one label"),
    ]
    server.call("DELETE", f"/api/annotations/{deleted}/")
    last = checked_pull(server, "round trip")
    assert ingest(log, [last], complete=True).retracted == 1
    before = log.path.read_bytes()
    again = ingest(log, [last, checked(read_file(people.export(tmp_path / "again.json")), RULES), partial])
    assert (again.new, again.corrected, again.retracted) == (0, 0, 0)
    assert log.path.read_bytes() == before
    assert states(log) == {
        "row/0": ("part", None, 1, 0, 0, 1),
        "row/1": ("part", None, 1, 1, 0, 2),
        "row/2": ("agreed", ["bug"], 1, 0, 0, 2),
        "row/3": ("agreed", ["bug"], 2, 0, 0, 2),
        "row/5": ("part", None, 0, 0, 1, 1),
    }


def test_a_listing_of_what_changed_holds_the_same_events(server: LabelStudioServer):
    client = Server(server.url)
    pushed = push(client, "changes", batch("changes"))
    people = People(server, pushed.project)
    people.answer("row/3", 1, chosen("bug"))
    first = pull(client, "changes")
    people.answer("row/1", 1, chosen(" praise "))
    people.answer("row/3", 1, [], was_cancelled=True)
    (moment,) = [answer.answered_at for answer in first.answers]
    changed, everything = pull(client, "changes", since=moment), pull(client, str(pushed.project))
    assert {answer.identity for answer in changed.answers} == {answer.identity for answer in everything.answers}
    assert len(everything.answers) == 3
    last = max(answer.answered_at for answer in everything.answers if answer.answered_at is not None)
    people.answer("row/2", 1, chosen("bug"))
    late = pull(client, "changes", since=last)
    assert "row/2" in {answer.row_id for answer in late.answers}
    assert "row/1" not in {answer.row_id for answer in late.answers}


def test_a_push_is_repeated_and_resumed_without_a_second_task(server: LabelStudioServer, monkeypatch):
    client, wanted = Server(server.url), batch("twice")
    monkeypatch.setattr("labelbench_ray.answers.label_studio.tasks.MOST_TASKS", 2)
    first, *_ = requests_of(wanted, wanted.rows)
    made = client.create_project(wanted.wanted.settings)
    client.import_tasks(made["id"], first)  # and then the connection broke
    assert [push(client, "twice", wanted).sent for _ in range(3)] == [4, 0, 0]
    assert push(client, "twice", batch("twice", 2, ("row/9", "row/3"))).sent == 2
    tasks = [*client.tasks(made["id"])]
    found = sorted((task["meta"]["batch"], task["meta"]["row_id"]) for task in tasks)
    assert found == [*(("batch 1", row_id) for row_id in sorted(ORDER)), ("batch 2", "row/3"), ("batch 2", "row/9")]
    # The second batch is in its order, too, though another model chose it.
    order = sorted(tasks, key=lambda task: task["predictions"][0]["score"])
    assert [task["meta"]["row_id"] for task in order if task["meta"]["batch"] == "batch 2"] == ["row/9", "row/3"]
    assert {task["predictions"][0]["model_version"] for task in tasks} == {client.project(made["id"])["model_version"]}


@pytest.mark.parametrize("labels", [(), CLASSES[:2]])
def test_a_suggested_set_is_shown_and_taken_over(server: LabelStudioServer, labels: tuple[str, ...]):
    wanted = Wanted(f"suggested {len(labels)}", "text", CLASSES, several=True, show_predictions=True)
    row = ToShow("row/1", "a text", 1.0, Suggestion(labels, "model 1"))
    pushed = push(Server(server.url), wanted.title, BatchOfTasks("campaign", "batch 1", (row,), wanted))
    people = People(server, pushed.project)
    (suggestion,) = people.next_task()["predictions"]
    assert suggestion["result"] == chosen(*labels)
    people.answer("row/1", 1, suggestion["result"])
    read = checked(pull(Server(server.url), wanted.title), replace(RULES, labels=SEVERAL_CLASSES.counts))
    assert [(each.labels, each.shown) for each in read.answers] == [(labels, "model 1")]


def test_images_are_shown_from_the_server_s_disk(server: LabelStudioServer, tmp_path: Path):
    client, pool = Server(server.url), server.documents / "photos"
    names = ["a cat & dog?.png", "sub folder/#1+2.png"]
    for name in names:
        (pool / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), "green").save(pool / name)
    wanted = Wanted("photos", "image", ("cat", "dog"))
    rows = batch_to_show(names, [FileAt(str(pool / name)) for name in names])
    pushed = push(client, "photos", BatchOfTasks("c", "b", rows, wanted, LocalFiles(server.documents)), pool)
    for task in client.tasks(pushed.project):
        assert server.file(task["data"]["image"]) == (pool / task["meta"]["row_id"]).read_bytes()
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    Image.new("RGB", (8, 6)).save(outside / "a.png")
    rows = batch_to_show(["a.png"], [FileAt(str(outside / "a.png"))])
    with pytest.raises(ConfigError, match="document root"):
        push(client, "photos", BatchOfTasks("c", "d", rows, wanted, LocalFiles(tmp_path)), outside)


def test_tokens_of_both_kinds_are_taken_and_a_wrong_one_is_refused(server: LabelStudioServer, monkeypatch):
    personal = server.call("POST", "/api/token/")["token"]
    monkeypatch.setenv(TOKEN, personal)
    assert list(Server(server.url).projects())
    for wrong in ("0" * 40, f"{personal[:-4]}AAAA"):
        monkeypatch.setenv(TOKEN, wrong)
        with pytest.raises(ServerError, match="the token in LABEL_STUDIO_API_KEY was refused"):
            list(Server(server.url).projects())
