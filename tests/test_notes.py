"""Notes: a strategy of a user's own with memory chooses the same whether its trial was interrupted or not."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray import strategies
from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.errors import ConfigError, DamagedError
from labelbench_ray.ledger.trials import read_records
from labelbench_ray.planning.synthetic_view import check_strategies
from labelbench_ray.storage.checksummed import to_checked_json
from labelbench_ray.strategies import NO_NOTE, Chosen, ChosenRound
from labelbench_ray.trial import parts
from tests.full_trials import DIGITS
from tests.samples import make_embedded, make_pool, write_module
from tests.test_facts import environment_of, run_locally
from tests.test_loop import BASE, header, run, untimed

PAGE = Path(__file__).parent.parent / "docs" / "plugins.md"
BUDGET = 20
MANY_CLASSES = make_embedded(rows=200, classes=10)
WRITES = """
import numpy as np
from labelbench_ray.strategies import Chosen, MemoryStrategy

class Writes(MemoryStrategy):
    cold_start = True

    def choose_with_notes(self, view, budget, key, ask, history):
        return {}
"""


@pytest.fixture
def arms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The module path of the strategy with memory that docs/plugins.md shows."""
    (text,) = (text for text in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "class Arms" in text)
    return write_module(tmp_path, "arms", text, monkeypatch)


def trial_of(strategy: str) -> Trial:
    return vary(BASE, strategy=strategy, rounds=5, budget=BUDGET)


def expected_split(records: list) -> list[int]:
    """How many rows of each arm the round after these records must have."""
    found = np.ones(2)
    for record in records[1:]:
        labels, notes = np.array(record.labels), np.array(record.notes)
        found += [len(set(labels[notes == arm])) for arm in (0, 1)]
    first = round(BUDGET * found[0] / found.sum())
    return [first, BUDGET - first]


def test_the_notes_of_every_round_are_recorded_and_decide_the_next_one(tmp_path: Path, arms: str):
    records = run(tmp_path / "runs", trial_of(arms), MANY_CLASSES)
    assert records[0].notes == (), "the first batch is chosen by random, which writes none"
    splits = [np.bincount(record.notes, minlength=2).tolist() for record in records[1:]]
    assert splits == [expected_split(records[:number]) for number in range(1, 5)]
    assert len({tuple(split) for split in splits}) > 1, "the history matters"


def test_the_notes_of_a_first_batch_decide_nothing(tmp_path: Path, arms: str):
    """They are of the first batch's own arms or tasks, also where that strategy writes notes."""
    trial = vary(trial_of(arms), first_batch=Part.of("uniform_mixture", arms=["random", "coreset"], per_class=[]))
    records = run(tmp_path / "runs", trial, MANY_CLASSES)
    assert set(records[0].notes) == {0, 1}
    splits = [np.bincount(record.notes, minlength=2).tolist() for record in records[1:]]
    assert splits == [expected_split(records[:number]) for number in range(1, 5)]


@pytest.mark.parametrize("stop_after", [1, 2, 3, 4])
def test_an_interrupted_trial_records_what_it_would_have(tmp_path: Path, arms: str, stop_after: int):
    complete = run(tmp_path / "complete", trial_of(arms))
    run(tmp_path / "resumed", trial_of(arms), stop_after=stop_after)
    assert untimed(run(tmp_path / "resumed", trial_of(arms))) == untimed(complete)


def test_a_trial_of_the_local_executor_records_notes_and_reads_them_from_the_ledger(tmp_path: Path, arms: str):
    trial = vary(DIGITS, strategy=arms, rounds=4, budget=BUDGET)
    complete = run_locally(environment_of(tmp_path / "complete" / "runs", tmp_path), trial)
    assert [len(record.notes) for record in complete] == [0, BUDGET, BUDGET, BUDGET]
    splits = [np.bincount(record.notes, minlength=2).tolist() for record in complete[1:]]
    assert splits == [expected_split(complete[:number]) for number in range(1, 4)]
    elsewhere = environment_of(tmp_path / "resumed" / "runs", tmp_path)
    for rounds in (2, 4):
        resumed = run_locally(elsewhere, vary(trial, rounds=rounds))
    assert untimed(resumed) == untimed(complete)


def test_several_shards_record_the_same(tmp_path: Path, arms: str):
    one, three = (run(tmp_path / str(shards), trial_of(arms), shards=shards) for shards in (1, 3))
    assert untimed(one) == untimed(three)


