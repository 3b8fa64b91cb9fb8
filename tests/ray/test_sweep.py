"""Sweeps: the ledger equals the plain loop's, failures stay with their trial, the next run does the rest."""

import csv
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from labelbench_ray.config import Part, Trial, grid, vary
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.trials import History, Ledger, RoundRecord, read_history
from labelbench_ray.trial import parts
from labelbench_ray.trial.fit_light import LightFitter, in_process
from labelbench_ray.trial.loop import Loop
from tests.full_trials import DIGITS, Ran
from tests.ray.conftest import environment_in, run_grid

pytestmark = pytest.mark.ray
Run = Callable[..., Ran]
TRIALS = grid(DIGITS, strategy=["random", "margin"], seed=[0, 1])
LONGER, OF_ANOTHER_STORE, MARGIN, DAMAGED = (
    vary(trial, rounds=rounds) for trial, rounds in zip(TRIALS, (3, 3, 2, 2), strict=True)
)
ROUNDS_OF_A_LIMITED_SWEEP = 12
"""Many more than pass before the limit is looked at."""
NEW, FAULTY = vary(DIGITS, seed=2), vary(DIGITS, strategy="tests.ray.faulty")
ASKING = vary(DIGITS, seed=6, rounds=1, oracle="files")
LINKED, IN_THE_WAY, READ_ONLY = (vary(DIGITS, seed=seed) for seed in (3, 4, 5))
ROOT = os.geteuid() == 0
SCORED = {"cpus_per_trial": 1.0, "scorers": 2, "scorer_rows": 1}


def folder(environment: Environment, trial: Trial) -> Path:
    return environment.runs / "tests.grid" / parts.build(trial).fingerprint


def history(environment: Environment, trial: Trial) -> History:
    return read_history(folder(environment, trial))


def numbers(records: tuple[RoundRecord, ...] | list[RoundRecord]) -> list[object]:
    return [(record.chosen, record.labels, record.metrics, record.proxy) for record in records]


def answer(environment: Environment, trial: Trial) -> None:
    """People label every row that a trial asks for, rightly."""
    home, store = folder(environment, trial), EmbeddingStore.open(environment.store / parts.build(trial).embedding)
    truth = dict(zip(store.row_ids(), store.arrays().pool.labels_N.tolist(), strict=True))
    with (home / "batch.csv").open() as file:
        rows = [f"{row['row_id']},{truth[row['row_id']]}\n" for row in csv.DictReader(file)]
    (home / "answers" / "all.csv").write_text("row_id,label\n" + "".join(rows))


@dataclass(frozen=True)
class Swept:
    """A run, and what the ledgers of the trials that it finished held then."""

    environment: Environment
    ran: Ran
    histories: dict[str, History]
    finished: dict[Path, int]
    """Times of the last changes of the first trial's records."""

    def numbers(self, trial: Trial) -> list[object]:
        return numbers(self.histories[parts.build(trial).fingerprint].records)


