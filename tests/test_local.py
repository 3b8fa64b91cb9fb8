"""`--executor local`: the same commands in one process, without Ray. That ledgers equal Ray's: tests/ray."""

import ast
import io
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from labelbench_ray.api.executors import executor_of
from labelbench_ray.api.follow import SweepMonitor
from labelbench_ray.api.plan_words import describe_memory
from labelbench_ray.api.run_plan import run_plan
from labelbench_ray.commands.finetune import finetune
from labelbench_ray.config import Part, Trial, grid, vary
from labelbench_ray.embeddings.augmented import augmented_pairs
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.environment import NEED_RAY, ONE_THREAD, Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.failures import read_failure
from labelbench_ray.ledger.finetunes import read_finetune_records
from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.ledger.trials import read_history
from labelbench_ray.planning import experiment, plan
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.storage.locks import locked
from labelbench_ray.trial import parts, place
from labelbench_ray.trial.scoring import ScoringDevice
from tests.full_trials import DIGITS, LIGHT, Ran, untimed
from tests.full_trials import finetune as finetuned_at
from tests.samples import write_module

ROOT = Path(__file__).resolve().parents[1]
QUICKSTART = str(ROOT / "experiments/quickstart.py")
WORDS = ["labelbench", "run", QUICKSTART, "--tiny", "--executor", "local"]
PROGRAM = f"""
import sys
sys.argv[:] = {WORDS}
from labelbench_ray.__main__ import main
try:
    main()
finally:
    print("of Ray:", [name for name in sys.modules if name.split(".")[0] == "ray"])
"""
LIMIT_SECONDS = 600.0


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One MLflow for all: making its database takes longer than a run here."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def environment(tmp_path: Path, mlflow: str) -> Environment:
    return Environment(tmp_path / "runs", tmp_path / "store", tmp_path / "data", mlflow, executor="local")


def command(what: Callable[..., int], trials: list[Trial], environment: Environment) -> Ran:
    """Run a grid as a command does."""
    console = Console(file=io.StringIO(), width=200)
    status = what(plan.plan(Experiment("tests.grid", tuple(trials)), environment), environment, console)
    return Ran(status, console.file.getvalue())


def folder_of(environment: Environment, trial: Trial) -> Path:
    return environment.runs / "tests.grid" / parts.build(trial).fingerprint


def records(environment: Environment, trial: Trial) -> list[RoundRecord]:
    return list(read_history(folder_of(environment, trial)).records)


# A command that is ended and started again.


@dataclass(frozen=True)
class Ended:
    """`labelbench run experiments/quickstart.py --tiny`: SIGTERM, then kill -9, then to its end."""

    folder: Path
    interrupted: Ran
    """Its standard error."""
    after_kill: dict[Path, int]
    """Finished files, with the times of their last changes."""
    at_the_end: dict[Path, int]
    last: Ran


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, mlflow: str) -> Iterator[Ended]:
    folder = tmp_path_factory.mktemp("ended")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("LABELBENCH_TRACKING_URI", mlflow)
        yield end_twice(folder)


def end_twice(folder: Path) -> Ended:
    process = started(folder)
    process.send_signal(signal.SIGTERM)
    interrupted = Ran(0, process.communicate(timeout=LIMIT_SECONDS)[1])
    interrupted = replace(interrupted, status=process.returncode)
    process = started(folder)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=LIMIT_SECONDS)
    after_kill = finished(folder)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=folder, capture_output=True, text=True, timeout=LIMIT_SECONDS
    )
    return Ended(folder, interrupted, after_kill, finished(folder), Ran(done.returncode, done.stdout + done.stderr))


def started(folder: Path) -> "subprocess.Popen[str]":
    """The command, once it has recorded another round."""
    before = len(finished(folder))
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    limit = time.monotonic() + LIMIT_SECONDS
    while len(finished(folder)) == before:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < limit
        time.sleep(0.002)
    return process


