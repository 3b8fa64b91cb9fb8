"""Answers "none of these": paid for, recorded, and kept from models, strategies and metrics."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from labelbench_ray import tasks
from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.embeddings.store import Embedded
from labelbench_ray.errors import ConfigError, DataError
from labelbench_ray.ledger.records import Header, RoundRecord
from labelbench_ray.ledger.trials import Ledger, read_records
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.plan import plan
from labelbench_ray.proxies import Classifier
from labelbench_ray.streams import integer
from labelbench_ray.tasks.open_set import NAME, NONE_OF_THESE, OpenSet
from labelbench_ray.trial import parts
from labelbench_ray.trial.asking import history
from labelbench_ray.trial.bought import bought, lessons
from labelbench_ray.trial.fit_light import FitRequest, LightFitter, in_process
from labelbench_ray.trial.loop import Loop
from tests.samples import make_embedded, write_module
from tests.test_facts import environment_of, run_locally

OPEN = Part.of("open_set", dataset="digits", held_out=["3", "8"], out_of_scope_fraction=0.15, max_rows=300)
BASE = Trial(dataset=OPEN, encoder="pixels", strategy="margin", trainer="logistic", seed=0, rounds=4, budget=20)
TASK = OpenSet()


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[RoundRecord]:
    return run_locally(environment_of(tmp_path_factory.mktemp("open") / "runs", Path("data")), BASE)


def an_open_set(rows: int = 120) -> Embedded:
    """A pool of which every fourth row is of none of the classes."""
    return open_set_of(np.arange(rows) % 4 == 3)


def open_set_of(outside_N: np.ndarray) -> Embedded:
    made = make_embedded(rows=len(outside_N))
    labels_N = np.where(outside_N, NONE_OF_THESE, made.pool.labels_N)
    splits = {**made.splits, "pool": replace(made.pool, labels_N=labels_N)}
    return replace(made, splits=splits, task=TASK)


def test_wasted_labels_are_paid_for_recorded_as_null_and_counted(records: list[RoundRecord]):
    assert [record.num_labeled for record in records] == [20, 40, 60, 80]
    wasted = np.cumsum([record.labels.count(None) for record in records])
    assert wasted[-1] > 0
    assert [record.metrics.get("Labels Wasted", 0) for record in records] == wasted.tolist()
    assert [record.metrics["Num Labeled"] for record in records] == [20, 40, 60, 80]
    assert len({row for record in records for row in record.chosen}) == 80, "no row is asked for twice"
    assert "Bought Label Noise" not in records[-1].metrics


def test_the_accuracies_are_of_the_classes_alone(records: list[RoundRecord]):
    assert records[-1].metrics["Test Accuracy"] > 0.8
    assert 0.8 < records[-1].metrics["Pool Accuracy"] <= 1
    assert records[-1].metrics["Labeling Accuracy"] > 0.8
    assert records[-1].metrics["Total Number of Positive"] == 80 - records[-1].metrics["Labels Wasted"]


def test_people_answer_none_of_these_in_files(tmp_path: Path):
    environment = environment_of(tmp_path / "runs", Path("data"))
    trial = BASE.model_copy(update={"oracle": Part(name="files"), "rounds": 2})
    assert run_locally(environment, trial) == []
    source = parts.build(trial).dataset.open(Path("data"))
    folder = tmp_path / "runs" / "facts" / parts.build(trial).fingerprint
    pool = source.splits["pool"].read(0, 10**9)
    truth = dict(zip(pool.row_ids, pool.labels_B.tolist(), strict=True))
    for _ in range(2):
        with (folder / "batch.csv").open(newline="") as file:
            rows = [row["row_id"] for row in csv.DictReader(file)]
        words = [NAME if truth[row] == NONE_OF_THESE else source.classes[truth[row]] for row in rows]
        (folder / "batch.csv").write_text(
            "row_id,label\n" + "".join(f"{row},{word}\n" for row, word in zip(rows, words, strict=True))
        )
        records = run_locally(environment, trial)
    simulated = run_locally(environment, BASE.model_copy(update={"rounds": 2}))
    assert [(each.chosen, each.labels) for each in records] == [(each.chosen, each.labels) for each in simulated]
    assert records[-1].metrics["Labels Wasted"] == sum(record.labels.count(None) for record in records) > 0


SPY = """
import numpy as np
from labelbench_ray.strategies import MemoryStrategy, Chosen

class Spy(MemoryStrategy):
    tasks = ("single_label",)
    def choose_with_notes(self, view, budget, key, ask, history):
        assert ask is None
        assert (view.labels_L >= 0).all()
        assert all((each.labels >= 0).all() and len(each.ids) == len(each.labels) for each in history)
        wasted = 20 * len(history) - len(view.labeled_L)
        assert view.num_unlabeled == view.num_rows - 20 * len(history)
        assert wasted > 0 or not history
        assert len(view.open_ids()) == view.num_unlabeled
        return Chosen(np.sort(view.open_ids())[::-1][:budget].copy())
