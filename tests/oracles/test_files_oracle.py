"""A trial that people answer: it asks, waits, and goes on as if it had never stopped."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelbench_ray.config import Part, vary
from labelbench_ray.errors import ConfigError, DataError
from labelbench_ray.ledger.state import TrialState, trial_progress
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.plan import Plan, plan
from labelbench_ray.storage.quarantine import read_quarantine_note, set_asides
from labelbench_ray.trial import parts
from labelbench_ray.trial.asking import waiting
from tests.full_trials import Home, make_home
from tests.oracles.campaigns import CLASSES, ROWS, TRIAL, Campaign, make_campaign, truth, untimed, write_pool
from tests.samples import write_module

UNLABELED = {
    "no column": None,
    "null": lambda keys: pa.nulls(len(keys)),
    "typed null": lambda keys: pa.nulls(len(keys), pa.string()),
    "-1": lambda keys: [-1] * len(keys),
    "some": lambda keys: [truth(key) if number % 2 else None for number, key in enumerate(keys)],
    "pandas": lambda keys: [1.0 if number % 2 else float("nan") for number, _ in enumerate(keys)],
}


class Killed(BaseException):
    """Stands for the end of a process: nothing catches it."""


def planned(home: Home, *trials) -> Plan:
    return plan(Experiment("tests.grid", trials), home.environment)


def state(campaign: Campaign) -> TrialState:
    built = parts.build(campaign.trial)
    return trial_progress(campaign.directory, built.fingerprint, campaign.trial.rounds).state


@pytest.mark.parametrize("kind", UNLABELED)
def test_a_pool_without_labels_is_asked_about_round_by_round(tmp_path, kind: str):
    campaign = Campaign(make_campaign(tmp_path, UNLABELED[kind]))
    for number in range(3):
        words = campaign.step()
        batch = campaign.directory / "batch.csv"
        assert words.startswith(f"round {number} awaits 5 of 5 labels: {batch}; label its rows")
        assert state(campaign) is TrialState.AWAITING_LABELS
        assert len(campaign.records) == number
        rows = campaign.batch()
        assert list(rows[0]) == ["row_id", "text", "order", "strategy", "label"]
        assert [row["order"] for row in rows] == ["0", "1", "2", "3", "4"]
        assert {row["strategy"] for row in rows} == {"margin" if number else "random"}
        assert all(row["text"].endswith(row["row_id"]) for row in rows)
        query = json.loads((campaign.directory / "queries" / f"{number:03d}.json").read_text())
        assert query["row_ids"] == [row["row_id"] for row in rows]
        assert query["model"] == (campaign.records[-1].proxy if number else "")
        campaign.answer()
    assert campaign.step() == ""
    assert state(campaign) is TrialState.DONE
    keys = campaign.home.keys(campaign.trial)
    for record in campaign.records:
        assert list(record.labels) == [CLASSES.index(truth(keys[row])) for row in record.chosen]


def test_without_labels_nothing_claims_an_accuracy(tmp_path):
    campaign = Campaign(make_campaign(tmp_path))
    for record in campaign.finish():
        counts = {"Num Labeled": record.num_labeled, "Num Validation Labels": 0, "Num Test Rows": 0}
        work = {name: record.metrics[name] for name in ("Fit Epochs", "Fit Row Passes")}
        of_answers = {name: value for name, value in record.metrics.items() if name.endswith(" Labels Accuracy")}
        assert record.metrics == counts | work | of_answers


def test_a_labeled_test_set_measures_the_trial(tmp_path):
    campaign = Campaign(make_campaign(tmp_path, test=True))
    for record in campaign.finish():
        assert record.metrics["Num Test Rows"] == record.metrics["Num Validation Labels"] == 20
        assert {"Test Accuracy", "Validation Accuracy"} <= record.metrics.keys()
        assert not any("Pool" in name or "Labeling" in name for name in record.metrics)


def test_people_who_answer_the_truth_make_the_ledger_of_the_simulation(tmp_path):
    labeled = make_campaign(tmp_path / "labeled", lambda keys: [truth(key) for key in keys], test=True)
    simulated = Campaign(labeled, vary(TRIAL, oracle="simulated"))
    assert simulated.step() == ""
    for home in (labeled, make_campaign(tmp_path / "unlabeled", test=True)):
        records = Campaign(home).finish()
        assert len(records) == 3
        for mine, expected in zip(records, simulated.records, strict=True):
            assert (mine.chosen, mine.labels, mine.proxy) == (expected.chosen, expected.labels, expected.proxy)
            assert mine.metrics.items() <= expected.metrics.items()
            assert mine.metrics["Test Accuracy"] == expected.metrics["Test Accuracy"]
    assert untimed(records)[0].keys() == untimed(simulated.records)[0].keys()


def test_answers_for_a_part_of_the_batch_are_counted_and_kept(tmp_path):
    campaign = Campaign(make_campaign(tmp_path))
    campaign.step()
    before = (campaign.directory / "batch.csv").read_bytes()
    campaign.answer("first.csv", rows=slice(2))
    assert campaign.step().startswith("round 0 awaits 3 of 5 labels (2 are there): ")
    assert (campaign.directory / "batch.csv").read_bytes() == before
    campaign.answer("second.csv", rows=slice(2, None))
    assert campaign.step().startswith("round 1 awaits 5 of 5 labels: ")


def test_a_plan_knows_what_a_trial_waits_for_without_running_it(tmp_path):
    campaign = Campaign(make_campaign(tmp_path))
    assert planned(campaign.home, campaign.trial).missing
    campaign.step()
    first, second, *_ = (row["row_id"] for row in campaign.batch())
    campaign.answer("some.csv", {first: "yes", second: "maybe", "9": "no"})
    (trial,) = planned(campaign.home, campaign.trial).waiting
    assert (trial.waiting.asked, trial.waiting.missing) == (5, 4)
    assert len(trial.waiting.refused) == 2
    assert planned(campaign.home, campaign.trial).missing == ()
    campaign.answer("rest.csv", rows=slice(1, None))
    assert [each.parts.trial for each in planned(campaign.home, campaign.trial).missing] == [campaign.trial]
    (campaign.directory / "answers" / "rest.csv").unlink()
    (campaign.directory / "batch.csv").unlink()
    assert planned(campaign.home, campaign.trial).missing, "the batch is written again"
    campaign.step()
    assert len(campaign.batch()) == 5


def test_rows_of_an_unlabeled_pool_are_an_error_of_the_simulated_oracle(tmp_path):
    home = make_campaign(tmp_path, UNLABELED["some"])
    trial = vary(TRIAL, oracle="simulated")
    words = (
        r"trial margin seed 0: 30 of 60 rows of the pool have no label, the first is '0train-0', and the oracle "
        r'simulated answers with the labels of the data set; have people label them, oracle="files", or'
    )
    with pytest.raises(ConfigError, match=words):
        planned(home, trial)
    with pytest.raises(DataError, match=r'the pool has rows without a label, .* oracle="files"'):
        home.run(trial)


@pytest.mark.parametrize("name", ["galaxy", "direct", Part.of("partition", strategy=Part.of("galaxy"))])
def test_strategies_that_ask_within_a_batch_are_refused(name):
    with pytest.raises(ConfigError, match="asks for labels while it chooses its batch, and the oracle files answers"):
        parts.build(vary(TRIAL, strategy=name))


def test_arms_that_ask_choose_in_batches_where_people_answer_later(tmp_path):
    campaign = Campaign(make_campaign(tmp_path))
    arms = Part.of("tailor", arms=["galaxy", "margin"], per_class=[])
    campaign = Campaign(campaign.home, vary(TRIAL, strategy=arms, rounds=2))
    for _ in range(2):
        assert "awaits 5 of 5" in campaign.step()
        campaign.answer()
    assert campaign.step() == ""
    assert len(campaign.records[1].notes) == 5
    assert set(campaign.records[1].notes) <= {0, 1}


def test_class_names_are_needed_where_no_row_has_a_label(tmp_path):
    write_pool(tmp_path, UNLABELED["typed null"])
    home = make_home(tmp_path, tmp_path / "store")
    nameless = vary(TRIAL, dataset=Part.of("parquet", path="texts", payload="text"))
    with pytest.raises(DataError, match=r"no row has a label, so the names of the classes are not known; give them"):
        planned(home, nameless)


def test_a_held_out_row_without_a_label_is_refused_by_name(tmp_path):
    write_pool(tmp_path, test=True)
    path = tmp_path / "texts" / "test.parquet"
    table = pq.read_table(path)
    labels = [None, *table["label"].to_pylist()[1:]]
    pq.write_table(table.set_column(2, "label", pa.array(labels)), path)
    with pytest.raises(DataError, match=r"1 of 40 held-out rows have no label, the first is '0test-0'"):
        parts.build(TRIAL).dataset.open(tmp_path)
    pq.write_table(table.drop_columns("label"), path)
    source = parts.build(TRIAL).dataset.open(tmp_path)
    assert [len(source.splits[name]) for name in ("pool", "validation", "test")] == [ROWS, 0, 0]
    assert "test: 40 rows without labels, not used" in source.findings.notes


def test_a_query_that_another_model_chose_is_set_aside_and_chosen_again(tmp_path):
    campaign = Campaign(make_campaign(tmp_path))
    campaign.step()
    campaign.answer()
    campaign.step()
    path = campaign.directory / "queries" / "001.json"
    sound = path.read_bytes()
    for damaged in (sound[:-9], sound.replace(b'"model": "', b'"model": "f')):
        path.write_bytes(damaged)
        assert campaign.step().startswith("round 1 awaits 5 of 5")
        assert path.read_bytes() == sound
    reasons = [read_quarantine_note(campaign.directory, name).reason for name in set_asides(campaign.directory)]
    assert len(reasons) == 2
    assert all("001.json" in reason for reason in reasons)


def test_an_oracle_of_the_user_s_own_that_answers_later(tmp_path, monkeypatch):
    text = """
