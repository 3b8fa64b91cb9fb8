"""A campaign in Label Studio, as people type it; the server is in memory."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from labelbench_ray.answers.label_studio import client
from labelbench_ray.answers.log import AnswerLog
from labelbench_ray.campaign import label_studio
from labelbench_ray.campaign.label_studio import Showing, batch_of_tasks
from labelbench_ray.commands.cli import app
from labelbench_ray.errors import ConfigError
from tests.answers.label_studio.fake import FakeServer
from tests.campaign.campaigns import Home, make_home, rows, truth

URL = "http://labels.example"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    fake = FakeServer(URL)
    monkeypatch.setattr(client, "Server", lambda url: fake)
    return fake


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.chdir(tmp_path)
    made = make_home(tmp_path)
    made.propose("b0", classes=("dark", "red"), strategy="random", reserve=4, budget=10)
    return made


def annotate(*words: str) -> Result:
    return CliRunner().invoke(app, ["annotate", *words], standalone_mode=False)


def test_a_batch_goes_there_and_its_answers_come_back(home: Home, server: FakeServer):
    (batch,) = home.batches
    for sent in ("10 rows added", "0 rows added, 10 were there"):
        ended = annotate("push", "--url", URL)
        assert (ended.return_value, ended.exception) == (0, None)
        assert f"{URL}/projects/1/data: {sent}" in ended.output
    (project,) = server.made
    assert project["title"] == "photos labels"
    tasks = server.in_projects[1]
    assert [task["meta"]["row_id"] for task in tasks] == [*batch.row_ids]
    assert {(task["meta"]["batch"], task["meta"]["campaign"]) for task in tasks} == {(batch.id, batch.campaign)}
    assert all(task["data"]["image"].startswith("data:image/png;base64,") for task in tasks)
    first, second, third, *others = batch.row_ids
    server.annotate(first, truth(first))
    server.annotate(second, "nonsense")
    deleted = server.annotate(third, truth(third))
    ended = annotate("pull", "--url", URL)
    assert ended.return_value == 1
    assert "answers: 2 new" in ended.output
    assert "no class called 'nonsense' (have: dark, red); correct the label" in ended.output
    assert [row["value"] for row in rows((home.campaign / "rejected.csv").read_bytes())] == ["nonsense"]
    server.in_projects[1][1]["annotations"] = []
    for row_id in others:
        server.annotate(row_id, truth(row_id))
    deleted["updated_at"] = "2026-05-01T00:00:00+00:00"
    server.in_projects[1][2]["annotations"] = []
    ended = annotate("pull", "--url", URL, "--project", "1", "--complete")
    assert ended.return_value == 0
    assert f"answers: {len(others)} new, 1 already there, 1 retracted\n" in ended.output
    assert not (home.campaign / "rejected.csv").exists()
    assert f"answers: {len(others) + 1} already there\n" in annotate("pull", "--url", URL, "--changed-only").output
    assert len(AnswerLog(home.campaign / "answers.parquet").read()) == len(others) + 3


def test_predictions_are_shown_only_when_asked_and_never_on_rows_that_measure_the_model(home: Home):
    with pytest.raises(ConfigError, match="--show-predictions: there is no label to predict from yet"):
        batch_of_tasks(home.campaign, home.folder / "store", "photos", None, Showing(predictions=True))
    home.answer({row_id: truth(row_id) for row_id in home.batches[0].row_ids})
    home.propose("b1", budget=10)
    batch = home.batches[1]
    assert len(batch.audit) == 1
    hidden = batch_of_tasks(home.campaign, home.folder / "store", "photos")
    assert {task["predictions"][0]["result"] == [] for task in map(hidden.task, hidden.rows)} == {True}
    shown = batch_of_tasks(home.campaign, home.folder / "store", "photos", 1, Showing(predictions=True))
    with_result = {
        task["meta"]["row_id"]: task["meta"]["model"]
        for task in map(shown.task, shown.rows)
        if task["predictions"][0]["result"]
    }
    assert with_result.keys() == {*batch.row_ids} - {*batch.audit}
    assert {*with_result.values()} == {batch.model[:16]}
    assert shown.wanted.settings["show_collab_predictions"] is True


def test_files_for_a_server_out_of_reach_are_the_same_each_time(home: Home):
    words = ["propose", "photos", "--budget", "10", "--out", "b0", "--encoder", "pixels", "--to", "label-studio"]
    (home.folder / "b0").mkdir(exist_ok=True)
    before = None
    for _ in range(2):
        ended = annotate(*words, "--strategy", "random", "--classes", "dark,red")
        assert (ended.return_value, ended.exception) == (0, None)
        files = home.files("b0")
        assert before in (None, files)
        before = files
    assert sorted(before) == ["batch.csv", "manifest.json", "page.xml", "tasks.json"]
    tasks = json.loads(before["tasks.json"])
    assert [task["meta"]["row_id"] for task in tasks] == [*home.batches[0].row_ids]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["push", "--url", URL, "--batch", "7"], "--batch 7: the campaign has batches 0 to 0"),
        (["push", "--url", URL, "--images", "files"], "the server does not show the file; start the server with"),
        (["push", "--url", URL, "--files-root", "."], "--files-root and --server-root are for --images files"),
        (["push", "--url", URL, "--images", "url-prefix"], "--images url-prefix and --url-prefix URL belong together"),
        (["pull", "--url", URL], "no project with that title; push a batch first"),
        (["pull", "--url", URL, "--complete", "--changed-only"], "exclude each other"),
    ],
)
def test_mistakes_are_named_with_the_fix(home: Home, server: FakeServer, monkeypatch, words: list[str], message: str):
    monkeypatch.setattr(FakeServer, "add_local_storage", lambda *_: None)
    monkeypatch.setattr(FakeServer, "shows", lambda *_: False)
    with pytest.raises(ConfigError, match=message):
        raise annotate(*words).exception or AssertionError("it ended well")


def test_without_classes_there_is_nothing_to_choose_from(tmp_path: Path):
    made = make_home(tmp_path)
    made.propose("b0")
    with pytest.raises(ConfigError, match="declares no classes, and Label Studio offers choices alone"):
        batch_of_tasks(made.campaign, made.folder / "store", "photos")


def test_the_pool_s_folder_is_found_by_the_ids_of_its_rows(home: Home):
    assert label_studio.pool_folder(batch_of_tasks(home.campaign, home.folder / "store", "photos").rows) == (
        home.folder / "photos"
    )
