"""Fine-tunes: a point at each budget, the same whatever was killed, compared with the proxy of the same labels."""

import json
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from safetensors.numpy import load_file
from scipy.stats import spearmanr

from labelbench_ray.config import Part, vary
from labelbench_ray.errors import LedgerError
from labelbench_ray.ledger.finetunes import read_finetune_records
from labelbench_ray.ledger.trials import Ledger, read_history
from labelbench_ray.storage.checksummed import to_checked_json
from labelbench_ray.trial import parts
from labelbench_ray.trial.assembly import CHECKPOINT, full_fitter, light_fitter
from labelbench_ray.trial.bought import bought_ids, bought_labels
from labelbench_ray.trial.fit_light import in_process
from tests.full_trials import (
    LIGHT,
    MODEL,
    QUICK,
    Home,
    Killed,
    finetune,
    kill_after,
    make_home,
    make_store,
    run_with_kills,
    untimed,
)

BUDGETS = (12, 20, 36)
TUNED = vary(LIGHT, finetune=finetune(*BUDGETS))
FIDELITY = {"Fidelity Batch Overlap", "Fidelity Score Correlation", "Fidelity Accuracy Gap"}
STILL = Part.of("supervised", **QUICK | {"learning_rate": 1e-30})
IN_EVERY_ROUND = vary(LIGHT, proxy=MODEL, trainer=finetune().trainer, rounds=2, finetune=finetune(12))
AS_PROXY = Part.of("full_model", **MODEL.settings, head="from_proxy")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("digits")
    make_store(LIGHT, folder, folder)
    return folder


@pytest.fixture
def home(tmp_path, store) -> Home:
    return make_home(tmp_path, store)


@pytest.fixture
def bought(home) -> Home:
    """The trial has bought its labels."""
    home.run(TUNED)
    return home


def test_every_budget_has_a_point_with_its_metrics_times_and_model(bought):
    found = bought.tune(TUNED)
    assert tuple(found) == BUDGETS
    for budget, point in found.items():
        assert point.num_labeled == budget == point.metrics["Num Labeled"]
        assert {"Test Accuracy", "Pool Accuracy", "Validation Accuracy"} <= set(point.metrics)
        assert point.metrics["Num Validation Labels"] == 20
        assert set(point.seconds) == set(point.cpu) == {"fine-tune", "score", "evaluate", "fidelity"}
        file = bought.finetune_job(TUNED).directory / f"{budget:06d}.safetensors"
        assert file.stat().st_size == point.bytes_written
    assert not (bought.finetune_job(TUNED).directory / CHECKPOINT).exists()


def test_only_where_a_proxy_knew_the_same_labels_are_both_compared(bought):
    found = bought.tune(TUNED)
    assert {budget: FIDELITY & set(point.metrics) for budget, point in found.items()} == {
        12: FIDELITY,
        20: set(),
        36: FIDELITY,
    }
    records = bought.run(TUNED)
    for budget, record in ((12, records[0]), (36, records[2])):
        gap = found[budget].metrics["Test Accuracy"] - record.metrics["Test Accuracy"]
        assert found[budget].metrics["Fidelity Accuracy Gap"] == pytest.approx(gap)


def test_a_second_call_does_nothing_and_more_budgets_add_points_only(bought):
    job = bought.finetune_job(vary(LIGHT, finetune=finetune(12)))
    assert list(job.steps()) == [1]
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in job.directory.glob("000012.*")}
    assert list(job.steps()) == []
    more = bought.finetune_job(TUNED)
    assert more.directory == job.directory
    assert list(more.steps()) == [1, 2]
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in before} == before
    assert len(before) == 3  # the record, the model, and which rows it had right
    assert tuple(read_finetune_records(job.directory)) == BUDGETS


def test_a_point_does_not_depend_on_the_budgets_beside_it(bought, tmp_path, store):
    alone = make_home(tmp_path / "alone", store)
    one = vary(LIGHT, finetune=finetune(20))
    alone.run(one)
    assert untimed([alone.tune(one)[20]]) == untimed([bought.tune(TUNED)[20]])


@pytest.mark.parametrize("points", [1, 2])
def test_stopped_after_any_point_it_goes_on_as_if_it_had_not_been(bought, tmp_path, store, points: int):
    other = make_home(tmp_path / "other", store)
    other.run(TUNED)
    assert len(bought.tune(TUNED, stop_after=points)) == points
    assert untimed(bought.tune(TUNED).values()) == untimed(other.tune(TUNED).values())


