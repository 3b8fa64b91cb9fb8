"""A trial is a fold over rounds: whole, resumed or on more shards, it records the same."""

import itertools
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pytest

from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.embeddings.store import Embedded
from labelbench_ray.errors import BudgetError
from labelbench_ray.ledger.records import COSTS
from labelbench_ray.ledger.trials import Header, Ledger, RoundRecord, read_records
from labelbench_ray.proxies import Classifier
from labelbench_ray.trial import parts
from labelbench_ray.trial.fit_light import LightFitter, in_process
from labelbench_ray.trial.loop import Loop
from labelbench_ray.trial.purchases import Purchases
from labelbench_ray.types import BLOCK_ROWS
from tests.samples import make_embedded, write_module

QUICK = Part.of("supervised", epochs=3, learning_rate=0.05)
BASE = Trial(dataset="digits", encoder="pixels", strategy="margin", seed=0, rounds=4, budget=6, trainer=QUICK)
EMBEDDED = make_embedded()
NOISE = Part.of("uniform_noise", fraction=0.5)


def header(trial: Trial) -> Header:
    return Header(fingerprint=parts.build(trial).fingerprint, trial=trial, store="memory", compute="numpy", versions={})


def run(
    folder: Path, trial: Trial = BASE, embedded: Embedded = EMBEDDED, shards: int = 1, stop_after: int | None = None
) -> list[RoundRecord]:
    """Run what is missing, at most `stop_after` rounds of it, and read back all that is recorded."""
    with Ledger.open(folder, header(trial)) as ledger:
        built = parts.build(trial)
        loop = Loop(built, ledger, LightFitter(built, embedded, (), in_process(embedded, shards)))
        list(islice(loop.rounds(), stop_after))
    return read_records(folder, header(trial))


def untimed(records: Sequence[RoundRecord]) -> list[dict]:
    return [record.model_dump(exclude=COSTS) for record in records]


def test_every_round_is_recorded_with_its_labels_metrics_and_seconds(tmp_path):
    records = run(tmp_path)
    assert [record.round for record in records] == [0, 1, 2, 3]
    assert [record.num_labeled for record in records] == [6, 12, 18, 24]
    assert len({row for record in records for row in record.chosen}) == 24
    for record in records:
        assert list(record.labels) == EMBEDDED.pool.labels_N[list(record.chosen)].tolist()
        assert set(record.seconds) == set(record.cpu) == set(record.gpu)
        assert set(record.seconds) == {"select", "fit", "score", "evaluate"}
        assert min(*record.seconds.values(), *record.cpu.values()) >= 0
        assert record.cpu_seconds == pytest.approx(sum(record.cpu.values()))
        assert set(record.gpu.values()) == {0.0}
        assert record.bytes_written > 0
        assert record.metrics["Num Labeled"] == record.num_labeled
        assert record.metrics["Num Validation Labels"] == len(EMBEDDED.validation.labels_N)
        assert {
            "Test Accuracy",
            "Pool Accuracy",
            "Validation Accuracy",
            "Balanced Test Accuracy",
            "Test Macro F1",
            "Test Loss",
            "Labeling Accuracy",
            "Test Expected Calibration Error",
        } <= set(record.metrics)


def test_metrics_are_those_of_the_recorded_proxy(tmp_path):
    trial = vary(BASE, corrupter=NOISE, rounds=2)
    last = run(tmp_path, trial)[-1]
    with Ledger.open(tmp_path, header(trial)) as ledger:
        classifier = Classifier.of_tensors(ledger.proxy(last))
        bought = {
            row: label for record in ledger.records() for row, label in zip(record.chosen, record.labels, strict=True)
        }
    right = classifier.probabilities(EMBEDDED.test.embeddings_ND).argmax(axis=1) == EMBEDDED.test.labels_N
    assert last.metrics["Test Accuracy"] == pytest.approx(right.mean())
    answers = classifier.probabilities(EMBEDDED.pool.embeddings_ND).argmax(axis=1)
    assert last.metrics["Pool Accuracy"] == pytest.approx((answers == EMBEDDED.pool.labels_N).mean())
    answers[list(bought)] = list(bought.values())
    assert last.metrics["Labeling Accuracy"] == pytest.approx((answers == EMBEDDED.pool.labels_N).mean())


