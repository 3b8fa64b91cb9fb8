"""A batch to a real Label Studio and its answers back; see `tests/servers/label_studio.py` for how to run it.

LABEL_STUDIO_ENVIRONMENT=/some/folder .venv/bin/python -m pytest -m labelstudio
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from labelbench_ray.answers.checking import Rules, checked
from labelbench_ray.answers.fold import row_states
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
from labelbench_ray.answers.to_show import FileAt, batch_to_show
from labelbench_ray.errors import ConfigError
from tests.servers.label_studio import LabelStudioServer, NotInstalledError, label_studio

pytestmark = pytest.mark.labelstudio
CLASSES = ("bug", 'a "question" & more', " praise ")
ORDER = ("row/3", "row/1", "row/2", "row/0", "row/5", "row/4")
RULES = Rules(
    asked=Names(dict.fromkeys(ORDER, "batch 1")),
    batches={"batch 1": ORDER},
    classes=Names({name: number for number, name in enumerate(CLASSES)}),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudioServer]:
    try:
        with label_studio(tmp_path_factory.mktemp("label_studio")) as running:
            yield running
    except NotInstalledError as why:
        pytest.skip(str(why))


@pytest.fixture(autouse=True)
def token(server: LabelStudioServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, server.token)


def batch(title: str, number: int = 1, rows: tuple[str, ...] = ORDER) -> BatchOfTasks:
    wanted = Wanted(title, "text", CLASSES, answers_a_row=2)
    shown = batch_to_show(rows, [f"the text of {row_id} <b>&amp;" for row_id in rows])
    return BatchOfTasks("campaign", f"batch {number}", shown, wanted)


def chosen(*labels: str, control: str = "label") -> list[dict[str, Any]]:
    return [{"from_name": control, "to_name": "text", "type": "choices", "value": {"choices": list(labels)}}]


class People:
    """Annotators of a project, played by the first user."""

    def __init__(self, server: LabelStudioServer, project: int) -> None:
        self.server, self.project = server, project
        tasks = server.call("GET", "/api/tasks/", params={"project": project, "fields": "all", "page_size": 100})[
            "tasks"
        ]
        self.tasks = {task["meta"]["row_id"]: task["id"] for task in tasks}
        assert len(self.tasks) == len(tasks)

    def answer(self, row_id: str, user: int, result: list[dict[str, Any]], **others: Any) -> int:
        given = {"result": result, "completed_by": user, "lead_time": 2.5, **others}
        number: int = self.server.call("POST", f"/api/tasks/{self.tasks[row_id]}/annotations/", json=given)["id"]
        return number

    def next(self) -> str:
        """The row that the page shows next."""
        row_id: str = self.server.call("GET", f"/api/projects/{self.project}/next")["meta"]["row_id"]
        return row_id

    def export(self, path: Path, *row_ids: str) -> Path:
        """The menu Export, of these rows alone where rows are given."""
        asked = {"exportType": "JSON", "ids[]": [self.tasks[row_id] for row_id in row_ids]}
        tasks = self.server.call("GET", f"/api/projects/{self.project}/export", params=asked)
        path.write_text(json.dumps(tasks))
        return path


def states(log: AnswerLog) -> dict[str, tuple[Any, ...]]:
    names = ("state", "labels", "submitted", "skipped", "unsure", "answers")
    return {row["row_id"]: tuple(row[name] for name in names) for row in row_states(log.read(), 2).to_pylist()}


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
    server.call("PATCH", f"/api/annotations/{corrected}/", json={"result": chosen("bug")})
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
        shown = requests.get(
            server.url + task["data"]["image"], headers={"Authorization": f"Token {server.token}"}, timeout=60
        )
        assert shown.content == (pool / task["meta"]["row_id"]).read_bytes()
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
