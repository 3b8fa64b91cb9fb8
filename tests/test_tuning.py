"""Full models in every round: stopped or killed anywhere they record what they would have."""

import json

import numpy as np
import pytest
import torch

from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.ledger.trials import Ledger, read_history
from labelbench_ray.trainers.engine.checkpoints import FileCheckpoints
from labelbench_ray.trainers.flexmatch import Flexmatch
from labelbench_ray.trainers.scaled_distillation import ScaledDistillation
from labelbench_ray.trial import parts
from labelbench_ray.trial.assembly import CHECKPOINT, full_fitter
from labelbench_ray.trial.bought import bought_ids
from labelbench_ray.trial.fit_full import FullFitter
from tests.full_trials import (
    LIGHT,
    MODEL,
    QUICK,
    TRAINER,
    Home,
    Killed,
    kill_after,
    make_home,
    make_store,
    run_with_kills,
    untimed,
)

FULL = vary(LIGHT, proxy=MODEL, trainer=TRAINER)
BLOCKS = vary(LIGHT, encoder=Part(name="tests.tiny_blocks_encoder"), rounds=2)
SEMI = QUICK | {"epochs": 2, "epoch_steps": 2, "unlabeled_ratio": 2}
TRAINERS = {
    "supervised": TRAINER,
    "flexmatch": Part.of("flexmatch", threshold=0.2, **SEMI),
    "warm_start": Part.of("warm_start", trainer=TRAINER, epochs=2),
    "scaled_distillation": Part.of("scaled_distillation", **QUICK),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("digits")
    make_store(LIGHT, folder, folder)
    return folder


@pytest.fixture
def home(tmp_path, store) -> Home:
    return make_home(tmp_path, store)


@pytest.fixture(scope="module", params=TRAINERS)
def whole(request, store, tmp_path_factory):
    """A trial and what it records undisturbed."""
    trial = vary(FULL, trainer=TRAINERS[request.param])
    return trial, untimed(make_home(tmp_path_factory.mktemp("whole"), store).run(trial))


@pytest.mark.parametrize("rounds", [1, 2])
def test_stopped_after_any_round_a_trial_goes_on_as_if_it_had_not_been(home, whole, rounds: int):
    trial, expected = whole
    assert len(expected) == trial.rounds
    assert untimed(home.run(trial, stop_after=rounds)) == expected[:rounds]
    assert untimed(home.run(trial)) == expected


def test_killed_after_every_epoch_in_turn_it_records_the_same(home, whole, monkeypatch):
    """Each attempt comes one checkpoint further."""
    trial, expected = whole
    found, kills = run_with_kills(monkeypatch, lambda: home.run(trial))
    assert kills >= trial.rounds
    assert untimed(found) == expected
    assert not (home.job(trial).directory / CHECKPOINT).exists()
    assert read_history(home.job(trial).directory).failure is None


REPLAYING = [
    Part.of("newest_only", **QUICK),
    Part.of("experience_replay", **QUICK),
    Part.of("mir", virtual="optimizer", **QUICK),
    Part.of("der", scale_rate=True, **QUICK),
    Part.of("scaled_distillation", **QUICK),
    Part.of("sds2", **QUICK),
]


@pytest.fixture(scope="module")
def blocks_store(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("blocks")
    make_store(BLOCKS, folder, folder)
    return folder


@pytest.mark.parametrize("trainer", REPLAYING, ids=lambda trainer: trainer.name)
@pytest.mark.parametrize("proxy", ["full_model", "lora"])
def test_7_killed_in_the_middle_of_a_round_a_replaying_trial_ends_with_the_same_weights(
    tmp_path, blocks_store, monkeypatch, proxy: str, trainer: Part
):
    """Test 7 of continual training, for full models and adapters; light proxies: `trainers/test_across_rounds.py`.

    Killed at the first checkpoint of the second round, the first that replays.
    """
    trial = vary(BLOCKS, proxy=Part.of(proxy, **MODEL.settings), trainer=trainer)
    expected = untimed(make_home(tmp_path / "whole", blocks_store).run(trial))
    killed = make_home(tmp_path / "killed", blocks_store)
    with monkeypatch.context() as deadly:
        kill_after(deadly, QUICK["epochs"])
        with pytest.raises(Killed):
            killed.run(trial)
    assert len(read_history(killed.job(trial).directory).records) == 1
    assert (killed.job(trial).directory / CHECKPOINT).exists()
    found = untimed(killed.run(trial))
    assert found == expected, "with the hash of each round's model"
    assert len({record["proxy"] for record in found}) == trial.rounds


def test_a_fit_goes_on_from_its_checkpoint_and_does_not_begin_anew(home, monkeypatch):
    with monkeypatch.context() as deadly:
        kill_after(deadly, 2)
        with pytest.raises(Killed):
            home.run(FULL)
    count = kill_after(monkeypatch, 10**5)
    home.run(FULL)
    assert next(count) - 1 == 2 * (QUICK["epochs"] - 1), "the first round had no checkpoint left to write"


@pytest.mark.parametrize("damage", ["cut", "noise", "foreign", "list"])
def test_a_checkpoint_that_is_not_this_fit_s_is_not_used(home, monkeypatch, tmp_path, store, damage: str):
    trial = vary(FULL, rounds=1)
    expected = untimed(make_home(tmp_path / "whole", store).run(trial))
    path = home.job(trial).directory / CHECKPOINT
    with monkeypatch.context() as deadly:
        kill_after(deadly, 1)
        with pytest.raises(Killed):
            home.run(trial)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "noise":
        path.write_bytes(b"noise")
    elif damage == "foreign":
        FileCheckpoints(path, "another fit").save({"module": {}})
    else:
        torch.save([1, 2], path)
    assert untimed(home.run(trial)) == expected


def fitter(home: Home, trial: Trial):
    built, job = parts.build(trial), home.job(trial)
    return full_fitter(built, built.proxy, built.trainer, job.place, job.directory)


def models(home: Home, trial: Trial):
    """The fitter of a trial that ran, and each round's model, opened."""
    job, made = home.job(trial), fitter(home, trial)
    history = read_history(job.directory)
    ledger = Ledger(job.directory, history.header)
    return made, [made.open(ledger.proxy(record)) for record in history.records]


def test_metrics_are_those_of_the_recorded_model_on_images_as_they_are(home):
    records = home.run(FULL)
    made, opened = models(home, FULL)
    job = home.job(FULL)
    ledger = Ledger(job.directory, read_history(job.directory).header)
    for record, fitted in zip(records, opened, strict=True):
        network = made.model.plain(made.encoder, 10)
        network.load_state_dict({name: torch.tensor(array) for name, array in ledger.proxy(record).items()})
        with torch.inference_mode():
            said = network.eval()(torch.from_numpy(np.array(made.images.splits["test"]))).argmax(1).numpy()
        right = (said == made.embedded.test.labels_N).mean()
        assert record.metrics["Test Accuracy"] == pytest.approx(right, abs=0.03), "float16 may turn a close call"
        assert record.metrics["Num Validation Labels"] == 20
        assert not np.array_equal(fitted.embedded.test.embeddings_ND, made.embedded.test.embeddings_ND)
    assert set(records[0].seconds) == {"select", "fit", "score", "evaluate"}


def test_strategies_choose_by_the_tuned_network_s_features_and_scores(home):
    """Margin by hand: the next batch are the rows whose two likeliest classes are closest under the recorded model."""
    records = home.run(FULL)
    _, opened = models(home, FULL)
    for record, after, fitted in zip(records, records[1:], opened, strict=False):
        known = bought_ids([each for each in records if each.round <= record.round])
        said = fitted.classifier.probabilities(fitted.embedded.pool.embeddings_ND)
        first, second = np.sort(said, axis=1)[:, -1], np.sort(said, axis=1)[:, -2]
        margins = (first - second).astype(np.float64)
        margins[known] = np.inf
        assert set(after.chosen) == set(np.argsort(margins)[: FULL.budget].tolist())


def test_past_logits_are_those_of_the_rows_that_a_round_bought_by_its_own_model(home, monkeypatch):
    trial, seen = vary(FULL, trainer=TRAINERS["scaled_distillation"]), []
    begin = ScaledDistillation.begin

    def noting(trainer, data):
        seen.append((data.labeled_ids_L, begin(trainer, data)))
        return seen[-1][1]

    monkeypatch.setattr(ScaledDistillation, "begin", noting)
    records = home.run(trial)
    _, opened = models(home, trial)
    assert [list(state) for _, state in seen] == [[], ["then"], ["then"]]
    for number, (ids, state) in enumerate(seen[1:], start=1):
        np.testing.assert_array_equal(ids, bought_ids(records[: number + 1]))
        for place, row in enumerate(ids[: number * trial.budget]):
            fitted = opened[place // trial.budget]
            said = fitted.classifier.logits(fitted.embedded.pool.embeddings_ND[[row]])[0]
            np.testing.assert_allclose(state["then"][place], said, atol=1e-4)


def test_a_round_s_model_is_opened_once_for_its_logits(home, monkeypatch):
    """Two rounds ask for those of the first round's model."""
    asked, opened = [], []
    ask, open_model = FullFitter._logits, FullFitter._opened
    monkeypatch.setattr(FullFitter, "_logits", lambda *given: asked.append(len(given[2])) or ask(*given))
    monkeypatch.setattr(FullFitter, "_opened", lambda *given: opened.append(given) or open_model(*given))
    home.run(vary(FULL, trainer=TRAINERS["scaled_distillation"]))
    assert asked == [FULL.budget] * 3
    assert len(opened) == FULL.rounds + 2, "each to score the pool, and two for their logits"


def test_a_warm_start_begins_with_the_last_round_s_network(home):
    still = Part.of("supervised", **QUICK | {"learning_rate": 1e-30})
    moved, fresh = (
        [record.proxy for record in home.run(vary(FULL, trainer=trainer))]
        for trainer in (Part.of("warm_start", trainer=still), still)
    )
    assert len(set(moved)) == 1, "nothing moves, so each round is the round before"
    assert len(set(fresh)) == 3, "each round draws a head of its own"


def test_flexmatch_learns_from_unlabeled_images(home, monkeypatch):
    weighed, alone = (
        vary(FULL, rounds=1, trainer=Part.of("flexmatch", threshold=0.2, unlabeled_weight=weight, **SEMI))
        for weight in (1.0, 0.0)
    )
    (record,), (other,) = home.run(weighed), home.run(alone)
    assert record.chosen == other.chosen
    assert record.proxy != other.proxy
    assert 0 < record.metrics["Pseudo-Label Mask Rate"] <= 1
    assert "Pseudo-Label Accuracy" in record.metrics
    monkeypatch.setattr(Flexmatch, "labeled_loss", lambda self, logits, step: 0 * logits.sum())
    (unlabeled,) = home.run(vary(weighed, seed=5))
    (nothing,) = home.run(vary(alone, seed=5))
    assert unlabeled.proxy != nothing.proxy, "with no labeled loss left it still learns"


def test_a_loss_that_becomes_nan_is_on_record_with_step_rate_and_rows(home):
    trial = vary(FULL, trainer=Part.of("supervised", **QUICK | {"learning_rate": 1e30}))
    with pytest.raises(FloatingPointError):
        home.run(trial)
    failure = json.loads((home.job(trial).directory / "failure.json").read_text())
    assert "FloatingPointError: supervised: loss nan at step" in failure["error"]
    assert "learning rate" in failure["error"]
    assert "labeled rows" in failure["error"]
    assert "pool ids of the batch: labeled [" in failure["traceback"]
    assert read_history(home.job(trial).directory).records == ()
    assert len(home.run(FULL)) == 3
