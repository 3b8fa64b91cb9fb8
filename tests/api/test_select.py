"""`select`: plain arrays in, row numbers out; what the loop chooses, and mistakes in plain words."""

import re
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from labelbench_ray import Part, Trial, select, strategies
from labelbench_ray.config import vary
from labelbench_ray.contracts.trying import with_facts
from labelbench_ray.ledger.trials import Header, Ledger
from labelbench_ray.streams import stream
from labelbench_ray.trial import parts
from labelbench_ray.trial.bought import bought_rows
from labelbench_ray.trial.fit_light import LightFitter, in_process
from labelbench_ray.trial.loop import Loop
from labelbench_ray.types import Block, PoolView
from tests.samples import make_embedded, make_pool

POOL = make_pool(150)
SETTINGS = {"most_likely_positive": {"classes": [1]}}
ARRAYS = (POOL.embeddings, POOL.probabilities, POOL.labeled, POOL.labels)
BASE = Trial(dataset="digits", encoder="pixels", strategy="margin", seed=3, rounds=2, budget=6, trainer="logistic")


def answers(ids: np.ndarray) -> list[int]:
    """A person's, who knows nothing of numpy."""
    return [int(POOL.truth[row]) for row in ids]


def of_multi_label(rows: int = 100) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    embeddings, probabilities = rng.normal(size=(rows, 5)), rng.random((rows, 4))
    return embeddings, probabilities, np.arange(10), rng.integers(-1, 2, (10, 4))


@pytest.mark.parametrize("name", strategies.names())
def test_it_is_the_strategy_s_choice_for_the_same_arrays_and_stream(name: str):
    part = Part.of(name, **SETTINGS.get(name, {}))
    made = strategies.create(name, **part.settings)
    pool = with_facts(POOL, made)
    expected = made.select(pool.view(), 15, np.random.default_rng(7), ask=lambda ids: POOL.truth[ids])
    assert expected.dtype == np.int64
    for strategy in (part, made, *([name] if not part.settings else [])):
        found = select(*ARRAYS, strategy, budget=15, seed=7, ask=answers, facts=pool.facts)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["margin", "badge", "coreset", "galaxy"])
def test_it_is_what_the_loop_chooses_given_the_round_s_stream(name: str, tmp_path: Path):
    trial, embedded = vary(BASE, strategy=name), make_embedded()
    built = parts.build(trial)
    header = Header(fingerprint=built.fingerprint, trial=trial, store="memory", compute="numpy", versions={})
    with Ledger.open(tmp_path, header) as ledger:
        fitter = LightFitter(built, embedded, (), in_process(embedded, 1))
        list(islice(Loop(built, ledger, fitter).rounds(), 2))
        first, second = ledger.records()
        model = fitter.open(ledger.proxy(first)).classifier
    raw_ND = embedded.pool.embeddings_ND
    given = (model.features(raw_ND), model.probabilities(raw_ND), *bought_rows([first], embedded))
    ask: Callable[..., Any] = lambda ids: embedded.pool.labels_N[ids]  # noqa: E731
    chosen = select(*given, name, budget=6, seed=stream(3, 1, "select"), ask=ask)
    assert tuple(chosen) == second.chosen
    assert tuple(select(raw_ND, None, [], [], "random", 6, stream(3, 0, "select"))) == first.chosen


def test_lists_tensors_and_float64_are_arrays_too():
    expected = select(*ARRAYS, "badge", 10)
    np.testing.assert_array_equal(select(*(array.tolist() for array in ARRAYS), "badge", 10), expected)
    np.testing.assert_array_equal(select(*map(torch.from_numpy, ARRAYS), "badge", 10), expected)


def test_a_hundred_rows_of_the_smallest_margin_by_default():
    chosen = select(*ARRAYS)
    top_two = np.sort(POOL.probabilities[POOL.unlabeled], axis=1)[:, -2:]
    smallest = POOL.unlabeled[np.argsort(top_two[:, 1] - top_two[:, 0])[:100]]
    assert len(chosen) == 100
    assert set(chosen) == set(smallest)