def test_a_strategy_reads_the_rounds_aligned_and_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(strategies, "seen", [], raising=False)
    text = WRITES.format("self.seen(view, budget, history)") + (
        "\n    def seen(self, view, budget, history):"
        "\n        import labelbench_ray.strategies as strategies"
        "\n        strategies.seen.append(history)"
        "\n        return Chosen(view.open_ids()[:budget], np.arange(budget) + 10 * len(history))\n"
    )
    path = write_module(tmp_path, "writes", text, monkeypatch)
    records = run(tmp_path / "runs", vary(BASE, strategy=path, rounds=4))
    seen = strategies.seen  # type: ignore[attr-defined]
    assert [len(history) for history in seen] == [1, 2, 3]
    for earlier, record in zip(seen[-1], records[:3], strict=True):
        assert (earlier.ids.tolist(), earlier.labels.tolist()) == (list(record.chosen), list(record.labels))
        assert earlier.notes.tolist() == (list(record.notes) or [NO_NOTE] * 6)
        assert not any(array.flags.writeable for array in (earlier.ids, earlier.labels, earlier.notes))
    assert records[3].notes == tuple(range(30, 36))


def test_a_record_without_notes_has_no_field_for_them(tmp_path: Path):
    run(tmp_path, vary(BASE, rounds=1))
    (path,) = (tmp_path / "rounds").glob("*.json")
    assert "notes" not in json.loads(path.read_text())


def test_a_record_whose_notes_are_not_one_a_row_is_damaged(tmp_path: Path, arms: str):
    trial = trial_of(arms)
    records = run(tmp_path, trial)
    wrong = records[1].model_copy(update={"notes": records[1].notes[:-1]})
    (tmp_path / "rounds/001.json").write_bytes(to_checked_json(wrong))
    with pytest.raises(DamagedError, match=r"001\.json: 19 notes for 20 rows"):
        read_records(tmp_path, header(trial))


@pytest.mark.parametrize(
    ("notes", "states"),
    [
        ("np.zeros(budget + 1, np.int64)", r"notes as int64 of shape \(4,\)"),
        ("np.zeros((budget, 1), np.int64)", r"notes as int64 of shape \(3, 1\)"),
        ("np.zeros(budget, np.float64)", r"notes as float64 of shape \(3,\)"),
        ("[0] * budget", r"notes as list"),
        ("np.full(budget, -1)", r"the note -1 for row \d+"),
        ("np.full(budget, 2**31)", r"the note 2147483648 for row \d+"),
    ],
)
def test_wrong_notes_are_refused_by_the_class_and_the_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notes: str, states: str
):
    path = write_module(tmp_path, "writes", WRITES.format(f"Chosen(view.open_ids()[:budget], {notes})"), monkeypatch)
    rule = r"; notes must be 3 int64, one for each chosen row, in 0 \.\. 2147483647, or None"
    with pytest.raises(ValueError, match=rf"^Writes returned {states}{rule}$"):
        strategies.create(path).select(make_pool(40).view(), 3, np.random.default_rng(0))


def test_a_plan_refuses_wrong_notes_before_anything_is_embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_module(tmp_path, "writes", WRITES.format("Chosen(view.open_ids()[:budget], [0])"), monkeypatch)
    with pytest.raises(ConfigError, match=r"made-up rows: Writes returned notes as list"):
        check_strategies([parts.build(vary(BASE, strategy=path))], 4, 3)


def test_ids_without_chosen_around_them_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_module(tmp_path, "writes", WRITES.format("view.open_ids()[:budget]"), monkeypatch)
    with pytest.raises(
        ValueError, match=r"^Writes\.choose_with_notes returned ndarray; it must return Chosen\(ids, no"
    ):
        strategies.create(path).select(make_pool(40).view(), 3, np.random.default_rng(0))


def test_select_returns_the_ids_alone(arms: str):
    chosen = strategies.create(arms).select(make_pool(40).view(), 6, np.random.default_rng(0))
    assert isinstance(chosen, np.ndarray)
    assert len(set(chosen.tolist())) == 6


def test_a_wrapper_refuses_a_strategy_with_memory(arms: str):
    with pytest.raises(ConfigError, match=r"strategy: 'user_arms\.part' keeps notes .* use it without a wrapper"):
        strategies.create("partition", strategy=Part(name=arms))


def test_other_strategies_ignore_the_history():
    view = make_pool(60).view()
    past = (ChosenRound(view.labeled_L, view.labels_L, np.full(20, NO_NOTE)),)
    margin = strategies.create("margin")
    chosen = margin.select_with_notes(view, 5, np.random.default_rng(0), None, past)
    assert isinstance(chosen, Chosen)
    assert chosen.notes is None
    assert chosen.ids.tolist() == margin.select(view, 5, np.random.default_rng(0)).tolist()