"""


def run_in_memory(folder: Path, trial: Trial, embedded: Embedded, stop: int | None = None) -> list[RoundRecord]:
    built = parts.build(trial)
    header = Header(
        fingerprint=built.fingerprint, trial=trial, store="m", compute="numpy", task="open_set", versions={}
    )
    with Ledger.open(folder, header) as ledger:
        for record in Loop(built, ledger, LightFitter(built, embedded, (), in_process(embedded))).rounds():
            if record.round + 1 == stop:
                break
    return read_records(folder, header)


def test_neither_a_model_nor_a_strategy_sees_a_wasted_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    spy = write_module(tmp_path, "spying", SPY, monkeypatch)
    found = run_in_memory(tmp_path / "trial", vary(BASE, strategy=spy), an_open_set())
    assert sum(record.labels.count(None) for record in found) > 0


def test_a_trial_that_is_continued_is_the_same(tmp_path: Path):
    embedded, trial = an_open_set(), vary(BASE, trainer=Part.of("warm_start", epochs=3))
    complete = run_in_memory(tmp_path / "complete", trial, embedded)
    run_in_memory(tmp_path / "stopped", trial, embedded, stop=2)
    resumed = run_in_memory(tmp_path / "stopped", trial, embedded)
    assert [(each.chosen, each.labels, each.proxy) for each in complete] == [
        (each.chosen, each.labels, each.proxy) for each in resumed
    ]


def test_the_model_is_fitted_to_the_labels_with_a_class_alone(tmp_path: Path):
    """The same rows as an ordinary trial's give the same model."""
    embedded = an_open_set()
    first = run_in_memory(tmp_path, vary(BASE, rounds=1), embedded)[0]
    teaching = [row for row, label in zip(first.chosen, first.labels, strict=True) if label is not None]
    built = parts.build(BASE)
    fitter = LightFitter(built, embedded, (), in_process(embedded))
    now = bought([first], embedded)
    assert now.labeled_L.tolist() == teaching
    assert len(now) == 20
    assert lessons([first], embedded) == [len(teaching)]
    request = FitRequest(now.labeled_L, now.labels_L, (), integer(0, 0, "fit"), lambda _: None)
    expected = Classifier.of_tensors(fitter.fit(request)).logits(embedded.test.embeddings_ND)
    with Ledger.open(
        tmp_path,
        Header(fingerprint=built.fingerprint, trial=BASE, store="m", compute="numpy", task="open_set", versions={}),
    ) as ledger:
        np.testing.assert_array_equal(
            Classifier.of_tensors(ledger.proxy(first)).logits(embedded.test.embeddings_ND), expected
        )


def test_noise_changes_answers_with_a_class_alone_and_is_counted(tmp_path: Path):
    embedded = an_open_set()
    noisy = vary(BASE, corrupter=Part.of("uniform_noise", fraction=0.5))
    found = run_in_memory(tmp_path, noisy, embedded)
    truth = embedded.pool.labels_N
    answers = {row: label for each in found for row, label in zip(each.chosen, each.labels, strict=True)}
    assert all((label is None) == (truth[row] == NONE_OF_THESE) for row, label in answers.items())
    wrong = [label != truth[row] for row, label in answers.items() if label is not None]
    assert found[-1].metrics["Bought Label Noise"] == pytest.approx(np.mean(wrong))
    assert found[-1].metrics["Pool Label Noise"] == pytest.approx(0.5)


def test_strategies_with_memory_read_rounds_without_wasted_rows(records: list[RoundRecord]):
    rounds = history(records, TASK, 8)
    for record, each in zip(records, rounds, strict=True):
        assert len(each.ids) == len(each.labels) == len(each.notes) == 20 - record.labels.count(None)


@pytest.mark.parametrize("strategy", ["galaxy", "direct"])
def test_strategies_that_ask_within_a_batch_are_refused_with_what_fits(tmp_path: Path, strategy: str):
    with pytest.raises(
        ConfigError, match=rf"strategy {strategy}: asks for labels while it chooses.*none of the classes"
    ):
        plan(Experiment("open", (vary(BASE, strategy=strategy),)), environment_of(tmp_path / "runs", tmp_path))


def test_a_first_batch_without_any_class_is_refused(tmp_path: Path):
    embedded = open_set_of(np.arange(120) < 119)
    with pytest.raises(
        DataError, match=r"none of the 20 rows that were asked for is of one of the classes.*raise `budget`"
    ):
        run_in_memory(tmp_path, BASE, embedded)


def test_labels_survive_the_ledger_and_are_named():
    labels = np.array([0, NONE_OF_THESE, 2])
    assert TASK.to_json(labels) == [0, None, 2]
    np.testing.assert_array_equal(TASK.from_json([0, None, 2], 3), labels)
    assert TASK.in_words(pa.array([*labels, None, -1]), ["a", "b", "c"]).to_pylist() == [
        "a",
        "none of these",
        "c",
        None,
        "",
    ]
    assert TASK.is_label(np.array([0, -2, -1, 3]), 3).tolist() == [True, True, False, False]
    assert TASK.class_counts(labels, 3).tolist() == [1, 0, 1]
    assert tasks.create("open_set").kinds() == ("open_set", "single_label")