def test_another_seed_gives_other_random_choices_and_a_generator_goes_on():
    first, second = select(*ARRAYS, "random", 20), select(*ARRAYS, "random", 20, seed=1)
    assert set(first) != set(second)
    shared = np.random.default_rng(0)
    np.testing.assert_array_equal(select(*ARRAYS, "random", 20, seed=shared), first)
    assert set(select(*ARRAYS, "random", 20, seed=shared)) != set(first)


@pytest.mark.parametrize("name", strategies.names())
def test_without_probabilities_a_strategy_chooses_the_same_or_states_that_it_reads_them(name: str):
    part = Part.of(name, **SETTINGS.get(name, {}))
    wants_none = "P" not in reads(name)
    if wants_none:
        facts = with_facts(POOL, strategies.create(name, **part.settings)).facts
        chosen = select(POOL.embeddings, None, POOL.labeled, POOL.labels, part, 10, ask=answers, facts=facts)
        np.testing.assert_array_equal(chosen, select(*ARRAYS, part, 10, ask=answers, facts=facts))
    else:
        with pytest.raises(ValueError, match=r"^probabilities: None, and this strategy reads them; give "):
            select(POOL.embeddings, None, POOL.labeled, POOL.labels, part, 10, ask=answers)


def reads(name: str) -> str:
    """What docs/strategies.md states that a strategy wants; of a wrapper, what it wants around its default."""
    page = (Path(__file__).parents[2] / "docs/strategies.md").read_text()
    found = re.search(rf"^\| `{name}` \| ([^|]*) \|", page, re.MULTILINE)
    assert found
    inner = strategies.create(name, **SETTINGS.get(name, {})).inner_plugins()
    return found[1] + "".join(reads(type(each).__module__.rpartition(".")[2]) for each in inner.values())


@pytest.mark.parametrize("name", ["margin", "badge", "random", "coreset"])
def test_several_labels_a_row(name: str):
    arrays = of_multi_label()
    expected = strategies.create(name).select(PoolView.from_multi_label(*arrays), 8, np.random.default_rng(0))
    np.testing.assert_array_equal(select(*arrays, name, 8), expected)


def test_several_labels_a_row_before_there_is_a_label():
    embeddings, probabilities, *_ = of_multi_label()
    assert len(select(embeddings, probabilities, [], np.empty((0, 4)), "margin", 8)) == 8
    assert len(select(embeddings, None, [], np.empty((0, 4)), "coreset", 8)) == 8
    with pytest.raises(ValueError, match="Bait serves pools of one label a row"):
        select(*of_multi_label(), "bait", 8)


class Longest(strategies.RowStrategy):
    """Of a user's notebook: by a fact."""

    facts = ("num_tokens",)

    def score(self, block: Block) -> np.ndarray:
        return block.facts["num_tokens"]


@pytest.mark.parametrize("probabilities", [None, POOL.probabilities], ids=["none", "given"])
def test_facts_by_name(probabilities: np.ndarray | None):
    tokens = np.random.default_rng(0).permutation(150)
    given = (POOL.embeddings, probabilities, POOL.labeled, POOL.labels, Longest(), 10)
    chosen = select(*given, facts={"num_tokens": tokens})
    assert list(chosen) == list(POOL.unlabeled[np.argsort(-tokens[POOL.unlabeled])[:10]])
    with pytest.raises(ValueError, match="num_tokens"):
        select(*given, facts={"num_tokens": tokens[:5]})


def changed(**fields: Any) -> dict[str, Any]:
    return dict(zip(("embeddings", "probabilities", "labeled", "labels"), ARRAYS, strict=True)) | fields


NAN = np.where(np.arange(150)[:, None] == 3, np.nan, 1)