def test_what_a_round_did_and_kept_is_recorded(tmp_path):
    """Epochs and row passes of each fit, and how many labels, noise included, its model gives: earlier and newest."""
    noisy = vary(BASE, corrupter=NOISE)
    records = run(tmp_path, noisy)
    assert "Earlier Labels Accuracy" not in records[0].metrics
    assert "Newest Labels Accuracy" in records[0].metrics
    for before, record in itertools.pairwise(records):
        assert record.metrics["Fit Epochs"] == 3
        assert record.metrics["Fit Row Passes"] == 3 * 3 * record.num_labeled
        bought = [row for each in records[: record.round] for row in each.chosen]
        answers = [label for each in records[: record.round] for label in each.labels]
        with Ledger.open(tmp_path, header(noisy)) as ledger:
            model = Classifier.of_tensors(ledger.proxy(record))
        given = model.logits(EMBEDDED.pool.embeddings_ND[bought]).argmax(axis=1)
        assert len(bought) == before.num_labeled
        assert record.metrics["Earlier Labels Accuracy"] == pytest.approx((given == answers).mean())
        newest = model.logits(EMBEDDED.pool.embeddings_ND[list(record.chosen)]).argmax(axis=1)
        assert record.metrics["Newest Labels Accuracy"] == pytest.approx((newest == record.labels).mean())


def test_the_proxy_learns(tmp_path):
    records = run(tmp_path, vary(BASE, trainer="logistic", budget=20))
    assert records[-1].metrics["Test Accuracy"] > 0.7


def test_trials_of_one_seed_share_their_first_batch_and_then_part(tmp_path):
    records = {
        name: run(tmp_path / name, vary(BASE, strategy=name, rounds=2)) for name in ("random", "margin", "entropy")
    }
    assert len({each[0].chosen for each in records.values()}) == 1
    assert len({each[1].chosen for each in records.values()}) == 3


def test_other_seeds_have_other_first_batches(tmp_path):
    assert len({run(tmp_path / str(seed), vary(BASE, seed=seed, rounds=1))[0].chosen for seed in range(4)}) == 4


@pytest.mark.parametrize(
    "trial",
    [BASE, vary(BASE, trainer="logistic", corrupter=NOISE), vary(BASE, proxy="shallow")],
    ids=["supervised", "logistic with noise", "shallow"],
)
@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_trial_taken_up_again_records_what_it_would_have_and_redoes_nothing(tmp_path, trial: Trial, stop_after: int):
    whole = run(tmp_path / "whole", trial)
    run(tmp_path / "resumed", trial, stop_after=stop_after)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "resumed" / "rounds").iterdir()}
    assert len(before) == 3 * stop_after, "the record, the proxy and the hits of each round"
    assert untimed(run(tmp_path / "resumed", trial)) == untimed(whole)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_round_that_was_killed_before_its_record_runs_again(tmp_path):
    whole = run(tmp_path)
    (tmp_path / "rounds" / "003.json").unlink()
    assert untimed(run(tmp_path)) == untimed(whole)


def test_more_rounds_go_on_with_the_same_fold(tmp_path):
    whole = run(tmp_path / "whole")
    run(tmp_path / "grown", vary(BASE, rounds=2))
    assert untimed(run(tmp_path / "grown")) == untimed(whole)


def test_a_trial_that_is_done_runs_nothing(tmp_path):
    done = run(tmp_path)
    assert run(tmp_path) == done


@pytest.mark.parametrize("strategy", ["random", "margin"])
def test_the_number_of_shards_changes_nothing(tmp_path, strategy: str):
    embedded = make_embedded(rows=3 * BLOCK_ROWS - 5)
    trial = vary(BASE, strategy=strategy, rounds=3, proxy="shallow")
    one, three = (run(tmp_path / str(shards), trial, embedded, shards) for shards in (1, 3))
    assert untimed(one) == untimed(three)


def test_the_whole_pool_can_be_bought(tmp_path):
    records = run(tmp_path, vary(BASE, rounds=2, budget=60))
    assert sorted(row for record in records for row in record.chosen) == list(range(120))
    assert records[-1].metrics["Labeling Accuracy"] == 1