@pytest.mark.parametrize("name", ["supervised", "flexmatch"])
def test_killed_in_the_middle_of_each_fit_it_ends_with_the_same_metrics_and_models(
    bought, tmp_path, store, monkeypatch, name: str
):
    settings = QUICK | ({"threshold": 0.2, "unlabeled_ratio": 2} if name == "flexmatch" else {})
    trial = vary(LIGHT, finetune=finetune(*BUDGETS, trainer=Part.of(name, **settings)))
    other = make_home(tmp_path / "other", store)
    other.run(trial)
    found, kills = run_with_kills(monkeypatch, lambda: bought.tune(trial))
    assert kills == len(BUDGETS) * (QUICK["epochs"] - 1)
    assert untimed(found.values()) == untimed(other.tune(trial).values())


def test_killed_while_the_tuned_model_is_scored_it_ends_with_the_same_metrics(bought, tmp_path, store, monkeypatch):
    trial = vary(LIGHT, finetune=finetune(36, trainer=Part.of("flexmatch", **QUICK, threshold=0.2, unlabeled_ratio=2)))
    other = make_home(tmp_path / "other", store)
    other.run(trial)

    def dying(fitter, tensors):
        raise Killed

    with monkeypatch.context() as deadly:
        deadly.setattr("labelbench_ray.trial.fit_full.FullFitter.open", dying)
        with pytest.raises(Killed):
            bought.tune(trial)
    count = kill_after(monkeypatch, 10**5)
    found = bought.tune(trial)
    assert next(count) == 1, "the one epoch that was left needs no checkpoint"
    assert "Pseudo-Label Mask Rate" in found[36].metrics
    assert untimed(found.values()) == untimed(other.tune(trial).values())


@pytest.mark.parametrize("strategy", ["margin", "galaxy", "direct", "random"])
def test_the_full_model_with_the_proxy_s_head_and_no_step_is_the_proxy(home, strategy: str):
    """Same predictions: the batches are the same, the ranks are, and no strategy buys a label by being asked."""
    trial = vary(LIGHT, strategy=strategy, finetune=finetune(12, 24, 36, model=AS_PROXY, trainer=STILL))
    records = home.run(trial)
    points = home.tune(trial)
    for record, point in zip(records, points.values(), strict=True):
        assert point.metrics["Test Accuracy"] == pytest.approx(record.metrics["Test Accuracy"], abs=1e-9)
        assert point.metrics["Test Loss"] == pytest.approx(record.metrics["Test Loss"], rel=1e-2)
        assert point.metrics["Fidelity Batch Overlap"] == 1
        if strategy == "random":
            assert "Fidelity Score Correlation" not in point.metrics, "all rows have the same score"
        else:
            assert point.metrics["Fidelity Score Correlation"] > 0.999
        assert point.metrics["Fidelity Accuracy Gap"] == 0
    assert home.run(trial) == records


@pytest.mark.parametrize("trial", [TUNED, IN_EVERY_ROUND], ids=["light", "full"])
def test_fidelity_is_that_of_the_batches_and_margins_counted_by_hand(home, trial):
    """The selector's batch is the one that the trial went on to buy; a full model that selects is compared, too."""
    records = home.run(trial)
    point = home.tune(trial)[12]
    built, job = parts.build(trial), home.finetune_job(trial)
    full = full_fitter(built, built.tuning.model, built.tuning.trainer, job.place, job.directory)
    selector = full if trial is IN_EVERY_ROUND else light_fitter(built, job.place, in_process(full.embedded))
    trial_folder = home.job(trial).directory
    proxy = selector.open(Ledger(trial_folder, read_history(trial_folder).header).proxy(records[0]))
    tuned = full.open(load_file(job.directory / "000012.safetensors"))
    known, margins = list(records[0].chosen), []
    for model in (proxy, tuned):
        said = np.sort(model.classifier.probabilities(model.embedded.pool.embeddings_ND), axis=1)
        margins.append((said[:, -1] - said[:, -2]).astype(np.float64))
    rest = np.setdiff1d(np.arange(len(margins[0])), known)
    batches = [set(rest[np.argsort(each[rest])[: trial.budget]].tolist()) for each in margins]
    assert batches[0] == set(records[1].chosen)
    overlap = len(batches[0] & batches[1]) / len(batches[0] | batches[1])
    assert point.metrics["Fidelity Batch Overlap"] == pytest.approx(overlap)
    correlation = spearmanr(*(each[rest] for each in margins)).statistic
    assert point.metrics["Fidelity Score Correlation"] == pytest.approx(correlation)