@pytest.mark.parametrize(
    ("fields", "states"),
    [
        ({"embeddings": POOL.embeddings[0]}, r"embeddings: shape \(6,\) must be \(N, D\), D numbers for each of"),
        ({"embeddings": POOL.embeddings * NAN}, "embeddings: row 3 holds NaN or infinity; every entry must be finite"),
        (
            {"embeddings": POOL.embeddings.astype(int)},
            r"embeddings: dtype int64 must be .*; convert them with",
        ),
        (
            {"probabilities": POOL.probabilities[:5]},
            r"probabilities: shape \(5, 4\) must be \(150, K\), a row",
        ),
        ({"probabilities": POOL.probabilities * NAN}, "probabilities: row 3 holds NaN or infinity; every entry must"),
        ({"probabilities": POOL.probabilities * 2}, r"probabilities: row 0 sums to 2; rows must sum to 1 .*a softmax"),
        ({"probabilities": POOL.truth}, r"probabilities: shape \(150,\) must be \(150, K\)"),
        ({"probabilities": np.eye(4, dtype=int)[POOL.truth]}, "dtype int64 must be float32; give what the model predi"),
        ({"labeled": [0, 150], "labels": [0, 1]}, "labeled: id 150 is out of range; it must be one of the pool's 150"),
        ({"labeled": [0, -1], "labels": [0, 1]}, "labeled: id -1 is out of range"),
        ({"labeled": [5, 5], "labels": [0, 1]}, "labeled: id 5 is repeated; give each labeled row once"),
        ({"labeled": np.zeros(150, bool)}, "labeled: dtype bool must be int64; numpy.flatnonzero makes row numbers"),
        ({"labeled": [0, 1], "labels": [0, 4]}, r"labels: 4 of row 1 must lie in 0 \.\. 3; number the 4 classes in th"),
        ({"labeled": [0, 1], "labels": [0]}, r"shapes \(2,\), \(1,\) must be equal; give one label for each labeled"),
        ({"labeled": [0], "labels": ["cat"]}, r"labels: dtype <U3 must be int64; numpy\.unique\(names, return_inv"),
        ({"labeled": [0], "labels": [1.0]}, r"labels: dtype float64 must be int64; convert it with \.astype"),
        ({"labeled": [0], "labels": [[1, 0, 2, 0]]}, "labels: 2 must be 1, 0 or -1"),
        ({"budget": 131}, "budget: 131 rows asked for, 130 of the pool's 150 are unlabeled; ask for that many at most"),
        ({"budget": 2.5}, "budget: 2.5 is not an integer; give a number of rows"),
        ({"seed": None}, "seed: None is neither an integer from 0 on nor a numpy Generator; give one of them"),
        ({"seed": -1}, "seed: -1 is neither"),
        ({"seed": True}, "seed: True is neither"),
        ({"strategy": "margn"}, "no strategy called 'margn'; did you mean 'margin'"),
        ({"strategy": Part.of("badge", cold=1)}, "no setting of Badge called 'cold'"),
        (
            {"strategy": type(strategies.create("margin"))},
            r"not a name, a Part or a strategy that is .*Margin\(\)",
        ),
        ({"strategy": 3}, "strategy: 3 is not a name"),
        ({"strategy": "galaxy", "budget": 5}, "ask: galaxy needs answers .*; pass ask="),
        (
            {"strategy": "galaxy", "budget": 5, "ask": lambda ids: [0, 1, 2]},
            "ask: its answer to 1 row numbers is not",
        ),
        ({"strategy": "galaxy", "budget": 5, "ask": lambda ids: ["cat"]}, "ask: .*labels: dtype <U3 must be int64"),
    ],
)
def test_a_mistake_is_answered_with_the_value_the_rule_and_the_fix(fields: dict[str, Any], states: str):
    with pytest.raises(ValueError, match=states) as raised:
        select(**changed(**fields))
    assert "\n" not in str(raised.value)
