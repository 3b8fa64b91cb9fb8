"""Facts: numbers of pool rows from a data set or an encoder, through the store to the strategies that read them."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import ArrayLike

from labelbench_ray import datasets, plugins, select, strategies
from labelbench_ray.config import Part, Trial
from labelbench_ray.datasets import Dataset, Source
from labelbench_ray.datasets._evaluation import further_facts
from labelbench_ray.embeddings import complete
from labelbench_ray.embeddings.complete import complete_store
from labelbench_ray.embeddings.embed import EmbeddedShard, EmbeddingJob
from labelbench_ray.embeddings.local import LocalEmbedder
from labelbench_ray.embeddings.shards import ShardId, load_shard
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ChangedDataError, ConfigError, DataError, StoreError
from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.ledger.trials import read_history
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.plan import plan
from labelbench_ray.pool.facts import DUPLICATE_OF, Facts
from labelbench_ray.trial import parts
from labelbench_ray.trial.local import LocalExecutor
from labelbench_ray.types import BLOCK_ROWS, PoolView
from tests.full_trials import Killed, untimed
from tests.samples import make_pool, write_module

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "plugins.md").read_text("utf-8")
ROWS = 60
EMPTY, COPIED = 7, 11
"""Rows of the pool: one that cannot be decoded, and one that equals a test row."""
MORE = 5
"""Tokens of row r: r more than this, taken in an order in which neighbors are far apart."""


def tokens_of(row: int) -> int:
    return MORE + 37 * row % 101


def text_of(row: int) -> str:
    return "" if row == EMPTY else " ".join(["spam" if row % 2 else "ham"] * (1 + row % 9) + [f"text{row}"])


def write(folder: Path, **columns: object) -> None:
    """A data set of texts with labels 0 and 1 in turn, whose pool has the columns num_tokens and urgent."""
    folder.mkdir(parents=True, exist_ok=True)
    pool = {
        "text": [text_of(row) for row in range(ROWS)],
        "label": [row % 2 for row in range(ROWS)],
        "key": [f"row{row:03d}" for row in reversed(range(ROWS))],  # embedded in another order than they lie in
        "num_tokens": [tokens_of(row) for row in range(ROWS)],
        "urgent": [row % 3 == 0 for row in range(ROWS)],
    }
    pq.write_table(pa.table(pool | columns), folder / "train.parquet", row_group_size=16)
    texts = [text_of(COPIED), *(f"{['ham', 'spam'][row % 2]} held out {row}" for row in range(39))]
    held_out = {
        "text": texts,
        "label": [COPIED % 2, *(row % 2 for row in range(39))],
        "key": [f"t{row}" for row in range(40)],
    }
    pq.write_table(pa.table(held_out), folder / "test.parquet")


def text_with(name: str) -> str:
    (text,) = (text for text in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if f"class {name}(" in text)
    return text


@pytest.fixture
def letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The encoder of docs/plugins.md that computes the fact num_words."""
    return write_module(tmp_path, "letters", text_with("Letters"), monkeypatch)


