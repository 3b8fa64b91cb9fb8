"""Where a report's numbers come from: what a run records, without secrets, and what the page shows of it."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from labelbench_ray.embeddings.shards import ShardEntry
from labelbench_ray.ledger.data_notes import note_rows
from labelbench_ray.ledger.experiments import noted_origin, read_grid, write_grid
from labelbench_ray.ledger.origin import Origin, command_line, commit, machine, origin
from labelbench_ray.ledger.records import Grid
from labelbench_ray.report import build, page
from labelbench_ray.report.origin_table import data_facts, origin_facts, recorded
from tests.samples import make_manifest

RISING = [0.5, 0.6, 0.7, 0.75, 0.8]
MADE = Origin(command="labelbench run study.py", commit="abc1234-dirty", machine="EPYC, 2 cores, Linux x86_64")


@pytest.mark.parametrize(
    ("words", "stated"),
    [
        (["/usr/bin/labelbench", "run", "a study.py:grid", "--tiny"], "labelbench run 'a study.py:grid' --tiny"),
        (["/x/labelbench_ray/__main__.py", "run", "study.py"], "labelbench run study.py"),
        (["labelbench", "run", "s.py", "--tracking-uri", "http://me:pass@host"], "labelbench run s.py --tracking-uri"),
        (["/home/someone/secret_project/study.py", "--token=abc"], "python study.py"),
        (["/venv/lib/ipykernel_launcher.py", "-f", "kernel.json"], ""),
        (["-c"], ""),
        ([""], ""),
        ([], ""),
    ],
)
def test_commands(words: list[str], stated: str):
    found = command_line(words)
    assert found.startswith(stated)
    assert bool(found) == bool(stated)
    assert "pass" not in found
    assert "abc" not in found


def test_the_home_folder_is_not_named():
    home = str(Path.home())
    assert command_line(["labelbench", "run", f"{home}/study.py"]).endswith("~/study.py'")
    assert home not in command_line(["labelbench", "run", f"--runs={home}/runs"])


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_commit_of_the_experiment(tmp_path: Path):
    assert commit(tmp_path) == ""
    folder = tmp_path / "repository" / "experiments"
    folder.mkdir(parents=True)
    (folder / "study.py").write_text("1")

    def git(*words: str) -> None:
        named = ("-c", "user.name=n", "-c", "user.email=e@example.org")
        subprocess.run(["git", *named, *words], cwd=folder, check=True, capture_output=True)

    git("init")
    assert commit(folder) == ""
    git("add", ".")
    git("commit", "-m", "first")
    clean = commit(folder)
    assert len(clean) >= 7
    (folder / "study.py").write_text("2")
    assert commit(folder) == f"{clean}-dirty"
    assert origin(folder).commit == f"{clean}-dirty"


def test_the_machine():
    assert " core" in machine()


def test_a_grid_without_an_origin_is_written_as_before(tmp_path: Path):
    grid = Grid(experiment="study.grid", entries=())
    assert set(json.loads(grid.model_dump_json())) == {"experiment", "entries", "versions"}
    assert noted_origin(tmp_path) is None
    write_grid(tmp_path, grid.model_copy(update={"origin": MADE}))
    assert read_grid(tmp_path).origin == MADE
    assert noted_origin(tmp_path) == MADE


def test_the_page_states_it(experiment):
    experiment.add("random", 0, RISING)
    folder = experiment.write()
    report = replace(build(folder), origin=MADE)
    facts = dict(origin_facts(report))
    assert {"command": MADE.command, "commit of the experiment": MADE.commit, "machine": MADE.machine}.items() <= (
        facts.items()
    )
    assert facts["recorded"].endswith(" UTC")
    text = page(report)
    assert "Where these numbers come from" in text
    assert "labelbench run study.py" in text
    assert f"recorded {recorded(report.runs)}" in text


def test_the_page_states_the_rows_of_each_split(experiment):
    sizes = {"pool": 1_257, "validation": 180, "test": 360, "test_far": 40}
    shards = [ShardEntry(split=split, number=0, rows=rows, sha256="0" * 64) for split, rows in sizes.items()]
    manifest = make_manifest("key", shards)
    experiment.add("random", 0, RISING, store=manifest.content)
    folder = experiment.write()
    assert data_facts(build(folder).sections[0].setting) == ()
    note_rows(folder, manifest)
    report = build(folder)
    assert dict(data_facts(report.sections[0].setting)) == {
        "rows": "1,257 pool, 180 validation, 360 test and 40 test_far",
        "classes": "3",
    }
    assert "1,257 pool, 180 validation" in page(report)
