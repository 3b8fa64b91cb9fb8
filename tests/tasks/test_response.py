"""Answers that are text: what the ledger keeps of them, which parts serve them, and that no response leaks (1.6)."""

import json
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray import strategies, tasks
from labelbench_ray.config import Part, vary
from labelbench_ray.datasets import Modality
from labelbench_ray.datasets.prompt_rows import RespondedTable
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.errors import ConfigError
from labelbench_ray.oracles import CountedResponse
from labelbench_ray.planning.synthetic_view import synthetic_view
from labelbench_ray.pool.distributions import UNPREDICTED
from labelbench_ray.tasks.response import label_of, not_written
from labelbench_ray.trial import parts
from labelbench_ray.trial.purchases import Purchases
from labelbench_ray.types import PoolView
from tests.full_trials import Home, make_home, make_store, untimed
from tests.prompts import ROWS, SENTINEL, TEST_ROWS, TRIAL, write_prompts

TASK = tasks.create("response")
DESIGNS = (
    "random",
    "mean_token_entropy",
    "max_token_entropy",
    "sequence_confidence",
    "mean_token_margin",
    "min_token_margin",
    "coreset",
    "facility_location",
    "task_round_robin",
    "task_confidence",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("prompts")
    write_prompts(folder)
    make_store(TRIAL, folder / "store", folder)
    return make_home(folder, folder / "store")


def test_a_label_is_tokens_and_hash_and_comes_back_from_a_record():
    labels = np.stack([label_of("yes", 3), not_written(1)[0], label_of("", 0)])
    recorded = TASK.to_json(labels)
    assert recorded[0] == {
        "tokens": 3,
        "sha256": "8a798890fe93817163b10b5f7bd2ca4d25d84c52739a645a889c173eee7d9d3d",
    }
    assert recorded[1] is None
    np.testing.assert_array_equal(TASK.from_json(json.loads(json.dumps(recorded)), 3), labels)
    assert TASK.of_bought(labels) == {"Responses to Write": 1}
    assert TASK.of_bought(labels[[0, 2]]) == {"Response Tokens": 3}


@pytest.mark.parametrize("design", ["random", "coreset", "facility_location", "task_round_robin"])
def test_7_no_response_enters_store_view_or_ledger(home: Home, design: str):
    """A sentinel is planted in every response, and every file is searched for it."""
    trial = vary(TRIAL, strategy=design, first_batch=design)
    (record,) = home.run(trial)
    assert len(record.labels) == 12
    assert record.metrics["Response Tokens"] == sum(label["tokens"] for label in record.labels)
    written = [path for top in (home.environment.runs, home.environment.store) for path in top.rglob("*")]
    files = [path for path in written if path.is_file()]
    assert len(files) > 5
    assert not [path for path in files if SENTINEL.encode() in path.read_bytes()]
    embedded = EmbeddingStore.open(home.environment.store / parts.build(trial).embedding).arrays()
    assert (embedded.pool.labels_N[:, 0] == -1).all()
    assert not [row for row in embedded.pool.facts if "response" in row]


def test_7_the_same_prompt_bought_twice_costs_once():
    asked: list[int] = []

    def answer(ids: np.ndarray) -> np.ndarray:
        asked.extend(ids.tolist())
        return TASK.made_up_labels(ids, 1)

    purchases = Purchases(answer, 10, 2, np.empty(0, np.int64), not_written(0))
    purchases.ask(np.array([3, 3]))
    assert purchases.ask(np.array([3, 4])).shape == (2, 5)
    assert asked == [3, 4]


def test_a_resumed_trial_and_another_process_choose_the_same(home: Home, tmp_path: Path):
    trial = vary(TRIAL, rounds=3, budget=5, seed=1)
    complete = home.run(trial)
    again = make_home(tmp_path, home.environment.store)
    (tmp_path / "p").symlink_to(home.environment.data_root / "p")
    again.run(trial, stop_after=1)
    assert untimed(again.run(trial)) == untimed(complete)


def test_prompts_without_responses_can_be_chosen(tmp_path: Path):
    write_prompts(tmp_path, without=["response"])
    make_store(TRIAL, tmp_path / "store", tmp_path)
    (record,) = make_home(tmp_path, tmp_path / "store").run(TRIAL)
    assert record.labels == (None,) * 12
    assert {"Num Labeled": 12, "Responses to Write": 12}.items() <= record.metrics.items()


def test_rows_of_a_pool_find_their_responses(home: Home):
    from labelbench_ray.embeddings.pool_rows import StoredRows

    built = parts.build(TRIAL)
    store = EmbeddingStore.open(home.environment.store / built.embedding)
    rows = StoredRows(store, Modality.TEXT, lambda: built.dataset.open(home.environment.data_root))
    found = rows.responses(np.array([4, 2]))
    table = built.dataset.open(home.environment.data_root).splits["pool"].table
    assert isinstance(table, RespondedTable)
    expected = table.responses([int(row_id[1:]) for row_id in rows.row_ids(np.array([4, 2]))])
    assert found == [CountedResponse(text, len(text.split())) for text in expected if text]


def test_exactly_the_strategies_without_probabilities_serve_prompts():
    serving = tasks.serving(strategies.Strategy, strategies.PACKAGE, ["response"])
    assert set(DESIGNS) < set(serving)
    assert set(serving) - set(DESIGNS) == {"kmeans", "max_herding", "typiclust"}
    for name in serving:
        strategy = strategies.create(name)
        view = synthetic_view(4, 3, 0, TASK, strategy.facts)
        assert len(strategy.select(view, 5, np.random.default_rng(0))) == 5


@pytest.mark.parametrize("name", [name for name in DESIGNS if name != "random"])
def test_4_a_smaller_budget_is_the_beginning_of_a_larger_one(name: str):
    rng = np.random.default_rng(5)
    strategy = strategies.create(name)
    facts = {fact: rng.integers(1, 9, 300).astype(float) for fact in strategy.facts}
    view = PoolView.from_predictions(
        UNPREDICTED, rng.normal(size=(300, 8)).astype(np.float32), None, [], [], facts=facts
    )
    small, large = (strategy.select(view, budget, np.random.default_rng(1)) for budget in (20, 40))
    assert small.tolist() == large[:20].tolist()


REFUSED = {
    "margin": ({"strategy": "margin"}, r"strategy margin: does not serve the task 'response' .*, whose answers are "
               r"text, for which there are no class probabilities; use 'mean_token_margin', or one of: coreset, "),
    "entropy": ({"strategy": "entropy"}, "use 'mean_token_entropy', or one of: "),
    "inside": (
        {"strategy": Part.of("task_round_robin", strategy="margin")},
        r"strategy task_round_robin\(strategy=margin\): 'margin' does not serve .* use 'mean_token_margin'",
    ),
    "first batch": ({"first_batch": "probcover"}, "first_batch probcover: does not serve"),
    "proxy": ({"proxy": "linear"}, "proxy linear: .*; use 'none', or one of: .*none"),
    "trainer": ({"trainer": "supervised"}, "trainer supervised: .*; use 'none', or one of: .*none"),
    "oracle": ({"oracle": "simulated"}, "oracle simulated: .*; use 'responses', or one of: responses$"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_a_plan_refuses_what_needs_probabilities_and_names_what_fits(changes: dict, message: str):
    with pytest.raises(ConfigError, match=message):
        parts.build(vary(TRIAL, **changes))


def test_a_strategy_that_needs_probabilities_refuses_a_view_of_prompts():
    view = PoolView.from_predictions(UNPREDICTED, np.ones((9, 2), np.float32), None, [], [])
    with pytest.raises(ValueError, match=r"Margin serves .*, and the answers of this one are texts, .*; use one of: "):
        strategies.create("margin").select(view, 2, np.random.default_rng(0))
    with pytest.raises(ValueError, match="class probabilities: answers to this pool are text"):
        view.probabilities(np.array([0]))


def test_held_out_prompts_are_embedded_and_a_split_may_be_empty(home: Home):
    arrays = EmbeddingStore.open(home.environment.store / parts.build(TRIAL).embedding).arrays()
    assert len(arrays.pool.embeddings_ND) == ROWS - TEST_ROWS
    assert len(arrays.test.embeddings_ND) == TEST_ROWS
    assert arrays.validation.labels_N.shape == (0, 5)
    assert arrays.test.group_names == ("copy", "count", "sum")