@pytest.fixture
def cheapest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The strategy of docs/plugins.md that reads the fact num_tokens."""
    return write_module(tmp_path, "cheapest", text_with("Cheapest"), monkeypatch)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    write(tmp_path / "data" / "texts")
    return environment_of(tmp_path / "runs", tmp_path / "data")


def environment_of(runs: Path, data_root: Path) -> Environment:
    return Environment(runs, runs.parent / "store", data_root, "", executor="local", max_reject_fraction=0.1)


def trial_of(strategy: str, encoder: str, facts: Sequence[str] = ("num_tokens", "urgent"), **settings: Any) -> Trial:
    named = {"facts": list(facts)} if facts else {}
    return Trial(
        dataset=Part.of("parquet", path="texts", payload="text", row_id="key", **named, **settings),
        encoder=Part(name=encoder),
        strategy=strategy,
        first_batch=strategy,
        trainer="logistic",
        seed=0,
        rounds=4,
        budget=5,
    )


def embed(trial: Trial, environment: Environment, embedder: Any = None) -> EmbeddingStore:
    recipe = parts.build(trial).store_recipe
    return complete_store(recipe, None, environment, embedder or LocalEmbedder(), lambda rows, total: None)


def numbers(store: EmbeddingStore) -> list[int]:
    """The row of the file that each row of the pool is."""
    return [ROWS - 1 - int(row_id[3:]) for row_id in store.row_ids()]


def assert_aligned(store: EmbeddingStore) -> None:
    """Every fact of every row is that of the row itself, in shards and in arrays."""
    rows, facts = numbers(store), store.arrays().pool.facts
    assert list(facts) == ["num_tokens", "num_words", "urgent"]
    assert facts["num_tokens"].tolist() == [tokens_of(row) for row in rows]
    assert facts["num_words"].tolist() == [len(text_of(row).split()) for row in rows]
    assert facts["urgent"].tolist() == [row % 3 == 0 for row in rows]


# In a view.


def view_of(rows: int, shards: int = 1, **settings: Any) -> PoolView:
    pool = make_pool(rows)
    return PoolView.from_arrays(pool.embeddings, pool.probabilities, pool.labeled, pool.labels, shards, **settings)


@pytest.mark.parametrize("shards", [1, 3])
def test_shards_and_blocks_have_the_facts_of_their_rows(shards: int) -> None:
    rows = 2 * BLOCK_ROWS + 100
    view = view_of(rows, shards, facts={"twice": 2 * np.arange(rows), "even": np.arange(rows) % 2 == 0})
    assert view.fact_names == ("even", "twice")
    assert len(view.shards) == shards
    some, sizes = np.arange(50, rows, 3), set()
    for shard in view.only(np.setdiff1d(some, view.labeled_L)).shards:
        assert (shard.facts["twice"] == 2 * shard.ids_S).all()
        found = [*shard.blocks(), *shard.candidates(), *shard.among(some), *shard.among(np.arange(rows - 7, rows))]
        sizes |= {len(block.ids_B) == BLOCK_ROWS for block in found}
        for block in found:
            assert block.facts["twice"].dtype == np.float64
            assert (block.facts["twice"] == 2 * block.ids_B).all()
            assert (block.facts["even"] == (block.ids_B % 2 == 0)).all()
    assert sizes == {True, False}


def test_facts_go_with_their_ids() -> None:
    pool, ids = make_pool(30), np.random.default_rng(0).permutation(30)
    view = PoolView.from_arrays(pool.embeddings, pool.probabilities, [], [], ids=ids, facts={"id": ids})
    (shard,) = view.shards
    assert shard.ids_S.tolist() == shard.facts["id"].tolist() == list(range(30))


@pytest.mark.parametrize("seed", range(20))
def test_of_equal_rows_in_a_sample_one_can_be_chosen(seed: int) -> None:
    """The one that the pool keeps where it is in the sample; rows that repeat none stay so."""
    rng = np.random.default_rng(seed)
    texts_N = rng.integers(0, 12, 40)
    kept = {text: int(rng.choice(np.flatnonzero(texts_N == text))) for text in set(texts_N.tolist())}
    duplicate_of_N = [-1.0 if kept[text] == row else kept[text] for row, text in enumerate(texts_N.tolist())]
    rows_M = np.sort(rng.choice(40, 15, replace=False))
    facts = Facts({DUPLICATE_OF: np.array(duplicate_of_N), "size": np.arange(40.0)}).sampled(rows_M)
    assert facts["size"].tolist() == rows_M.tolist()
    for text in set(texts_N[rows_M].tolist()):
        members_B = np.flatnonzero(texts_N[rows_M] == text)
        (open_one,) = members_B[facts[DUPLICATE_OF][members_B] < 0]
        assert kept[text] not in rows_M or rows_M[open_one] == kept[text]
        assert set(facts[DUPLICATE_OF][members_B]) <= {-1.0, float(open_one)}


def test_an_unknown_fact_is_answered_with_those_that_there_are() -> None:
    (shard,) = view_of(30, facts={"num_tokens": np.ones(30)}).shards
    with pytest.raises(KeyError, match="no fact called 'num_token'; did you mean 'num_tokens'"):
        shard.facts["num_token"]


@pytest.mark.parametrize(
    ("facts", "states"),
    [
        ({"cost": np.ones(29)}, r"the fact 'cost': shape \(29,\) must be \(30,\)"),
        ({"cost": np.ones((30, 1))}, r"the fact 'cost': shape \(30, 1\)"),
        ({"cost": ["a"] * 30}, r"the fact 'cost': dtype <U1 must be float, integer or boolean"),
        ({"cost": [1.0] * 4 + [np.nan] * 26}, r"the fact 'cost': row 4 has nan; a fact must be a finite number"),
        ({"cost": [np.inf] * 30}, r"the fact 'cost': row 0 has inf"),
        ({"cost": [1] * 29 + [2**53 + 1]}, r"the fact 'cost': row 29 has 9007199254740993"),
        ({"mean entropy": np.ones(30)}, r"the fact 'mean entropy': its name must be a letter and then"),
        ({"../cost": np.ones(30)}, r"the fact '\.\./cost': its name"),
    ],
)
def test_what_is_not_a_fact_is_refused(facts: Mapping[str, ArrayLike], states: str) -> None:
    with pytest.raises(ValueError, match=states):
        view_of(30, facts=facts)


def test_a_strategy_is_refused_where_its_facts_are_missing(cheapest: str) -> None:
    strategy = strategies.create(cheapest)
    with pytest.raises(ValueError, match=r"Cheapest needs the fact 'num_tokens', and the pool has none; give them to"):
        strategy.select(view_of(30), 5, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"needs the fact 'num_tokens', and the pool has 'tokens';"):
        strategy.select(view_of(30, facts={"tokens": np.ones(30)}), 5, np.random.default_rng(0))


def test_a_wrapper_needs_what_its_strategy_needs(cheapest: str) -> None:
    wrapper = strategies.create("subsample", strategy={"name": cheapest}, rows=30)
    assert wrapper.facts == ("num_tokens",)
    counts = np.random.default_rng(0).permutation(100)
    view = view_of(100, facts={"num_tokens": counts})
    every = strategies.create("partition", strategy={"name": cheapest}, parts=1)
    chosen = every.select(view, 10, np.random.default_rng(0))
    open_ids = np.setdiff1d(np.arange(100), view.labeled_L)
    assert chosen.tolist() == open_ids[np.argsort(counts[open_ids])][:10].tolist()
    with pytest.raises(ValueError, match="Subsample needs the fact 'num_tokens', and the pool has none"):
        wrapper.select(view_of(100), 10, np.random.default_rng(0))


@pytest.mark.parametrize("predicted", [True, False])
def test_select_takes_facts(cheapest: str, predicted: bool) -> None:
    pool, counts = make_pool(40, labeled=0), np.random.default_rng(0).permutation(40)
    probabilities = pool.probabilities if predicted else None
    chosen = select(pool.embeddings, probabilities, [], [], strategy=cheapest, budget=5, facts={"num_tokens": counts})
    assert counts[chosen].tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="Cheapest needs the fact 'num_tokens'"):
        select(pool.embeddings, probabilities, [], [], strategy=cheapest, budget=5)
    with pytest.raises(ValueError, match=r"the fact 'num_tokens': shape \(3,\) must be \(40,\)"):
        select(pool.embeddings, probabilities, [], [], strategy=cheapest, budget=5, facts={"num_tokens": [1, 2, 3]})


# From data sets.


def parquet(**settings: Any) -> Dataset:
    part = Part.of("parquet", path="texts", payload="text", row_id="key", **settings)
    return plugins.build(datasets.Dataset, datasets.PACKAGE, part)


def test_the_pool_has_the_facts_and_evaluation_splits_have_none(environment: Environment) -> None:
    source = parquet(facts=["urgent", "num_tokens"], max_rows=25).open(environment.data_root)
    records = source.splits["pool"].read(3, 20)
    rows = [ROWS - 1 - int(row_id[3:]) for row_id in records.row_ids]
    assert len(rows) == 17
    assert records.facts["num_tokens"].tolist() == [tokens_of(row) for row in rows]
    assert records.facts["urgent"].tolist() == [row % 3 == 0 for row in rows]
    assert not source.splits["validation"].facts
    assert not source.splits["test"].read(0, 5).facts


def test_without_facts_recipe_and_signature_hold_nothing_of_them(environment: Environment) -> None:
    plain, with_facts = parquet(), parquet(facts=["num_tokens"])
    assert "facts" not in plugins.recipe("parquet", plain)["settings"]  # type: ignore[operator]
    assert plugins.recipe("parquet", with_facts)["settings"]["facts"] == ["num_tokens"]  # type: ignore[index,call-overload]
    opened = plain.open(environment.data_root)
    assert opened.signature != with_facts.open(environment.data_root).signature
    assert further_facts({}, {}, Facts()) == []


@pytest.mark.parametrize(
    ("column", "states"),
    [
        ([1.5] * 3 + [None] * 57, r"train\.parquet, column 'cost', row 3: null; a fact must be a finite number"),
        ([1.5] * 20 + [float("nan")] * 40, r"train\.parquet, column 'cost', row 20: nan;"),
        ([float("-inf")] * 60, r"train\.parquet, column 'cost', row 0: -inf;"),
        ([2**53 + 1] * 60, r"train\.parquet, column 'cost', row 0: 9007199254740993;"),
        (["three"] * 60, r"train\.parquet, column 'cost': holds string; facts must be floats, integers or booleans"),
        ([[1]] * 60, r"column 'cost': holds list<"),
    ],
)
def test_a_column_that_holds_no_facts_is_refused(environment: Environment, column: list[object], states: str) -> None:
    write(environment.data_root / "texts", cost=column)
    with pytest.raises(DataError, match=states):
        parquet(facts=["cost"]).open(environment.data_root)


def test_the_file_of_several_and_the_row_in_it_are_named(environment: Environment) -> None:
    folder = environment.data_root / "texts"
    (folder / "train").mkdir()
    for number, cost in enumerate(([1] * 10, [1] * 4 + [None] * 6)):
        rows = {"text": ["ham"] * 10, "label": [0, 1] * 5, "key": [f"{number}{row}" for row in range(10)], "cost": cost}
        pq.write_table(pa.table(rows), folder / "train" / f"part{number}.parquet")
    with pytest.raises(DataError, match=r"part1\.parquet, column 'cost', row 4: null"):
        parquet(train="train", facts=["cost"]).open(environment.data_root)


def test_numbers_of_other_types_are_read(environment: Environment) -> None:
    values = [row / 4 for row in range(60)]
    columns = {
        "half": pa.array(np.array(values, np.float16)),
        "unsigned": pa.array(range(60), pa.uint8()),
        "repeated": pa.array([row // 30 for row in range(60)]).dictionary_encode(),
    }
    write(environment.data_root / "texts", **columns)
    facts = parquet(facts=list(columns)).open(environment.data_root).splits["pool"].facts
    assert facts["half"].tolist() == values
    assert facts["unsigned"].tolist() == list(range(60))
    assert facts["repeated"].tolist() == [row // 30 for row in range(60)]


def test_an_unknown_column_is_answered_with_those_that_there_are(environment: Environment) -> None:
    with pytest.raises(DataError, match=r"no column called 'num_token'; did you mean 'num_tokens'.*urgent"):
        parquet(facts=["num_token"]).open(environment.data_root)


@pytest.mark.parametrize(
    ("settings", "states"),
    [
        ({"facts": ["cost", "cost"]}, "'cost' is named 2 times; name each column once"),
        ({"facts": ["label"]}, "'label' is a column of labels, which no strategy may see before it pays for them"),
        ({"facts": ["kind"], "label_name": "kind"}, "'kind' is a column of labels"),
        ({"facts": ["mean entropy"]}, "the fact 'mean entropy': its name must be a letter"),
    ],
)
def test_names_that_cannot_be_facts_are_refused(settings: dict[str, Any], states: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(states)):
        parquet(**settings)


OWN = '''
from dataclasses import replace
from labelbench_ray.datasets.parquet import Parquet


class Own(Parquet):
    """Texts with a fact that is made up from the number of a row."""

    split: str = "pool"
    value: float = 0.5

    def load(self, root):
        source = super().load(root)
        split = source.splits[self.split]
        facts = {"number": [self.value] + [row for row in range(1, len(split))]}
        return replace(source, splits=source.splits | {self.split: replace(split, facts=facts)})
'''


def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Dataset:
    path = write_module(tmp_path, "own", OWN, monkeypatch)
    part = Part.of(path, path="texts", payload="text", row_id="key", **settings)
    return plugins.build(datasets.Dataset, datasets.PACKAGE, part)


def test_a_data_set_of_a_user_s_own_brings_facts(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = own(tmp_path, monkeypatch).open(environment.data_root)
    facts = opened.splits["pool"].facts
    assert isinstance(facts, Facts)
    assert facts["number"].tolist() == [0.5, *range(1, 60)]
    other = own(tmp_path, monkeypatch, value=0.25).open(environment.data_root)
    assert opened.signature != other.signature


def test_facts_of_evaluation_rows_are_refused(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=r"split 'test': has facts; facts are of pool rows, leave them out here"):
        own(tmp_path, monkeypatch, split="test").open(environment.data_root)


# In a store.


def test_every_row_keeps_its_facts_where_rows_are_rejected(environment: Environment, letters: str) -> None:
    store = embed(trial_of("random", letters), environment)
    assert store.manifest.facts.keys() == {"num_tokens", "num_words", "urgent"}
    assert store.manifest.facts["num_words"] is None
    assert sorted(numbers(store)) == [row for row in range(ROWS) if row != EMPTY]
    assert_aligned(store)
    assert not store.arrays().test.facts


def test_every_row_keeps_its_facts_where_duplicates_are_dropped(environment: Environment, letters: str) -> None:
    store = embed(trial_of("random", letters, drop_duplicates=True), environment)
    assert sorted(numbers(store)) == [row for row in range(ROWS) if row not in (EMPTY, COPIED)]
    assert_aligned(store)


class Dying(LocalEmbedder):
    """Dies after three shards."""

    def shards(self, job: EmbeddingJob, source: Source, pending: Sequence[ShardId]) -> Iterator[EmbeddedShard]:
        yield from islice(super().shards(job, source, pending), 3)
        raise Killed


def test_a_killed_embedding_goes_on_with_its_facts(
    environment: Environment, letters: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(complete, "SHARD_ROWS", 9)
    trial = trial_of("random", letters)
    with pytest.raises(Killed):
        embed(trial, environment, Dying())
    before = shard_times(environment)
    assert 0 < len(before) < 7
    resumed = embed(trial, environment)
    assert {path: shard_times(environment)[path] for path in before} == before
    assert_aligned(resumed)
    again = embed(trial, replace(environment, store=environment.store.with_name("again")))
    assert resumed.manifest.content == again.manifest.content


def test_shards_of_other_facts_are_embedded_again(
    environment: Environment, letters: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(complete, "SHARD_ROWS", 9)
    trial = trial_of("random", letters)
    write(environment.data_root / "texts", num_tokens=[3] * ROWS)
    with pytest.raises(Killed):
        embed(trial, environment, Dying())
    write(environment.data_root / "texts")
    assert_aligned(embed(trial, environment))


def shard_times(environment: Environment) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in environment.store.glob("*/shards/*.parquet")}


def test_a_store_s_hash_covers_its_facts(environment: Environment, letters: str, tmp_path: Path) -> None:
    contents = set()
    for number in (1, 2):
        write(environment.data_root / "texts", num_tokens=[number] * ROWS)
        stored = replace(environment, store=tmp_path / f"store{number}")
        contents.add(embed(trial_of("random", letters), stored).manifest.content)
    assert len(contents) == 2


def test_changed_facts_are_a_change_of_the_data(environment: Environment, letters: str) -> None:
    trial = trial_of("random", letters)
    embed(trial, environment)
    write(environment.data_root / "texts", num_tokens=[tokens_of(row) + (row == 5) for row in range(ROWS)])
    with pytest.raises(ChangedDataError, match=r"\(the fact 'num_tokens' of pool rows; files that changed: train"):
        embed(trial, environment)


def test_a_shard_without_the_facts_that_its_manifest_states_is_refused(
    environment: Environment, letters: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = embed(trial_of("random", letters), environment)
    stated = store.manifest.model_copy(update={"facts": {**store.manifest.facts, "mean_entropy": None}})
    with pytest.raises(StoreError, match=r"pool-00000\.parquet: lacks the fact 'mean_entropy', which the manifest"):
        replace(store, manifest=stated).arrays()


def test_a_damaged_fact_is_found(environment: Environment, letters: str) -> None:
    store = embed(trial_of("random", letters), environment)
    path = store.directory / "shards/pool-00000.parquet"
    table = pq.read_table(path)
    place = table.column_names.index("fact.num_tokens")
    pq.write_table(table.set_column(place, "fact.num_tokens", pa.array(np.ones(len(table)))), path)
    with pytest.raises(StoreError, match=r"its content does not have the hash that it states"):
        load_shard(path)


# From encoders.

WRONG = """
from {module} import LetterCounts, Letters