SPY = """
from dataclasses import fields, is_dataclass
import numpy as np
from labelbench_ray.strategies import Strategy

class Spy(Strategy):
    sentinel: int

    def choose(self, view, budget, key, ask):
        unlabeled = np.setdiff1d(np.arange(view.num_rows), view.labeled_L)
        chosen = unlabeled[:budget]
        self.look(view)
        self.look(ask(chosen))
        return chosen

    def look(self, value):
        if isinstance(value, np.ndarray):
            if value.dtype.kind in "iu" and (value == self.sentinel).any():
                raise RuntimeError("saw a clean label")
        elif isinstance(value, (list, tuple)):
            for each in value:
                self.look(each)
        elif is_dataclass(value):
            for field in fields(value):
                self.look(getattr(value, field.name))
"""
HIDING = """
import numpy as np
from labelbench_ray.corrupters import Corrupter

class Hiding(Corrupter):
    def corrupt(self, labels_N, num_classes):
        return np.arange(len(labels_N)) % 3
"""


def test_a_clean_label_never_reaches_a_strategy_or_a_trainer(tmp_path, monkeypatch):
    """Every row of the pool is truly of a class that no annotator answers: who sees that class has seen the truth."""
    sentinel = 120  # no pool id, no position and no count below reads the same
    embedded = make_embedded(rows=120, classes=121, truth=sentinel)
    spy = write_module(tmp_path, "spy", SPY, monkeypatch)
    hiding = write_module(tmp_path, "hiding", HIDING, monkeypatch)
    trial = vary(BASE, strategy=Part.of(spy, sentinel=sentinel), corrupter=hiding, trainer="logistic")
    records = run(tmp_path / "trial", trial, embedded)
    assert len(records) == 4
    assert {label for record in records for label in record.labels} == {0, 1, 2}
    assert [record.metrics["Pool Accuracy"] for record in records] == [0] * 4


def test_the_spy_would_have_reported_it(tmp_path, monkeypatch):
    embedded = make_embedded(rows=120, classes=121, truth=120)
    trial = vary(
        BASE, strategy=Part.of(write_module(tmp_path, "reporting", SPY, monkeypatch), sentinel=120), trainer="logistic"
    )
    with pytest.raises(RuntimeError, match="saw a clean label"):
        run(tmp_path / "trial", trial, embedded)


GREEDY = """
import numpy as np
from labelbench_ray.strategies import Strategy

class Greedy(Strategy):
    def choose(self, view, budget, key, ask):
        unlabeled = np.setdiff1d(np.arange(view.num_rows), view.labeled_L)
        for row in unlabeled[:2 * budget]:
            ask(np.array([row]))
        return unlabeled[:budget]
"""


def test_a_strategy_that_asks_beyond_the_budget_ends_its_trial_and_keeps_what_was_recorded(tmp_path, monkeypatch):
    trial = vary(BASE, strategy=write_module(tmp_path, "greedy", GREEDY, monkeypatch))
    with pytest.raises(BudgetError, match="13 labels asked for in all, 12 are paid for"):
        run(tmp_path / "trial", trial)
    assert len(read_records(tmp_path / "trial", header(trial))) == 1


@pytest.mark.parametrize("name", ["galaxy", "direct"])
def test_an_ask_that_fails_leaves_no_half_batch_and_the_trial_goes_on_as_if_it_had_not(tmp_path, monkeypatch, name):
    trial = vary(BASE, strategy=name)
    run(tmp_path / "undisturbed", trial)
    answered = Purchases.ask

    def failing(purchases, ids):
        if len(purchases.bought) >= 8:
            raise ConnectionError("the annotators are at lunch")
        return answered(purchases, ids)

    with monkeypatch.context() as patched:
        patched.setattr(Purchases, "ask", failing)
        with pytest.raises(ConnectionError, match="lunch"):
            run(tmp_path / "trial", trial)
    recorded = read_records(tmp_path / "trial", header(trial))
    assert all(len(record.chosen) == trial.budget for record in recorded)
    run(tmp_path / "trial", trial)
    both = [read_records(tmp_path / folder, header(trial)) for folder in ("undisturbed", "trial")]
    assert [record.chosen for record in both[0]] == [record.chosen for record in both[1]]
