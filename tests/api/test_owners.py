"""Owners, names and tags: experiments of two people lie apart, and what a run records is shown everywhere."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from mlflow.tracking import MlflowClient

from labelbench_ray import run
from labelbench_ray.api.outcome import RunOutcome
from labelbench_ray.commands.cli import app
from labelbench_ray.config import Trial, vary
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.experiments import read_grid, write_grid
from labelbench_ray.ledger.records import Grid
from labelbench_ray.planning import experiment, plan
from labelbench_ray.planning.names import full_name, parsed_tags
from labelbench_ray.report import build
from labelbench_ray.report.origin_table import origin_facts
from tests.full_trials import DIGITS

STUDY = """
from labelbench_ray import Trial

def margins() -> list[Trial]:
    return [Trial(dataset="digits", encoder="pixels", strategy="margin", seed=0, rounds=1, budget=10)]
"""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Alice's experiment and Bob's of the same name, run once."""
    folder = tmp_path_factory.mktemp("shared")
    found = {"runs": folder / "runs", "store": folder / "store"}
    started(found, "alice", {"team": "vision", "ticket": "12"}, vary(DIGITS, rounds=1))
    started(found, "bob", {}, vary(DIGITS, rounds=1, seed=1))
    return found


def started(places: dict[str, Path], owner: str, tags: Mapping[str, str], trial: Trial) -> RunOutcome:
    return run([trial], name="study", executor="local", progress=False, owner=owner, tags=tags, **places)


def command(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], standalone_mode=False)


def test_two_people_share_runs_and_mlflow(places: dict[str, Path]):
    folders = [path.name for path in sorted(places["runs"].iterdir()) if (path / "experiment.json").is_file()]
    assert folders == ["alice--study", "bob--study"]
    alice, bob = (json.loads((places["runs"] / name / "experiment.json").read_text()) for name in folders)
    assert (alice["experiment"], alice["owner"], alice["tags"]) == (
        "alice--study",
        "alice",
        {"team": "vision", "ticket": "12"},
    )
    assert bob["owner"] == "bob"
    assert "tags" not in bob
    client = MlflowClient(f"sqlite:///{places['runs'] / 'mlflow.db'}")
    found = client.get_experiment_by_name("alice--study")
    assert found is not None
    assert {"team": "vision", "ticket": "12"}.items() <= found.tags.items()
    (parent,) = client.search_runs([found.experiment_id], "tags.`labelbench.owner` = 'alice'")
    assert {"team": "vision", "mlflow.user": "alice"}.items() <= parent.data.tags.items()
    assert client.get_experiment_by_name("bob--study") is not None


def test_status_and_report_show_them(places: dict[str, Path]):
    lines = command("status", places["runs"]).output.splitlines()
    assert [line for line in lines if line.endswith("; owner alice; tags team=vision, ticket=12")]
    assert [line for line in lines if line.endswith("; owner bob")]
    facts = dict(origin_facts(build(places["runs"] / "alice--study")))
    assert (facts["owner"], facts["tags"]) == ("alice", "team=vision, ticket=12")
    assert "team=vision, ticket=12" in (places["runs"] / "alice--study" / "report.html").read_text()


def test_later_runs_keep_change_and_remove_tags_in_the_ledger_and_in_mlflow(places: dict[str, Path]):
    trial = vary(DIGITS, rounds=1, seed=2)
    for tags in ({"team": "text", "stage": "pilot"}, {"stage": ""}, {}):
        outcome = started(places, "carol", tags, trial)
        assert outcome.folder.name == "carol--study"
        expected = {"team": "text", "stage": "pilot"} if "team" in tags else {"team": "text"}
        assert read_grid(outcome.folder).tags == expected
    client = MlflowClient(f"sqlite:///{places['runs'] / 'mlflow.db'}")
    found = client.get_experiment_by_name("carol--study")
    assert found is not None
    (parent,) = client.search_runs([found.experiment_id], "tags.`labelbench.owner` = 'carol'")
    for there in (found.tags, parent.data.tags):
        assert there["team"] == "text"
        assert "stage" not in there


def test_the_folder_of_another_owner_is_refused(tmp_path: Path):
    environment = Environment(tmp_path, tmp_path / "store", tmp_path / "data", "")
    for recorded, given in (("alice", None), (None, "alice")):
        write_grid(tmp_path / "alice--study", Grid(experiment="alice--study", entries=(), owner=recorded))
        asked = replace(experiment.Experiment("alice--study", (DIGITS,)), owner=given)
        with pytest.raises(ConfigError, match=r"was recorded with.*give the same --owner, or another name"):
            plan.plan(asked, environment)


def test_without_them_the_list_of_trials_is_as_before():
    assert set(json.loads(Grid(experiment="study", entries=()).model_dump_json())) == {
        "experiment",
        "entries",
        "versions",
    }


def test_the_command_line_names_the_folder(tmp_path: Path):
    file = tmp_path / "study.py"
    file.write_text(STUDY)
    words = ["--runs", tmp_path / "runs", "--store", tmp_path / "store"]
    for named, expected in (
        (["--owner", "alice"], "alice--study.margins: 1 trials"),
        (["--owner", "alice", "--name", "second"], "alice--second: 1 trials"),
        (["--name", "second", "--tiny", "--tag", "a=b"], "second.tiny: 1 trials"),
        ([], "study.margins: 1 trials"),
    ):
        result = command("plan", file, *words, *named)
        assert result.return_value == 0
        assert any(line.startswith(expected) for line in result.output.splitlines())


@pytest.mark.parametrize("owner", ["", "a/b", "..", "a--b", "-a", "a-", "alice smith", "é", "x" * 65])
def test_an_owner_that_cannot_begin_a_name_is_refused(owner: str):
    with pytest.raises(ConfigError, match="cannot begin the name of a folder"):
        full_name(owner, "study")


def test_the_owner_can_be_read_back_from_a_name():
    owners, names = ("a", "a.b", "a-b", "a_b"), ("study", "-study"[1:], "b--study", "b.study")
    made = {full_name(owner, name): (owner, name) for owner in owners for name in names}
    assert len(made) == len({*owners}) * len({*names})
    assert all(tuple(full.split("--", 1)) == pair for full, pair in made.items())


@pytest.mark.parametrize(
    ("given", "stated"),
    [
        (["team"], "--tag 'team' is not a key and a value"),
        (["team=a", "team=b"], "--tag team is given twice"),
        (["mlflow.user=x"], "tag 'mlflow.user': not a key"),
        (["=x"], "tag '': not a key"),
        (["1a=x"], "tag '1a': not a key"),
        (["team=a\nb"], r"tag team: 'a\\nb' is not a value"),
        (["team=" + "x" * 501], "tag team: 'xxx"),
    ],
)
def test_a_tag_that_cannot_be_recorded_is_refused(given: list[str], stated: str):
    with pytest.raises(ConfigError, match=stated) as refused:
        parsed_tags(given)
    assert "\n" not in str(refused.value)


def test_a_value_may_hold_an_equals_sign():
    assert parsed_tags(["query=a=b", "gone="]) == {"query": "a=b", "gone": ""}