def finished(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/*/rounds/[0-9]*.json")}


def test_ray_is_never_imported(ended: Ended):
    assert ended.last.status == 0, ended.last.printed
    assert ended.last.printed.rstrip().endswith("of Ray: []")
    assert "40 trials done" not in ended.last.printed, "some were done before"
    assert "0 failed, 0 not finished" in ended.last.printed


def test_a_signal_ends_it_with_the_line_that_goes_on(ended: Ended):
    assert ended.interrupted.status == 143
    assert ended.interrupted.printed.splitlines()[-1].startswith("interrupted by SIGTERM; what is finished is recorded")


def test_killed_and_started_again_gives_the_same_and_repeats_nothing(ended: Ended, environment: Environment):
    assert 0 < len(ended.after_kill) < len(ended.at_the_end) == 80
    assert {path: ended.at_the_end.get(path) for path in ended.after_kill} == ended.after_kill
    trials = [trial for trial in experiment.load(QUICKSTART, shrink=True).trials if trial.seed == 0]
    assert command(run_plan, trials, environment).status == 0
    for trial in trials:
        resumed = read_history(
            ended.folder / "runs/quickstart.quickstart.tiny" / parts.build(trial).fingerprint
        ).records
        assert untimed(resumed) == untimed(records(environment, trial))


# Trials that fail, and what is refused.

FAULTY = '''
import sys
from labelbench_ray.strategies.random import Random

class Faulty(Random):
    """Fails in the second round."""

    leaves: bool = False

    def choose(self, view, budget, rng, ask=None):
        if len(view.labeled_L) and view.num_rows == 300:
            sys.exit("enough") if self.leaves else [][1]
        return super().choose(view, budget, rng, ask)
'''


def test_a_failure_ends_its_own_trial_only(environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    faulty = Part(name=write_module(tmp_path, "faulty", FAULTY, monkeypatch))
    raises, leaves = vary(DIGITS, strategy=faulty), vary(DIGITS, strategy=Part.of(faulty.name, leaves=True))
    ran = command(run_plan, [raises, leaves, DIGITS], environment)
    assert ran.status == 1
    assert "1 trials done, 2 failed, 0 not finished" in ran.printed
    assert "part.py, line 12: IndexError: list index out of range" in ran.printed
    assert "part.py, line 12: SystemExit: enough" in ran.printed
    assert len(records(environment, raises)) == 1
    assert len(records(environment, DIGITS)) == 2
    failure = read_failure(folder_of(environment, raises))
    assert failure is not None
    assert "in choose" in failure.traceback
    again = command(run_plan, [raises, leaves, DIGITS], environment)
    assert "0 trials done, 2 failed, 0 not finished; 1 were done before" in again.printed


@pytest.mark.parametrize("name", NEED_RAY)
def test_an_option_that_needs_ray_is_refused_by_name(environment: Environment, name: str):
    given = {"address": "auto", "fit_workers": 2, "early_stopping": True}.get(name, 3)
    option = f"--{name.replace('_', '-')}"
    with pytest.raises(ConfigError, match=rf"--executor local .* apply to: {option}\b.*; leave them out, or use --ex"):
        replace(environment, **{name: given})
    assert replace(environment, executor="ray", **{name: given})


def test_gpus_are_refused_where_there_are_none(environment: Environment, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with (
        pytest.raises(ConfigError, match="--gpus-per-trial 1: torch sees no GPU on this machine; leave it out"),
        executor_of(replace(environment, gpus_per_trial=1.0)).started(),
    ):
        pass


def test_a_command_scores_on_the_device_that_it_is_given(environment: Environment, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(place, "scoring_device", lambda environment: ScoringDevice("cpu", 0.5))
    assert command(run_plan, [DIGITS], environment).status == 0
    assert {each.scored_on for each in records(environment, DIGITS)} == {"cpu"}


def test_it_computes_on_one_thread_and_leaves_the_process_as_it_was(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    threads = torch.get_num_threads()
    with executor_of(environment).started():
        assert torch.get_num_threads() == 1
        assert {name: os.environ[name] for name in ONE_THREAD} == ONE_THREAD
    assert torch.get_num_threads() == threads
    assert os.environ["OMP_NUM_THREADS"] == "2"
    assert "MKL_NUM_THREADS" not in os.environ


# The loop by hand.


def test_the_example_s_loop_is_short_public_and_learns(capsys: pytest.CaptureFixture[str]):
    text = (ROOT / "examples/loop.py").read_text()
    assert len(text.splitlines()) <= 30
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    attributes = {node.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}
    modules = {node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}
    assert not [name for name in names | attributes if name.startswith("_") and name != "_"]
    assert not [name for name in modules if "._" in str(name) or "cluster" in str(name)]
    runpy.run_path(str(ROOT / "examples/loop.py"))
    lines = capsys.readouterr().out.splitlines()
    accuracies = [float(line.rpartition(" ")[2]) for line in lines]
    assert [line.split()[0] for line in lines] == ["40", "80", "120", "160", "200"]
    assert accuracies[-1] > accuracies[0] + 0.05


# What else a command does.


def test_a_row_whose_decoder_crashes_becomes_a_reject(environment: Environment):
    for split, rows in (("train", 40), ("test", 12)):
        for row in range(rows):
            path = environment.data_root / "images" / split / f"class{row % 2}" / f"{row}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels_HW = np.random.default_rng(row).integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels_HW).save(path)
            if split == "train" and row == 3:
                path.write_bytes(path.read_bytes() + b"crash")
    images = Part.of("image_folder", path="images")
    trial = vary(DIGITS, dataset=images, encoder=Part(name="tests.deadly"), rounds=1, budget=5)
    ran = command(run_plan, [trial], replace(environment, max_reject_fraction=0.1))
    assert ran.status == 0, ran.printed
    store = EmbeddingStore.open(environment.store / parts.build(trial).embedding)
    assert store.manifest.rejects == 1
    assert store.manifest.spent.cpu > 0


def test_augmented_views_and_fine_tunes(environment: Environment):
    semi = vary(LIGHT, trainer=Part.of("flexmatch", epochs=2, augmentation="images", views=2), rounds=1)
    tuned = vary(LIGHT, finetune=finetuned_at(12), rounds=1)
    ran = command(run_plan, [semi, tuned], environment)
    assert ran.status == 0, ran.printed
    wanted = parts.build(semi).wanted_views
    assert wanted is not None
    store = EmbeddingStore.open(environment.store / parts.build(semi).embedding)
    assert len(augmented_pairs(store, wanted.digest, wanted.count)) == 2
    ran = command(finetune, [tuned], environment)
    assert ran.status == 0, ran.printed
    (directory,) = folder_of(environment, tuned).glob("finetune/*")
    assert list(read_finetune_records(directory)) == [12]


def test_it_waits_for_a_lock_and_reports_whose(environment: Environment, monkeypatch: pytest.MonkeyPatch):
    command(run_plan, [vary(DIGITS, rounds=1)], environment)
    reported = threading.Event()
    on_waiting = SweepMonitor.on_waiting

    def waiting(*given: object) -> None:
        on_waiting(*given)  # type: ignore[arg-type]
        reported.set()

    monkeypatch.setattr(SweepMonitor, "on_waiting", waiting)
    held = threading.Event()

    def hold() -> None:
        with locked(folder_of(environment, DIGITS) / "lock"):
            held.set()
            reported.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(20)
    ran = command(run_plan, [DIGITS], environment)
    thread.join()
    assert ran.status == 0
    assert reported.is_set()
    assert str(os.getpid()) in ran.printed


def test_a_plan_states_that_trials_run_one_after_the_other(environment: Environment):
    planned = plan.plan(Experiment("tests.grid", tuple(grid(DIGITS, seed=range(2)))), environment)
    assert describe_memory(planned, environment).endswith("(estimated), one after the other in this process")


def test_a_plan_states_what_scorers_and_the_driver_need_for_a_large_pool(environment: Environment):
    planned = plan.plan(Experiment("tests.grid", (DIGITS,)), environment)
    on_ray = replace(environment, executor="ray", scorers=2)
    assert "scorers" not in describe_memory(planned, on_ray)
    assert describe_memory(planned, replace(on_ray, scorer_rows=1)).endswith(
        "; not reserved: 0.70 GiB for each of a trial's 2 scorers, and 0.70 GiB for this process while it embeds"
    )
