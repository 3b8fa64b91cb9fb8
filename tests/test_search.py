"""Searches: which points are suggested, that a resumed one suggests the same, what is refused, and what is printed."""

import io
import itertools
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from labelbench_ray.api.preparation import planned
from labelbench_ray.api.run import run_experiment
from labelbench_ray.api.search import describe_best, describe_search, points_of, ranked_points, value_of
from labelbench_ray.cluster import searchers
from labelbench_ray.config import Part, Trial, grid
from labelbench_ray.costs import ASSUMED
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.exports.document import document
from labelbench_ray.ledger.state import TrialState
from labelbench_ray.planning import experiment
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.search import Search, choice, integers, loguniform, uniform
from labelbench_ray.planning.search_checks import check_search, check_validation
from labelbench_ray.report import build, page

RATE = "trainer.learning_rate"
BASE = Trial(
    dataset=Part.of("digits", max_rows=150),
    encoder="pixels",
    strategy="random",
    trainer=Part.of("supervised", epochs=2, learning_rate=1e-4),
    seed=0,
    rounds=1,
    budget=40,
)
SEARCH = Search(BASE, over={RATE: loguniform(1e-4, 1), "trainer.epochs": integers(1, 4)}, trials=5, batch=2)


def reached(search: Search, best: float = -2.0) -> list[float]:
    """The values of a search, run to its end, whose objective is largest where the rate's logarithm is `best`."""
    values: list[float] = []
    while len(points := searchers.suggested(search, values)) > len(values):
        values = [-((math.log10(point[RATE]) - best) ** 2) for point in points]
    return values


