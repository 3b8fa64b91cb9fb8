"""What `labelbench plan` prints: what is to be provided, a table that stays short, and an estimate of time."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from labelbench_ray.api.plan_words import describe_missing, describe_time
from labelbench_ray.api.stores import provide
from labelbench_ray.commands.cli import app
from labelbench_ray.commands.plan_table import plan_table
from labelbench_ray.config import Part, Trial, grid, vary
from labelbench_ray.costs import Cost
from labelbench_ray.environment import Environment
from labelbench_ray.errors import NotProvidedError
from labelbench_ray.ledger.experiments import write_grid
from labelbench_ray.ledger.records import Entry, Grid
from labelbench_ray.ledger.trials import Failure, Header, Ledger, write_failure
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.plan import Plan, plan
from labelbench_ray.planning.time_left import time_left
from labelbench_ray.trial import parts

BASE = Trial(
    dataset=Part(name="digits"), encoder=Part(name="pixels"), strategy=Part(name="random"), seed=0, rounds=4, budget=25
)
TWO_ABSENT = """
from labelbench_ray.config import Trial

def study() -> list[Trial]:
    base = Trial(dataset="imagenet", encoder="pixels", strategy="random", seed=0, rounds=1, budget=2)
    other = Trial(dataset="cifar10", encoder="pixels", strategy="random", seed=0, rounds=1, budget=2)
    return [base, other]
