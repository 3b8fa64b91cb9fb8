"""Status reports from the ledger alone where every trial is, and names what is wrong."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from labelbench_ray.commands import cli, status
from labelbench_ray.config import Part, Trial, grid, vary
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.experiments import write_grid
from labelbench_ray.ledger.records import Entry, Grid
from labelbench_ray.ledger.state import TrialState
from labelbench_ray.ledger.trials import Failure, Header, Ledger, read_history, write_failure
from labelbench_ray.storage.locks import held, locked
from labelbench_ray.storage.remote import place
from labelbench_ray.trial import parts
from tests.s3 import Server, s3  # noqa: F401  a fixture

BASE = Trial(
    dataset=Part(name="digits"), encoder=Part(name="pixels"), strategy=Part(name="margin"), seed=0, rounds=3, budget=5
)


def home(folder: Path, trial: Trial) -> Path:
    return folder / parts.build(trial).fingerprint


def record(folder: Path, trial: Trial, rounds: int) -> Path:
    directory = home(folder, trial)
    header = Header(fingerprint=directory.name, trial=trial, store="s", compute="c", versions={})
    with Ledger.open(directory, header) as ledger:
        for number in range(len(ledger.records()), rounds):
            chosen = np.arange(trial.budget) + trial.budget * number
            ledger.publish(number, chosen, chosen % 10, trial.budget * (number + 1), {}, {}, {"bias": np.zeros(2)})
    return directory


def note(folder: Path, *trials: Trial) -> None:
    entries = tuple(Entry(fingerprint=parts.build(trial).fingerprint, trial=trial) for trial in trials)
    write_grid(folder, Grid(experiment="study.study", entries=entries))


def test_every_state_is_reported_with_its_reason(tmp_path: Path):
    done, running, starting, failed, early, damaged, waiting, begun = trials = grid(BASE, seed=range(8))
    note(tmp_path, *trials)
    last = read_history(record(tmp_path, done, 3)).records[-1].finished
    assert last
    record(tmp_path, begun, 2)
    write_failure(record(tmp_path, failed, 1), Failure(error="memory limit:\n1.5 GiB", traceback="..."))
    write_failure(home(tmp_path, early), Failure(error="OSError: no space", traceback="..."))
    path = record(tmp_path, damaged, 2) / "rounds/001.json"
    path.write_text(path.read_text()[:-40])
    write_failure(record(tmp_path, running, 1), Failure(error="of the attempt before", traceback=""))
    home(tmp_path, starting).mkdir()
    with locked(home(tmp_path, running) / "lock"), locked(home(tmp_path, starting) / "lock"):
        found = {trial.seed: trial for trial in status.read(tmp_path).trials}
    states = ["done", "running", "running", "failed", "failed", "damaged", "planned", "incomplete"]
    assert [found[seed].state for seed in range(8)] == states
    assert [found[seed].rounds_done for seed in range(8)] == [3, 1, 0, 1, 0, 1, 0, 2]
    assert found[failed.seed].reason == "memory limit: 1.5 GiB"
    assert found[early.seed].reason == "OSError: no space"
    assert str(path) in found[damaged.seed].reason
    assert found[running.seed].reason == ""
    assert found[done.seed].last_round == datetime.fromtimestamp(last / 1000, UTC)
    assert found[waiting.seed].last_round is None


def test_a_lock_is_held_as_long_as_its_process_lives(tmp_path: Path):
    lock = tmp_path / "lock"
    assert not held(lock)
    program = f"""
import time
from pathlib import Path
from labelbench_ray.storage.locks import locked
with locked(Path({str(lock)!r})):
    print("locked", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert held(lock)
        assert held(lock)  # looking took nothing
        other.kill()
        other.wait()
    assert not held(lock)
    with locked(lock):
        assert held(lock)


def test_more_rounds_than_asked_for_and_a_shorter_twin_are_one_trial(tmp_path: Path):
    note(tmp_path, BASE, vary(BASE, rounds=4))
    record(tmp_path, BASE, 3)
    (only,) = status.read(tmp_path).trials
    assert (only.state, only.rounds_done, only.rounds) == (TrialState.INCOMPLETE, 3, 4)
    note(tmp_path, vary(BASE, rounds=2))
    (only,) = status.read(tmp_path).trials
    assert (only.state, only.rounds_done, only.rounds) == (TrialState.DONE, 2, 2)


def test_a_folder_of_another_trial_is_damaged(tmp_path: Path):
    other = vary(BASE, seed=9)
    note(tmp_path, BASE)
    record(tmp_path, other, 1).rename(home(tmp_path, BASE))
    (only,) = status.read(tmp_path).trials
    assert only.state is TrialState.DAMAGED
    assert f"holds trial {parts.build(other).fingerprint}" in only.reason


def test_the_command_shows_an_experiment_or_all_below_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("one", "two"):
        note(tmp_path / name, BASE)
    record(tmp_path / "one", BASE, 1)
    every = CliRunner().invoke(cli.app, ["status", str(tmp_path), "--json"])
    printed = [json.loads(line) for line in every.output.splitlines()]
    assert [each["trials"][0]["rounds_done"] for each in printed] == [1, 0]
    assert printed[0]["counts"] == {
        "planned": 0,
        "running": 0,
        "awaiting_labels": 0,
        "done": 0,
        "failed": 0,
        "stopped_early": 0,
        "incomplete": 1,
        "damaged": 0,
    }
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ConfigError, match="holds no experiment"):
        CliRunner().invoke(cli.app, ["status", str(empty)], catch_exceptions=False)


def test_an_experiment_in_an_object_store_is_reported_as_one_on_a_disk(tmp_path: Path, s3: Server):  # noqa: F811
    first, second = grid(BASE, seed=[0, 1])
    for runs in (tmp_path, place(s3.uri("runs"))):
        record(runs / "study.study", first, rounds=2)
        note(runs / "study.study", first, second)
    found = [status.read(runs / "study.study") for runs in (tmp_path, place(s3.uri("runs")))]
    assert found[0].counts == found[1].counts
    assert json.loads(found[1].model_dump_json())["folder"] == s3.uri("runs", "study.study")


def test_of_a_large_grid_only_what_runs_or_is_wrong_is_listed(tmp_path: Path):
    trials = grid(BASE, seed=range(status.ALL_SHOWN + 1))
    note(tmp_path, *trials)
    write_failure(record(tmp_path, trials[0], 1), Failure(error="broken", traceback=""))
    read = status.read(tmp_path)
    assert status.table(read).row_count == 1
    assert status.summary(read) == (
        "study.study: 41 trials: 40 planned, 1 failed; 1 of 123 rounds recorded; only trials that run, await labels, "
        "failed or are damaged are listed"
    )


def test_status_imports_no_torch_ray_or_mlflow_and_is_quick(tmp_path: Path):
    trials = grid(BASE, seed=range(100))
    note(tmp_path, *trials)
    for trial in trials:
        record(tmp_path, trial, 2)
    program = f"""
import sys
from click.testing import CliRunner
from labelbench_ray.commands import cli
done = CliRunner().invoke(cli.app, ["status", {str(tmp_path)!r}])
assert done.exit_code == 0, done
sys.exit(bool({{"torch", "ray", "mlflow"}} & set(sys.modules)))
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    before = time.process_time()
    status.read(tmp_path)
    assert time.process_time() - before < 1.0