@pytest.fixture(params=[True, False], ids=["optuna", "random"])
def with_optuna(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param:
        pytest.importorskip("optuna")
    monkeypatch.setattr(searchers, "has_optuna", lambda: request.param)
    return bool(request.param)


def test_points_are_the_same_each_time_and_within_their_ranges(with_optuna: bool):
    over = {RATE: loguniform(1e-4, 1), "trainer.mixup": uniform(0, 0.5), "trainer.patience": integers(3, 4)}
    search = Search(BASE, {**over, "trainer.epochs": choice(1, 5, 25)}, trials=20, batch=20)
    points = searchers.suggested(search, [])
    assert points == searchers.suggested(search, [])
    assert points != searchers.suggested(search.model_copy(update={"seed": 1}), [])
    assert all(1e-4 <= point[RATE] <= 1 and 0 <= point["trainer.mixup"] <= 0.5 for point in points)
    assert {point["trainer.patience"] for point in points} == {3, 4}
    assert {point["trainer.epochs"] for point in points} == {1, 5, 25}
    assert all(isinstance(point["trainer.epochs"], int) for point in points)


def test_more_trials_continue_the_same_search(with_optuna: bool):
    shorter, longer = (SEARCH.model_copy(update={"trials": trials}) for trials in (3, 6))
    few = searchers.suggested(shorter, [0.1, 0.2])
    assert searchers.suggested(longer, [0.1, 0.2])[: len(few)] == few


def test_a_batch_depends_on_the_results_before_it_alone():
    pytest.importorskip("optuna")
    search = Search(BASE, {RATE: loguniform(1e-4, 1)}, trials=30, batch=5)
    values = reached(search)
    for done in (0, 5, 20):
        assert searchers.suggested(search, values[:done]) == searchers.suggested(search, values)[: done + 5]
    other = [-value for value in values]
    assert searchers.suggested(search, other) != searchers.suggested(search, values)
    assert len(searchers.suggested(search, [*values[:10], *[None] * 5])) == 20


def test_optuna_finds_the_best_point_of_a_parabola():
    pytest.importorskip("optuna")
    searches = [Search(BASE, {RATE: loguniform(1e-6, 100)}, trials=40, seed=seed) for seed in range(3)]
    for values in map(reached, searches):
        assert max(values) > -(0.3**2)
        assert sum(values[30:]) / 10 > sum(values[:10]) / 10  # it learns from results


def test_a_point_changes_its_settings_alone():
    trial = SEARCH.trial({RATE: 0.5, "trainer.epochs": 3, "proxy.x": 1.0})
    assert trial.trainer == Part.of("supervised", epochs=3, learning_rate=0.5)
    assert trial.proxy == Part.of("linear", x=1.0)
    assert trial.model_copy(update={"trainer": BASE.trainer, "proxy": BASE.proxy}) == BASE


@pytest.mark.parametrize(
    ("over", "changed", "words"),
    [
        ({"trainer.learning_rat": uniform(0.1, 1)}, {}, "'learning_rat'; did you mean 'learning_rate'"),
        ({"trainer.keep": choice(1, 2)}, {}, "trainer.keep is not a number in the trainer 'supervised'; use grid"),
        ({"trianer.epochs": integers(1, 2)}, {}, "'trianer'; did you mean 'trainer'"),
        ({"epochs": integers(1, 2)}, {}, "no part called 'epochs'"),
        ({"strategy.x": uniform(0, 1)}, {}, "strategy.x decides which rows are labeled or what is measured"),
        ({"dataset.max_rows": integers(10, 20)}, {}, "dataset.max_rows decides which rows"),
        ({"trainer.epochs": uniform(1, 9)}, {}, r"trainer.epochs is a whole number; use integers\(1, 9\)"),
        ({"trainer.label_smoothing": uniform(0, 2)}, {}, r"label_smoothing, uniform\(0, 2\), at 2: .*less than 1"),
        ({RATE: uniform(0.1, 1)}, {"strategy": "margin", "rounds": 2}, "strategy margin reads probabilities"),
        (
            {RATE: uniform(0.1, 1)},
            {"strategy": Part.of("partition", strategy="badge"), "rounds": 2},
            "reads probabilities, which the searched settings change",
        ),
        ({"encoder.size": integers(4, 8)}, {"first_batch": "kmeans"}, "no setting of the encoder|reads embeddings"),
        ({RATE: uniform(0.1, 1)}, {"oracle": "files"}, "answers between runs"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(over: dict[str, Any], changed: dict[str, Any], words: str):
    base = grid(BASE, **{name: [value] for name, value in changed.items()})[0]
    with pytest.raises(ConfigError, match=words):
        check_search(Search(base, over, trials=3))


@pytest.mark.parametrize("strategy", ["random", "coreset", "kmeans"])
def test_strategies_that_read_no_predictions_may_be_searched_over_rounds(strategy: str):
    check_search(Search(grid(BASE, strategy=[strategy], rounds=[3])[0], {RATE: uniform(0.1, 1)}, trials=3))


def test_a_strategy_does_not_matter_in_one_round():
    check_search(Search(grid(BASE, strategy=["margin"])[0], {RATE: uniform(0.1, 1)}, trials=3))


def test_empty_ranges_and_the_search_s_own_seed_are_refused():
    with pytest.raises(ConfigError, match="uniform: low 2 must be less than high 1"):
        uniform(2, 1)
    with pytest.raises(ConfigError, match=r"loguniform: low: .*greater than 0"):
        loguniform(0, 1)
    with pytest.raises(ValueError, match="check_seeds: 0 is the seed of the search"):
        Search(BASE, {RATE: uniform(0.1, 1)}, trials=1, check_seeds=(0, 1))


def environment_in(folder: Path) -> Environment:
    return Environment(folder / "runs", folder / "store", folder, f"sqlite:///{folder / 'mlflow.db'}", executor="local")


def run(search: Search, environment: Environment) -> tuple[Any, int, str]:
    console = Console(file=io.StringIO(), width=200)
    plan, status = run_experiment(Experiment.of("study.tune", search), environment, console, ASSUMED)
    return plan, status, console.file.getvalue()


def modified(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.glob("*/rounds/*.json")}


@pytest.fixture(autouse=True)
def no_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Creating its database takes longer than these searches."""
    monkeypatch.setattr("labelbench_ray.api.run_plan.is_installed", lambda: False)
    monkeypatch.setattr("labelbench_ray.api.run.is_installed", lambda: False)


def test_a_search_runs_its_base_and_points_and_then_checks_the_best(tmp_path, with_optuna: bool):
    environment = environment_in(tmp_path)
    search = SEARCH.model_copy(update={"check_seeds": (1, 2)})
    interrupted, status, _ = run(search.model_copy(update={"trials": 3, "check_seeds": ()}), environment)
    assert status == 0
    assert len(interrupted.trials) == 4
    before = modified(environment.runs / "study.tune")

    plan, status, printed = run(search, environment)
    assert status == 0, printed
    points, records = points_of(plan), modified(environment.runs / "study.tune")
    assert len(points) == search.trials
    assert len(records) == 1 + search.trials + 2 * len(search.check_seeds)
    assert {path: records[path] for path in before} == before  # the same points again, whose ledgers were done

    again = planned(Experiment.of("study.tune", search), environment, Console(file=io.StringIO()))
    assert not again.missing
    assert [each.parts.fingerprint for each in again.trials] == [each.parts.fingerprint for each in plan.trials]
    assert len({each.progress.records[0].chosen for each in points_of(again)}) == 1  # fixed label sets
    best = ranked_points(points_of(again))[0]
    assert value_of(best) == max(value_of(each) or 0 for each in points_of(again))
    assert value_of(best) == best.progress.records[-1].metrics["Validation Accuracy"]
    stated = describe_best(again)
    assert f"Validation Accuracy {value_of(best):.4f}, the base has" in stated[0]
    assert "on 2 other seeds the best point has Test Accuracy" in stated[-1]
    values = [float(line.rpartition(" ")[2]) for line in stated[1:-1]]
    assert len(values) >= 2
    assert values == sorted(values, reverse=True)
    assert all(line in printed for line in stated)
    assert ("Optuna's TPE" in printed) == with_optuna

    report = build(environment.runs / "study.tune")
    found = report.across.search
    assert found is not None
    assert found.base.value == value_of(again.trials[0])
    assert [point.value for point in found.points] == sorted(map(value_of, points_of(again)), reverse=True)
    assert found.points[0].run.fingerprint == best.parts.fingerprint
    assert found.points[0].settings == {
        f"trainer.{name}": value for name, value in best.parts.trial.trainer.settings.items()
    }
    assert found.gain is not None
    assert found.gain.seeds == 2
    assert f"Test Accuracy {found.gain.value:+.4f} over the base" in stated[-1]
    assert document(report)["search"]["points"][0]["trial"] == best.parts.fingerprint
    shown = page(report)
    assert "The points of the search" in shown
    assert "What each part contributes" not in shown
    assert shown.count(f">{best.parts.fingerprint}<") >= 1
    assert "Validation Accuracy of 5 points, in %, against trainer.learning_rate" in shown
    assert run(search, environment)[1] == 0
    assert modified(environment.runs / "study.tune") == records


def test_a_point_that_fails_ends_neither_the_search_nor_its_status(tmp_path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("optuna")
    from labelbench_ray.trainers.supervised import Supervised

    loss, fits = Supervised.loss, itertools.count()

    def failing(self: Supervised, step: Any) -> Any:
        if self.learning_rate > 1e-3 and next(fits) == 0:
            raise ValueError("it diverged")
        return loss(self, step)

    monkeypatch.setattr(Supervised, "loss", failing)
    plan, status, printed = run(SEARCH, environment_in(tmp_path))
    assert status == 1
    assert len(points_of(plan)) == SEARCH.trials, printed
    states = [
        each.progress.state for each in planned(plan.experiment, environment_in(tmp_path), Console(quiet=True)).trials
    ]
    assert states.count(TrialState.FAILED) == 1


def test_a_plan_shows_the_first_batch_and_what_is_to_come(tmp_path):
    pytest.importorskip("optuna")
    search = SEARCH.model_copy(update={"check_seeds": (1,)})
    plan = planned(Experiment.of("study.tune", search), environment_in(tmp_path), Console(file=io.StringIO()))
    assert len(plan.trials) == 1 + search.batch
    lines = describe_search(plan)
    assert "search: 2 of 5 points are suggested, by Optuna's TPE with seed 0, 2 at a time" in lines[0]
    assert lines[1:] == [
        "  trainer.learning_rate: loguniform(0.0001, 1)",
        "  trainer.epochs: integers(1, 4)",
        "to come: 3 further points and 2 trials of check seeds, 5 rounds in all",
    ]
    assert describe_best(plan) == []
    store = replace(plan.stores[0], rows={**plan.stores[0].rows, "validation": 0})
    with pytest.raises(ConfigError, match=r"digits\(max_rows=150\) has no validation rows"):
        check_validation(replace(plan, stores=(store,)))


def test_a_file_may_define_a_search(tmp_path):
    file = tmp_path / "tuning.py"
    file.write_text(
        "from labelbench_ray import Search, Trial, loguniform\n"
        f"BASE = Trial.model_validate({BASE.model_dump()!r})\n"
        "def rates() -> Search:\n"
        '    return Search(BASE, over={"trainer.learning_rate": loguniform(1e-4, 1)}, trials=30, check_seeds=(1, 2))\n'
    )
    loaded, small = (experiment.load(str(file), shrink) for shrink in (False, True))
    assert loaded.name == "tuning.rates"
    assert loaded.search is not None
    assert loaded.trials == (BASE,)
    assert small.name == "tuning.rates.tiny"
    assert small.search is not None
    assert (small.search.trials, small.search.check_seeds) == (3, (1,))
    assert small.search.base.budget < BASE.budget
    sys.modules.pop("labelbench_experiment_tuning", None)