class Wrong(Letters):
    def load(self, device):
        return WrongCounts()

    def fact_names(self):
        return ("num_words", "num_letters")


class WrongCounts(LetterCounts):
    def embed_with_facts(self, decoded):
        return {returned}
"""


@pytest.mark.parametrize(
    ("returned", "states"),
    [
        ("self.embed(decoded)", r"returned ndarray; it must return WithFacts\(embeddings_BD, facts\)"),
        (
            "LetterCounts.embed_with_facts(self, decoded)",
            r"returned the facts num_words; the encoder states num_words, num_letters",
        ),
        (
            "type(super().embed_with_facts(decoded))(self.embed(decoded), "
            "dict(num_words=[float('nan')] * len(decoded), num_letters=[1] * len(decoded)))",
            r"the fact 'num_words': row 'row\d+' has nan; a fact must be a finite number",
        ),
        (
            "type(super().embed_with_facts(decoded))(self.embed(decoded), dict(num_words=[1], num_letters=[1]))",
            r"the fact 'num_letters': shape \(1,\) must be \(59,\)",
        ),
        (
            "type(super().embed_with_facts(decoded))(None, "
            "dict(num_words=[1] * len(decoded), num_letters=[1] * len(decoded)))",
            r"returned NoneType for 59 rows; it must return \(B, D\) floats",
        ),
    ],
)
def test_what_a_network_returns_instead_of_facts_is_refused(
    environment: Environment,
    letters: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    returned: str,
    states: str,
) -> None:
    path = write_module(tmp_path, "wrong", WRONG.format(module=letters, returned=returned), monkeypatch)
    with pytest.raises(DataError, match=rf"WrongCounts\.embed_with_facts of Wrong\(\):? {states}"):
        embed(trial_of("random", path), environment)


def test_a_network_without_the_method_is_refused(
    environment: Environment, letters: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"from {letters} import Letters\nfrom tests.word_counts import WordCounts\n"
    text += "class Lacking(Letters):\n    def load(self, device):\n        return WordCounts().load(device)\n"
    path = write_module(tmp_path, "lacking", text, monkeypatch)
    with pytest.raises(DataError, match=r"embed_with_facts of Lacking\(\) does not exist, and the encoder states the"):
        embed(trial_of("random", path), environment)


def test_a_fact_of_both_the_data_set_and_the_encoder_is_refused(environment: Environment, letters: str) -> None:
    write(environment.data_root / "texts", num_words=[1] * ROWS)
    with pytest.raises(ConfigError, match=r"the fact 'num_words': the data set brings it, and the encoder Letters\(\)"):
        planned(trial_of("random", letters, facts=("num_words",)), environment)


# In trials.


def planned(trial: Trial, environment: Environment) -> Any:
    return plan(Experiment("tests.facts", (trial,)), environment)


@pytest.mark.parametrize("embedded", [False, True])
def test_a_plan_refuses_a_strategy_without_its_facts(
    environment: Environment, letters: str, cheapest: str, embedded: bool
) -> None:
    trial = trial_of(cheapest, letters, facts=("urgent",))
    if embedded:
        embed(trial, environment)
    with pytest.raises(ConfigError) as refused:
        planned(trial, environment)
    assert str(refused.value) == (
        f"strategy {cheapest}: needs the fact 'num_tokens', and the pool has 'num_words', 'urgent' (data set "
        f"{trial.dataset}, encoder {letters}); name the columns in the data set, as in facts=['num_tokens'] of "
        "parquet, or use an encoder that computes them"
    )


def test_a_plan_states_the_facts_of_the_pool(environment: Environment, letters: str, cheapest: str) -> None:
    (store,) = planned(trial_of(cheapest, letters), environment).stores
    assert store.facts == ("num_tokens", "num_words", "urgent")
    assert any(line.startswith("pool: ") and line.endswith("; facts num_tokens, urgent") for line in store.found)


class Callbacks:
    """Fails the test if a job fails."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        def reported(*arguments: object) -> None:
            assert name != "on_failed", arguments

        return reported