import numpy as np
from labelbench_ray.oracles import UNANSWERED, Oracle

class Later(Oracle):
    answers_at_once = False
    def answer(self, question):
        asked = question.directory / "asked"
        before = int(asked.read_text()) if asked.is_file() else 0
        asked.write_text(str(before + 1))
        return np.where(np.arange(len(question.ids_B)) < before % 3 * 3, 1, UNANSWERED)
"""
    campaign = Campaign(make_campaign(tmp_path))
    campaign = Campaign(campaign.home, vary(TRIAL, oracle=write_module(tmp_path, "later", text, monkeypatch), rounds=1))
    assert campaign.step() == "round 0 awaits 5 of 5 labels"
    assert [each.parts.trial for each in planned(campaign.home, campaign.trial).missing] == [campaign.trial]
    assert campaign.step() == "round 0 awaits 2 of 5 labels (3 are there)"
    assert campaign.step() == ""
    assert campaign.records[0].labels == (1,) * 5


def test_a_process_that_ends_before_or_after_any_write_leaves_the_ledger_of_one_that_does_not(tmp_path, monkeypatch):
    home = make_campaign(tmp_path, test=True)
    renamed = Path.replace

    def campaign(name: str) -> Campaign:
        return Campaign(Home(replace(home.environment, runs=tmp_path / name)), vary(TRIAL, rounds=2))

    def dying(writes: int, after: bool) -> Callable[[Path, Path], Path]:
        """Renames a draft into its place, as every write ends; the process ends at one of them."""
        left = count(writes, -1)

        def rename(path: Path, target: Path) -> Path:
            ends = next(left) == 1
            if ends and not after:
                raise Killed
            moved = renamed(path, target)
            if ends:
                raise Killed
            return moved

        return rename

    expected = campaign("undisturbed")
    expected.finish()
    for number in count(2):
        killed = campaign(f"runs-{number}")
        with monkeypatch.context() as patched, suppress(Killed):
            patched.setattr(Path, "replace", dying(number // 2, after=bool(number % 2)))
            killed.finish()
            break  # it was done before so many writes
        killed.finish()
        assert untimed(killed.records) == untimed(expected.records), number
        for query in ("queries/000.json", "queries/001.json"):
            assert (killed.directory / query).read_bytes() == (expected.directory / query).read_bytes()
        assert not (killed.directory / "quarantine").exists()
    assert number > 20


def test_what_a_trial_waits_for_needs_no_data_and_no_store(tmp_path):
    campaign = Campaign(make_campaign(tmp_path))
    campaign.step()
    (tmp_path / "texts").rename(tmp_path / "elsewhere")
    (tmp_path / "store").rename(tmp_path / "elsewhere-too")
    assert waiting(parts.build(campaign.trial), campaign.directory, ()).missing == 5


def test_notes_of_a_strategy_with_memory_wait_with_the_batch(tmp_path, monkeypatch):
    text = """
import numpy as np
from labelbench_ray.strategies import Chosen, MemoryStrategy

class Counting(MemoryStrategy):
    def choose_with_notes(self, view, budget, key, ask, history):
        ids = view.open_ids()[:budget]
        return Chosen(ids, np.full(budget, sum(int((each.notes >= 0).all()) for each in history) + 7))
"""
    campaign = Campaign(make_campaign(tmp_path)).with_strategy(write_module(tmp_path, "counting", text, monkeypatch))
    assert [record.notes for record in campaign.finish()] == [(), (7,) * 5, (8,) * 5]