def test_a_fine_tune_beyond_what_is_bought_is_refused(home):
    home.run(TUNED, stop_after=2)
    job = home.finetune_job(TUNED)
    with pytest.raises(LedgerError, match=r"on 36 labels, the trial has bought 24; `labelbench run` buys the rest"):
        list(job.steps())
    assert tuple(read_finetune_records(job.directory)) == (12, 20), "what could be fitted is kept"
    assert "36 labels" in json.loads((job.directory / "failure.json").read_text())["error"]
    home.run(TUNED)
    assert tuple(home.tune(TUNED)) == BUDGETS
    assert not (job.directory / "failure.json").exists()


def test_points_of_labels_that_changed_are_refused_by_name(bought):
    bought.tune(TUNED)
    record = bought.run(TUNED)[0]
    other = record.model_copy(update={"labels": tuple((label + 1) % 10 for label in record.labels)})
    (bought.job(TUNED).directory / "rounds" / "000.json").write_bytes(to_checked_json(other))
    with pytest.raises(LedgerError, match=r"000012\.json: was trained on other labels .* delete it"):
        bought.tune(TUNED)


def test_a_checkpoint_of_other_labels_is_not_used(bought, tmp_path, store, monkeypatch):
    """What another budget left behind lies at the same place."""
    one = vary(LIGHT, finetune=finetune(36))
    with monkeypatch.context() as deadly:
        kill_after(deadly, 1)
        with pytest.raises(Killed):
            bought.tune(vary(LIGHT, finetune=finetune(20)))
    assert (bought.finetune_job(one).directory / CHECKPOINT).exists()
    other = make_home(tmp_path / "other", store)
    other.run(one)
    assert untimed(bought.tune(one).values()) == untimed(other.tune(one).values())


@pytest.mark.parametrize("where", ["trial.json", "finetune.json"])
def test_points_and_rounds_of_another_store_are_refused(bought, where: str):
    bought.tune(TUNED, stop_after=1)
    folder = bought.job(TUNED).directory if where == "trial.json" else bought.finetune_job(TUNED).directory
    path = folder / where
    path.write_text(json.dumps(json.loads(path.read_text()) | {"store": "0" * 16}))
    with pytest.raises(LedgerError, match=r"store.*0000000000000000"):
        bought.tune(TUNED)


def test_corrupted_labels_are_what_it_learns_from_and_true_ones_what_it_is_judged_by(home):
    noisy = vary(TUNED, corrupter=Part.of("uniform_noise", fraction=1.0))
    records = home.run(noisy)
    point = home.tune(noisy)[36]
    built, job = parts.build(noisy), home.finetune_job(noisy)
    fitter = full_fitter(built, built.tuning.model, built.tuning.trainer, job.place, job.directory)
    truth = fitter.embedded.pool.labels_N[bought_ids(records)]
    assert (truth != bought_labels(records, fitter.embedded)).any()
    fitted = fitter.open(load_file(job.directory / "000036.safetensors"))
    said = fitted.classifier.probabilities(fitted.embedded.test.embeddings_ND).argmax(1)
    assert point.metrics["Test Accuracy"] == pytest.approx((said == fitter.embedded.test.labels_N).mean())


def test_a_loss_that_becomes_nan_is_on_record_beside_the_points(bought):
    trial = vary(LIGHT, finetune=finetune(12, trainer=Part.of("supervised", **QUICK | {"learning_rate": 1e30})))
    with pytest.raises(FloatingPointError):
        bought.tune(trial)
    failure = json.loads((bought.finetune_job(trial).directory / "failure.json").read_text())
    assert "supervised: loss nan at step" in failure["error"]
    assert "pool ids of the batch" in failure["traceback"]
    assert set(bought.tune(TUNED)) == set(BUDGETS), "another recipe has a folder of its own"


def test_two_fine_tunes_of_a_trial_do_not_wait_for_each_other(bought):
    first = bought.finetune_job(TUNED).steps()
    next(first)
    other = vary(LIGHT, finetune=finetune(12, trainer=STILL))
    assert list(bought.finetune_job(other).steps()) == [1]
    assert list(islice(first, 5)) == [2, 3]
    assert replace(bought.finetune_job(other), trial=TUNED).directory != bought.finetune_job(TUNED).directory
