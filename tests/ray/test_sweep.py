"""Sweeps: the ledger equals the plain loop's, failures stay with their trial, the next run does the rest."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from labelbench_ray import parts
from labelbench_ray.config import Part, Trial, grid, vary
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.fitting import LightFitter, in_process
from labelbench_ray.ledger import Ledger, RoundRecord, read_history
from labelbench_ray.loop import Loop
from labelbench_ray.store import EmbeddingStore
from tests.ray.conftest import Ran

pytestmark = pytest.mark.ray
Run = Callable[..., Ran]
BASE = Trial(
    dataset=Part.of("digits", max_rows=300),
    encoder=Part(name="pixels"),
    strategy=Part(name="random"),
    trainer=Part(name="logistic"),
    seed=0,
    rounds=2,
    budget=20,
)


@pytest.fixture
def environment(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """All sweeps here read one store, so that it is embedded once."""
    return replace(environment, store=tmp_path_factory.getbasetemp() / "shared-store")


def folder(environment: Environment, trial: Trial) -> Path:
    return environment.runs / "tests.grid" / parts.build(trial).fingerprint


def numbers(records: tuple[RoundRecord, ...] | list[RoundRecord]) -> list[object]:
    return [(record.chosen, record.labels, record.metrics, record.proxy) for record in records]


def test_a_sweep_equals_the_plain_loop_and_mlflow_mirrors_it(
    run_trials: Run, environment: Environment, tmp_path: Path
) -> None:
    trials = grid(BASE, strategy=["random", "margin"], seed=[0, 1])
    assert run_trials(trials).status == 0
    for trial in trials:
        built = parts.build(trial)
        history = read_history(folder(environment, trial))
        embedded = EmbeddingStore.open(environment.store / built.embedding).arrays()
        with Ledger.open(tmp_path / "plain" / built.fingerprint, history.header) as ledger:
            plain = list(Loop(built, ledger, LightFitter(built, embedded, (), in_process(embedded))).rounds())
        assert numbers(plain) == numbers(history.records)
    assert (environment.runs / "tests.grid/report.html").exists()
    check_mirror(environment, trials)


def check_mirror(environment: Environment, trials: list[Trial]) -> None:
    client = MlflowClient(environment.tracking_uri)
    experiment = client.get_experiment_by_name("tests.grid")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = {run.data.tags["labelbench.fingerprint"]: run for run in runs if run not in parents}
    assert [parent.info.status for parent in parents] == ["FINISHED"]
    assert {file.path for file in client.list_artifacts(parents[0].info.run_id)} == {"report.html"}
    assert set(children) == {parts.build(trial).fingerprint for trial in trials}
    for trial in trials:
        run = children[parts.build(trial).fingerprint]
        records = read_history(folder(environment, trial)).records
        assert run.info.status == "FINISHED"
        assert run.data.params["strategy"] == trial.strategy.name
        logged = client.get_metric_history(run.info.run_id, "Test Accuracy")
        assert [(metric.step, metric.value) for metric in logged] == [
            (record.num_labeled, record.metrics["Test Accuracy"]) for record in records
        ]
        assert {file.path for file in client.list_artifacts(run.info.run_id)} == {"chosen.csv"}


def test_running_again_does_only_what_is_missing(run_trials: Run, environment: Environment) -> None:
    assert run_trials([BASE]).status == 0
    record = folder(environment, BASE) / "rounds/000.json"
    before = record.stat().st_mtime_ns
    again = run_trials([BASE])
    assert again.status == 0
    assert "nothing to run" in again.printed
    longer = vary(BASE, rounds=3)
    assert run_trials([longer, vary(BASE, seed=7)]).status == 0
    assert record.stat().st_mtime_ns == before
    assert len(read_history(folder(environment, longer)).records) == 3
    check_mirror(environment, [longer, vary(BASE, seed=7)])


def test_a_trial_that_raises_is_recorded_and_the_others_go_on(run_trials: Run, environment: Environment) -> None:
    faulty = vary(BASE, strategy="tests.ray.faulty")
    ran = run_trials([faulty, BASE])
    assert ran.status == 1
    assert "RuntimeError: planned failure with 20 labels" in ran.printed
    assert len(read_history(folder(environment, BASE)).records) == 2
    history = read_history(folder(environment, faulty))
    assert len(history.records) == 1
    assert history.failure is not None
    assert "planned failure" in history.failure.traceback
    assert run_trials([BASE, vary(BASE, seed=1)]).status == 0


def test_a_trial_that_fails_before_its_ledger_is_open_is_recorded_too(
    run_trials: Run, environment: Environment
) -> None:
    home = folder(environment, BASE)
    home.mkdir(parents=True)
    (home / "trial.json").write_text('{"format": 99}')
    assert run_trials([BASE]).status == 1
    assert "LedgerError" in json.loads((home / "failure.json").read_text())["traceback"]


def test_a_damaged_record_is_set_aside_told_and_run_again(run_trials: Run, environment: Environment) -> None:
    assert run_trials([BASE]).status == 0
    home = folder(environment, BASE)
    before = read_history(home).records
    path = home / "rounds/001.json"
    path.write_text(path.read_text()[:-40])
    ran = run_trials([BASE, vary(BASE, seed=1)])
    assert ran.status == 0
    assert "set aside, and run again" in ran.printed
    assert "001.json" in ran.printed
    assert numbers(read_history(home).records) == numbers(before)
    assert len(list((home / "quarantine").iterdir())) == 1
    assert len(read_history(folder(environment, vary(BASE, seed=1))).records) == 2


def test_rounds_of_another_store_are_refused(run_trials: Run, environment: Environment) -> None:
    assert run_trials([BASE]).status == 0
    path = folder(environment, BASE) / "trial.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"store": "0" * 16}))
    ran = run_trials([vary(BASE, rounds=3)])
    assert ran.status == 1
    assert "store is '0000000000000000'" in ran.printed


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes where it may not")
def test_a_read_only_folder_fails_the_trial_not_the_sweep(run_trials: Run, environment: Environment) -> None:
    home = folder(environment, BASE)
    home.mkdir(parents=True)
    home.chmod(0o500)
    ran = run_trials([BASE, vary(BASE, seed=1)])
    assert ran.status == 1
    assert "PermissionError" in ran.printed


def test_a_file_in_the_way_fails_the_trial_and_leaves_no_half_record(run_trials: Run, environment: Environment) -> None:
    home = folder(environment, BASE)
    home.parent.mkdir(parents=True)
    home.write_text("a file where the trial's folder should be")
    ran = run_trials([BASE, vary(BASE, seed=1)])
    assert ran.status == 1
    assert len(read_history(folder(environment, vary(BASE, seed=1))).records) == 2


def test_mlflow_being_down_loses_nothing(
    run_trials: Run, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    ran = run_trials([BASE], tracking_uri="http://127.0.0.1:9")
    assert ran.status == 0
    assert "MLflow at http://127.0.0.1:9 did not take" in ran.printed
    assert len(read_history(folder(environment, BASE)).records) == 2


def test_a_trial_that_never_fits_is_refused(run_trials: Run) -> None:
    with pytest.raises(ConfigError, match=r"a trial asks for 64 CPUs .* this machine has 3"):
        run_trials([BASE], cpus_per_trial=64.0)


def test_scorers_in_a_sweep_choose_the_same(run_trials: Run, environment: Environment, tmp_path: Path) -> None:
    margin = vary(BASE, strategy="margin")
    assert run_trials([margin]).status == 0
    alone = numbers(read_history(folder(environment, margin)).records)
    scored = replace(environment, runs=tmp_path / "scored")
    assert run_trials([margin], runs=scored.runs, scorers=2, scorer_rows=1).status == 0
    assert numbers(read_history(folder(scored, margin)).records) == alone


def test_scorers_that_are_lost_count_as_a_worker_s_death_and_the_ids_are_the_same(
    run_trials: Run, environment: Environment, tmp_path: Path
) -> None:
    lost = tmp_path / "lost"
    lost.mkdir()
    losing = vary(BASE, strategy=Part.of("tests.ray.losing", folder=str(lost)))
    assert run_trials([losing], scorers=2, scorer_rows=1).status == 0
    assert len(list(lost.iterdir())) == 1
    disturbed = numbers(read_history(folder(environment, losing)).records)
    undisturbed = replace(environment, runs=tmp_path / "undisturbed")
    assert run_trials([losing], runs=undisturbed.runs, scorers=2, scorer_rows=1).status == 0
    assert numbers(read_history(folder(undisturbed, losing)).records) == disturbed


def test_scorers_that_are_lost_again_and_again_fail_the_trial_in_a_line(
    run_trials: Run, environment: Environment, tmp_path: Path
) -> None:
    lost = tmp_path / "lost"
    lost.mkdir()
    losing = vary(BASE, strategy=Part.of("tests.ray.losing", folder=str(lost), times=99))
    ran = run_trials([losing], scorers=1, scorer_rows=1)
    assert ran.status == 1
    assert "its worker or its scorers died 4 times" in ran.printed
    assert len(list(lost.iterdir())) == 4
    assert len(read_history(folder(environment, losing)).records) == 1


def test_a_damaged_shard_is_told_and_embedded_again(run_trials: Run, environment: Environment, tmp_path: Path) -> None:
    store = tmp_path / "store-of-its-own"
    assert run_trials([BASE], store=store).status == 0
    (shard,) = store.glob("*/shards/pool-00000.parquet")
    whole = shard.read_bytes()
    shard.write_bytes(whole[:500])
    shutil.rmtree(next(store.glob("*/arrays")))
    ran = run_trials(grid(BASE, seed=range(2)), store=store)
    assert ran.status == 0
    assert "set aside, and embedded again" in ran.printed
    assert str(shard) in ran.printed
    assert shard.read_bytes() == whole