def run_locally(environment: Environment, trial: Trial) -> list[RoundRecord]:
    """Embed what is missing and run the rounds that are missing by the local executor."""
    built, executor = parts.build(trial), LocalExecutor(environment)
    with executor.started():
        store = embed(trial, environment, executor.embedder)
        job = executor.selection_job(built, environment.runs / "facts", store.manifest.count("pool"))
        executor.run([job], Callbacks(), 0, None)  # type: ignore[arg-type]
    return list(read_history(environment.runs / "facts" / built.fingerprint).records)


DEADLY = """
import os
import signal
from {module} import Cheapest


class Deadly(Cheapest):
    def choose(self, view, budget, key, ask):
        if os.environ.get("DIES_WITH") == str(len(view.labeled_L)):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().choose(view, budget, key, ask)
"""


def test_the_cheapest_rows_first_killed_and_resumed(
    environment: Environment, letters: str, cheapest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = trial_of(write_module(tmp_path, "deadly", DEADLY.format(module=cheapest), monkeypatch), letters)
    planned(trial, environment)
    complete_records = run_locally(environment, trial)
    store = embed(trial, environment)
    rows = [numbers(store)[place] for record in complete_records for place in record.chosen]
    assert rows == sorted((row for row in range(ROWS) if row != EMPTY), key=tokens_of)[: 4 * 5]

    elsewhere = environment_of(tmp_path / "elsewhere" / "runs", environment.data_root)
    program = f"""
from pathlib import Path
from labelbench_ray.config import Trial
from tests.test_facts import environment_of, run_locally
environment = environment_of(Path({str(elsewhere.runs)!r}), Path({str(elsewhere.data_root)!r}))
run_locally(environment, Trial.model_validate_json({trial.model_dump_json()!r}))
"""
    search = os.pathsep.join([str(ROOT), str(tmp_path)])
    killed = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": search, "DIES_WITH": "10"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    directory = elsewhere.runs / "facts" / parts.build(trial).fingerprint
    assert len(list((directory / "rounds").glob("*.json"))) == 2
    assert untimed(run_locally(elsewhere, trial)) == untimed(complete_records)
