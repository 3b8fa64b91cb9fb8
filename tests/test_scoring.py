"""`--score-on`: what scores a trial's pool, what is recorded of it, and when it is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from labelbench_ray import plugins, strategies
from labelbench_ray.api.plan_words import describe_scoring
from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.ledger.trials import Header, Ledger
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.plan import plan
from labelbench_ray.pool import passes
from labelbench_ray.proxies import Classifier
from labelbench_ray.proxies._on_device import DeviceClassifier
from labelbench_ray.trial import parts
from labelbench_ray.trial.assembly import selection_job
from labelbench_ray.trial.fit_light import Fitter, LightFitter, in_process
from labelbench_ray.trial.loop import Loop
from labelbench_ray.trial.no_fit import NoFitter, untrained
from labelbench_ray.trial.scoring import ScoringDevice, check_scoring, scoring_device
from tests.samples import make_embedded

EMBEDDED = make_embedded(rows=300, classes=3, dimensions=5)
TRIAL = Trial(
    dataset=Part(name="digits"),  # never opened
    encoder=Part(name="pixels"),
    strategy=Part(name="margin"),
    trainer=Part.of("supervised", epochs=3),
    seed=0,
    rounds=3,
    budget=6,
)
HERE = ScoringDevice("cpu", 0.5)
NAMES = ("margin", "entropy", "confidence", "power_margin", "coreset", "badge")


def run(folder: Path, trial: Trial, scoring: ScoringDevice | None, fitter: Fitter | None = None) -> list[RoundRecord]:
    built = parts.build(trial)
    header = Header(fingerprint=built.fingerprint, trial=trial, store="memory", compute="numpy", versions={})
    with Ledger.open(folder, header) as ledger:
        light = LightFitter(built, EMBEDDED, (), in_process(EMBEDDED))
        loop = Loop(built, ledger, fitter or light, scoring=scoring)
        return list(loop.rounds())


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "runs", tmp_path / "store", tmp_path, "", executor="local", score_on="cuda")


@pytest.mark.parametrize("strategy", [*NAMES, "bait", "kmeans"])
def test_trials_choose_the_same_rows_by_tensors(tmp_path: Path, strategy: str):
    trial = vary(TRIAL, strategy=strategy)
    by_numpy, by_tensors = (run(tmp_path / str(scoring), trial, scoring) for scoring in (None, HERE))
    assert [each.chosen for each in by_tensors] == [each.chosen for each in by_numpy]
    for one, other in zip(by_tensors, by_numpy, strict=True):
        assert one.metrics == pytest.approx(other.metrics, rel=1e-5)


def test_a_round_records_the_device_and_its_gpu_seconds(tmp_path: Path):
    for record in run(tmp_path / "tensors", TRIAL, HERE):
        assert record.scored_on == "cpu"
        assert record.gpu["fit"] == 0
        for stage in ("select", "evaluate"):
            assert record.gpu[stage] == pytest.approx(0.5 * record.seconds[stage])
    for record in run(tmp_path / "numpy", TRIAL, None):
        assert "scored_on" not in record.model_dump_json()


def test_only_trained_classifiers_move():
    classifier = Classifier(EMBEDDED.standardization, ((np.ones((5, 3), np.float32), np.zeros(3, np.float32)),))
    moved = ScoringDevice("cuda", 1.0).place(classifier)
    assert isinstance(moved, DeviceClassifier)
    assert moved.device == "cuda"
    model = untrained(EMBEDDED)
    assert ScoringDevice("cuda", 1.0).place(model) is model
    assert [ScoringDevice("cuda", 1.0).scores(each) for each in (classifier, model)] == ["cuda", ""]


def test_a_round_whose_model_stays_where_it_is_records_no_device(tmp_path: Path):
    trial = vary(TRIAL, strategy="random")
    assert [each.scored_on for each in run(tmp_path, trial, HERE, NoFitter(EMBEDDED, in_process(EMBEDDED)))] == [
        "",
        "",
        "",
    ]


def test_strategies_state_whether_they_compute_on_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    classes = {name: plugins.load(strategies.Strategy, strategies.PACKAGE, name) for name in strategies.names()}
    assert [name for name, each in classes.items() if each.on_device is True] == sorted(NAMES)
    seen: set[type] = set()
    for name in ("small_margin", "least_confidence", "entropy", "row_minimum"):
        score = getattr(passes, name)
        monkeypatch.setattr(passes, name, lambda rows, score=score: seen.add(type(rows)) or score(rows))
    for name in [*NAMES, "bait", "typiclust"]:
        seen.clear()
        run(tmp_path / name, vary(TRIAL, strategy=name, rounds=2), HERE)
        assert (torch.Tensor in seen) == strategies.create(name).on_device


def test_a_wrapper_computes_on_the_device_as_its_strategy_does():
    assert strategies.create("subsample", strategy="margin").on_device
    assert not strategies.create("subsample", strategy="bait").on_device


def test_a_machine_without_a_gpu_refuses(environment: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    message = "--score-on cuda: torch sees no GPU on this machine; leave it out"
    with pytest.raises(ConfigError, match=message):
        check_scoring(environment)
    with pytest.raises(ConfigError, match=message):
        check_scoring(replace(environment, executor="ray", gpus_per_trial=0.5))
    with pytest.raises(ConfigError, match=message):
        run(tmp_path / "worker", TRIAL, ScoringDevice("cuda", 1.0))
    check_scoring(replace(environment, score_on="cpu"))


def test_on_a_cluster_only_the_reservation_is_checked(environment: Environment, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    on_ray = replace(environment, executor="ray", address="auto")
    with pytest.raises(ConfigError, match=r"--score-on cuda: .*Ray shows it none; add --gpus-per-trial, for example"):
        check_scoring(on_ray)
    check_scoring(replace(on_ray, gpus_per_trial=0.25))


def test_jobs_carry_the_device(environment: Environment, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    check_scoring(environment)
    shared = replace(environment, gpus_per_trial=0.25)
    job = selection_job(parts.build(TRIAL), environment.runs, shared)
    assert job.place.scoring == ScoringDevice("cuda", 0.25)
    assert scoring_device(environment) == ScoringDevice("cuda", 1.0)
    assert scoring_device(replace(shared, score_on="cpu")) is None


def test_a_plan_names_the_strategies_that_choose_on_the_cpu(environment: Environment):
    trials = tuple(vary(TRIAL, strategy=name) for name in ("margin", "bait", "random"))
    planned = plan(Experiment("tests.scoring", trials), environment)
    assert describe_scoring(planned, environment) == [
        "the GPU computes probabilities; these strategies choose on the CPU: bait, random"
    ]
    assert describe_scoring(planned, replace(environment, score_on="cpu")) == []
    ranked = plan(Experiment("tests.scoring", trials[:1]), environment)
    assert describe_scoring(ranked, environment) == []