"""


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "runs", tmp_path / "store", tmp_path / "data", "", executor="local")


def planned(environment: Environment, *trials: Trial) -> Plan:
    return plan(Experiment("study.study", trials), environment)


def record(folder: Path, trial: Trial, rounds: int, seconds: float) -> None:
    """Rounds of a trial that took this long each."""
    name = parts.build(trial).fingerprint
    header = Header(fingerprint=name, trial=trial, store="s", compute="c", versions={})
    with Ledger.open(folder / name, header) as ledger:
        for number in range(rounds):
            chosen = np.arange(trial.budget) + trial.budget * number
            spent = {"fit": Cost(wall=seconds / 2), "select": Cost(wall=seconds / 2)}
            tensors = {"bias": np.zeros(2)}
            ledger.publish(number, chosen, chosen % 10, trial.budget * (number + 1), {}, spent, tensors)


def shown(found: Plan) -> list[str]:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(plan_table(found.trials))
    return [" ".join(line.split()) for line in capture.get().splitlines()]


def test_up_to_forty_trials_have_a_line_each(environment: Environment) -> None:
    lines = shown(planned(environment, *grid(BASE, strategy=["random", "margin"], seed=range(20))))
    assert len(lines) == 41
    assert lines[0] == "trial strategy seed rounds done note"


def test_more_trials_have_a_line_for_all_seeds(environment: Environment) -> None:
    trials = grid(BASE, strategy=["random", "margin"], trainer=["supervised", "logistic"], seed=range(11))
    for trial, rounds in zip(trials[:3], (4, 2, 1), strict=True):
        record(environment.runs / "study.study", trial, rounds, 1)
    failed = environment.runs / "study.study" / parts.build(trials[1]).fingerprint
    write_failure(failed, Failure(error="OSError: disk full", traceback="..."))
    lines = shown(planned(environment, *trials))
    assert lines == [
        "strategy trainer trials done rounds done note",
        "random supervised 11 1 7 of 44 1 failed: OSError: disk full",
        "random logistic 11 0 0 of 44",
        "margin supervised 11 0 0 of 44",
        "margin logistic 11 0 0 of 44",
    ]


def test_settings_in_which_trials_differ_are_shown(environment: Environment) -> None:
    lines = shown(planned(environment, BASE, vary(BASE, trainer="logistic"), vary(BASE, budget=10)))
    assert lines[0] == "trial strategy trainer budget seed rounds done note"
    assert [line.split()[1:4] for line in lines[1:]] == [
        ["random", "supervised", "25"],
        ["random", "logistic", "25"],
        ["random", "supervised", "10"],
    ]


def test_time_is_estimated_from_the_rounds_of_each_strategy(environment: Environment) -> None:
    random, margin, entropy = grid(BASE, strategy=["random", "margin", "entropy"])
    record(environment.runs / "study.study", random, 4, 1)
    record(environment.runs / "study.study", margin, 2, 10)
    found = planned(environment, random, margin, entropy)
    left = time_left(found)
    assert left is not None
    # margin has 2 rounds left; entropy has 4, of which only the mean of all rounds is known: (4 * 1 + 2 * 10) / 6.
    assert (left.rounds, left.recorded, left.is_tiny) == (6, 6, False)
    assert left.seconds == pytest.approx(2 * 10 + 4 * 4)
    assert left.longest == pytest.approx(20)
    assert (left.when(1), left.when(2), left.when(9)) == pytest.approx((36, 20, 20))
    (line,) = describe_time(found, environment)
    assert line.startswith("time: about 36 s for 6 rounds, 1 trial at once, embedding not included (from 6 recorded")
    on_cluster = replace(environment, executor="ray", address="somewhere:6379")
    assert describe_time(found, on_cluster)[0].startswith(
        "time: 36 s of trials, of which the cluster runs many at once"
    )


def test_time_is_estimated_from_a_tiny_run_where_no_round_is_recorded(environment: Environment) -> None:
    found = planned(environment, BASE)
    assert time_left(found) is None
    assert "--tiny" in describe_time(found, environment)[0]
    folder = environment.runs / "study.study.tiny"
    record(folder, BASE, 2, 3)
    write_grid(folder, Grid(experiment="study.study.tiny", entries=(entry(BASE),)))
    left = time_left(found)
    assert left is not None
    assert (left.seconds, left.recorded, left.is_tiny) == (pytest.approx(12), 2, True)
    assert "at least: from 2 rounds of the --tiny run" in describe_time(found, environment)[0]


def entry(trial: Trial) -> Entry:
    return Entry(fingerprint=parts.build(trial).fingerprint, trial=trial)


def test_nothing_to_run_takes_no_time(environment: Environment) -> None:
    record(environment.runs / "study.study", BASE, 4, 1)
    assert describe_time(planned(environment, BASE), environment) == []


def test_everything_that_is_missing_is_named_first_and_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: Environment
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.py").write_text(TWO_ABSENT)
    invoke = CliRunner().invoke
    done = invoke(app, ["plan", "study.py"], standalone_mode=False)
    assert done.return_value == 0
    first, second, *others = done.output.splitlines()
    assert first.startswith("to be provided: ")
    assert "imagenet" in first
    assert second.startswith("to be provided: ")
    assert "cifar10" in second
    assert "to be provided" not in "".join(others)
    assert invoke(app, ["plan", "study.py", "--strict"], standalone_mode=False).return_value == 2
    absent = planned(environment, vary(BASE, dataset="imagenet"), vary(BASE, dataset="cifar10"))
    with pytest.raises(NotProvidedError, match=r"imagenet.*; .*cifar10"):
        provide(absent, environment)


def test_what_is_here_passes_a_strict_plan(environment: Environment) -> None:
    assert describe_missing(planned(environment, BASE)) == []


@pytest.mark.parametrize(
    ("command", "there", "absent"),
    [
        ("plan", {"--strict", "--memory-per-trial", "--address"}, {"--fit-workers", "--tracking-uri", "--verbose"}),
        ("embed", {"--encoder-actors", "--events"}, {"--fit-workers", "--cpus-per-trial", "--tracking-uri"}),
        ("run", {"--fit-workers", "--encoder-actors", "--price-per-label"}, {"--strict"}),
        ("finetune", {"--fit-workers", "--price-per-label"}, {"--scorers", "--early-stopping", "--encoder-actors"}),
    ],
)
def test_help_shows_options_by_section_and_only_where_they_act(command: str, there: set[str], absent: set[str]) -> None:
    printed = CliRunner().invoke(app, [command, "--help"]).output
    words = {word.rstrip(",") for word in printed.split()}
    assert there <= words
    assert not absent & words
    sections = [line.rstrip(":") for line in printed.splitlines() if line.endswith(":") and not line.startswith(" ")]
    quick = "Instead of an experiment file"
    wanted = [quick, "What runs", "Where", "Ray and resources", "Embedding", "Output", "Costs", "Options"]
    assert sections == [section for section in wanted if section in sections]
    assert {"What runs", "Where", "Ray and resources", "Options"} <= {*sections}
    assert (quick in sections) == (command != "finetune")


def test_an_option_that_does_not_act_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.py").write_text(TWO_ABSENT)
    done = CliRunner().invoke(app, ["plan", "study.py", "--fit-workers", "2"], standalone_mode=False)
    assert done.return_value == 0, done.output


def test_an_experiment_sees_the_data_root_that_the_command_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some have studies only where their data are; one left out without a word would be missed."""
    monkeypatch.delenv("LABELBENCH_DATA_ROOT", raising=False)
    file = tmp_path / "where.py"
    file.write_text(
        "import os\nfrom labelbench_ray.config import Trial\n\n"
        "def study() -> list[Trial]:\n"
        "    there = os.path.isdir(os.path.join(os.environ['LABELBENCH_DATA_ROOT'], 'mine'))\n"
        "    base = dict(dataset='digits', encoder='pixels', seed=0, rounds=1, budget=5)\n"
        "    return [Trial(strategy=name, **base) for name in ['random', 'margin'][: 1 + there]]\n"
    )
    places = [f"--{name}={tmp_path / name}" for name in ("runs", "store")]
    (tmp_path / "data" / "mine").mkdir(parents=True)
    for root, trials in (("data", "2 trials"), ("elsewhere", "1 trial")):
        done = CliRunner().invoke(app, ["plan", str(file), f"--data-root={tmp_path / root}", *places])
        assert done.exit_code == 0, done.output
        assert trials in done.output
    assert "LABELBENCH_DATA_ROOT" not in os.environ