@pytest.fixture(scope="module")
def swept(cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """Four trials, several at once, and one that people are to answer."""
    environment = replace(environment_in(tmp_path_factory.mktemp("swept")), cpus_per_trial=1.0)
    ran = run_grid([*TRIALS, ASKING], environment)
    histories = {parts.build(trial).fingerprint: history(environment, trial) for trial in TRIALS}
    records = folder(environment, DIGITS).glob("rounds/*")
    answer(environment, ASKING)
    return Swept(environment, ran, histories, {path: path.stat().st_mtime_ns for path in records})


@dataclass(frozen=True)
class Troubled:
    """A run of a grid of which much went wrong."""

    environment: Environment
    ran: Ran
    shard: Path
    sound_shard: bytes
    """What the damaged shard held before."""


@pytest.fixture(scope="module")
def troubled(swept: Swept) -> Iterator[Troubled]:
    """The sweep again, longer and with more trials, after a shard, a record and some folders were damaged.

    And after people answered.
    """
    here = replace(swept.environment, cpus_per_trial=3.0)
    (shard,) = here.store.glob("*/shards/pool-00000.parquet")
    sound = shard.read_bytes()
    shard.write_bytes(sound[:500])
    shutil.rmtree(next(here.store.glob("*/arrays")))
    record = folder(here, DAMAGED) / "rounds/001.json"
    record.write_text(record.read_text()[:-40])
    header = folder(here, OF_ANOTHER_STORE) / "trial.json"
    header.write_text(json.dumps(json.loads(header.read_text()) | {"store": "0" * 16}))
    for trial in (LINKED, READ_ONLY):
        folder(here, trial).mkdir()
    (folder(here, LINKED) / "rounds").symlink_to(here.data_root)
    folder(here, READ_ONLY).chmod(0o700 if ROOT else 0o500)
    folder(here, IN_THE_WAY).write_text("a file where the trial's folder should be")
    trials = [FAULTY, LINKED, IN_THE_WAY, READ_ONLY, OF_ANOTHER_STORE, DAMAGED, MARGIN, LONGER, NEW, ASKING]
    yield Troubled(here, run_grid(trials, here), shard, sound)
    folder(here, READ_ONLY).chmod(0o700)


def test_a_sweep_whose_cost_reached_its_limit_ends_between_rounds_and_the_next_run_resumes_it(
    cluster: None, swept: Swept, tmp_path: Path
):
    environment = replace(environment_in(tmp_path), store=swept.environment.store, cpus_per_trial=3.0, max_cost=1e-12)
    trials = [vary(trial, rounds=ROUNDS_OF_A_LIMITED_SWEEP) for trial in TRIALS]
    ran = run_grid(trials, environment)
    assert "--max-cost 1e-12 is reached" in ran.printed
    assert ran.status == 1
    done = sum(len(history(environment, trial).records) for trial in trials if folder(environment, trial).is_dir())
    assert done < ROUNDS_OF_A_LIMITED_SWEEP * len(trials)
    assert run_grid(trials, replace(environment, max_cost=None)).status == 0
    assert numbers(history(environment, trials[0]).records[:2]) == swept.numbers(TRIALS[0])[:2]


def test_a_sweep_equals_the_plain_loop_and_mlflow_mirrors_it(swept: Swept, tmp_path: Path) -> None:
    assert swept.ran.status == 0
    for trial in TRIALS:
        built = parts.build(trial)
        found = swept.histories[built.fingerprint]
        embedded = EmbeddingStore.open(swept.environment.store / built.embedding).arrays()
        with Ledger.open(tmp_path / "plain" / built.fingerprint, found.header) as ledger:
            plain = list(Loop(built, ledger, LightFitter(built, embedded, (), in_process(embedded))).rounds())
        assert numbers(plain) == numbers(found.records)
    assert (swept.environment.runs / "tests.grid/report.html").exists()
    assert check_mirror(swept, TRIALS) == {parts.build(trial).fingerprint for trial in [*TRIALS, ASKING]}


def test_a_trial_that_people_answer_waits_and_goes_on(swept: Swept, troubled: Troubled) -> None:
    assert "4 trials done, 0 failed, 0 not finished, 1 awaiting labels; 0 were done before" in swept.ran.printed
    batch = folder(swept.environment, ASKING) / "batch.csv"
    assert f"random, seed 6: round 0 awaits 20 of 20 labels: {batch}; label its rows" in swept.ran.printed
    with batch.open() as file:
        assert all(Path(row["path"]).is_file() for row in csv.DictReader(file))
    check_mirror(troubled, [ASKING])
    (record,) = history(troubled.environment, ASKING).records
    embedded = EmbeddingStore.open(swept.environment.store / parts.build(ASKING).embedding).arrays()
    assert list(record.labels) == embedded.pool.labels_N[list(record.chosen)].tolist()


def check_mirror(swept: Swept | Troubled, finished: list[Trial]) -> set[str]:
    """MLflow has what the ledgers of these trials say; returns the fingerprints of all that it has."""
    client = MlflowClient(swept.environment.tracking_uri)
    experiment = client.get_experiment_by_name("tests.grid")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = {run.data.tags["labelbench.fingerprint"]: run for run in runs if run not in parents}
    assert [parent.info.status for parent in parents] == ["FINISHED"]
    assert {file.path for file in client.list_artifacts(parents[0].info.run_id)} == {"report.html"}
    for trial in finished:
        run = children[parts.build(trial).fingerprint]
        assert run.info.status == "FINISHED"
        assert run.data.params["strategy"] == trial.strategy.name
        logged = client.get_metric_history(run.info.run_id, "Main/Test Accuracy")
        assert [(metric.step, metric.value) for metric in logged] == [
            (record.num_labeled, record.metrics["Test Accuracy"])
            for record in history(swept.environment, trial).records
        ]
        assert {file.path for file in client.list_artifacts(run.info.run_id)} == {"chosen.csv"}
    return set(children)


def test_running_again_does_only_what_is_missing(swept: Swept, troubled: Troubled) -> None:
    again = run_grid([LONGER, DAMAGED, MARGIN, NEW], troubled.environment)
    assert again.status == 0
    assert "nothing to run" in again.printed
    assert len(history(troubled.environment, LONGER).records) == 3
    assert len(history(troubled.environment, NEW).records) == 2
    assert len(swept.finished) == 6, "two records, their proxies and their hits"
    assert {path: path.stat().st_mtime_ns for path in swept.finished} == swept.finished
    check_mirror(troubled, [LONGER, DAMAGED, MARGIN, NEW])


def test_a_trial_that_raises_is_recorded_and_the_others_go_on(troubled: Troubled) -> None:
    assert troubled.ran.status == 1
    assert f"{4 + ROOT} trials done, {5 - ROOT} failed, 0 not finished; 1 were done before" in troubled.ran.printed
    line = r"failed: tests\.ray\.faulty, seed 0: .*faulty\.py, line \d+: RuntimeError: planned failure with 20 labels\n"
    assert re.search(line, troubled.ran.printed)
    found = history(troubled.environment, FAULTY)
    assert len(found.records) == 1
    assert found.failure is not None
    assert "planned failure" in found.failure.traceback


def test_a_trial_that_fails_before_its_ledger_is_open_is_recorded_too(troubled: Troubled) -> None:
    home = folder(troubled.environment, LINKED)
    assert "LedgerError" in json.loads((home / "failure.json").read_text())["traceback"]


def test_a_damaged_record_is_set_aside_reported_and_run_again(swept: Swept, troubled: Troubled) -> None:
    assert "set aside, and run again" in troubled.ran.printed
    assert "001.json" in troubled.ran.printed
    assert numbers(history(troubled.environment, DAMAGED).records) == swept.numbers(DAMAGED)
    assert len(list((folder(troubled.environment, DAMAGED) / "quarantine").iterdir())) == 1


def test_rounds_of_another_store_are_refused(troubled: Troubled) -> None:
    assert "store is '0000000000000000'" in troubled.ran.printed
    assert len(list(folder(troubled.environment, OF_ANOTHER_STORE).glob("rounds/*.json"))) == 2


@pytest.mark.skipif(ROOT, reason="root writes where it may not")
def test_a_read_only_folder_fails_the_trial_not_the_sweep(troubled: Troubled) -> None:
    assert "PermissionError" in troubled.ran.printed


def test_a_file_in_the_way_fails_the_trial_and_leaves_no_half_record(troubled: Troubled) -> None:
    assert f"failed: random, seed {IN_THE_WAY.seed}" in troubled.ran.printed
    assert folder(troubled.environment, IN_THE_WAY).is_file()


def test_a_damaged_shard_is_reported_and_embedded_again(troubled: Troubled) -> None:
    assert "set aside, and embedded again" in troubled.ran.printed
    assert str(troubled.shard) in troubled.ran.printed
    assert troubled.shard.read_bytes() == troubled.sound_shard


def test_scorers_choose_the_same_and_mlflow_being_down_loses_nothing(
    run_trials: Run, swept: Swept, environment: Environment
) -> None:
    ran = run_trials([MARGIN], **SCORED, store=swept.environment.store, tracking_uri="http://127.0.0.1:9")
    assert ran.status == 0
    assert "MLflow at http://127.0.0.1:9 did not take" in ran.printed
    assert numbers(history(environment, MARGIN).records) == swept.numbers(MARGIN)


def test_a_trial_that_never_fits_is_refused(run_trials: Run, digits_store: Path) -> None:
    with pytest.raises(ConfigError, match=r"a trial asks for 64 CPUs .* this machine has 3"):
        run_trials([DIGITS], store=digits_store, cpus_per_trial=64.0)


def test_scorers_that_are_lost_count_as_a_worker_s_death_and_the_ids_are_the_same(
    run_trials: Run, environment: Environment, digits_store: Path, tmp_path: Path
) -> None:
    lost = tmp_path / "lost"
    lost.mkdir()
    losing = vary(DIGITS, strategy=Part.of("tests.ray.losing", folder=str(lost)))
    assert run_trials([losing], **SCORED, store=digits_store).status == 0
    assert len(list(lost.iterdir())) == 1
    disturbed = numbers(read_history(folder(environment, losing)).records)
    undisturbed = replace(environment, runs=tmp_path / "undisturbed")
    assert run_trials([losing], runs=undisturbed.runs, **SCORED, store=digits_store).status == 0
    assert numbers(read_history(folder(undisturbed, losing)).records) == disturbed


def test_scorers_that_are_lost_again_and_again_fail_the_trial_in_a_line(
    run_trials: Run, environment: Environment, digits_store: Path, tmp_path: Path
) -> None:
    lost = tmp_path / "lost"
    lost.mkdir()
    losing = vary(DIGITS, strategy=Part.of("tests.ray.losing", folder=str(lost), times=99))
    ran = run_trials([losing], **SCORED | {"scorers": 1}, store=digits_store)
    assert ran.status == 1
    assert "its worker or its scorers died 4 times" in ran.printed
    assert len(list(lost.iterdir())) == 4
    assert len(read_history(folder(environment, losing)).records) == 1
