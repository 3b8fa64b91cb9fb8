"""Rows that embedding rejects count before a trial starts: a pool that became too small ends the command at once."""

import shutil
from pathlib import Path

import pytest
from rich.console import Console

from labelbench_ray.api import stores as running
from labelbench_ray.api.executors import executor_of
from labelbench_ray.api.plan_words import describe
from labelbench_ray.config import vary
from labelbench_ray.embeddings.shards import rejects_bytes
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.planning import stores
from tests.test_plan import BASE, POOL, make_plan
from tests.test_views import REJECTED, SHARDS, make_store

EMBEDDED = sum(SHARDS["pool"]) - len(REJECTED)


@pytest.fixture
def store(tmp_path: Path) -> EmbeddingStore:
    return make_store(tmp_path / "made")


def stores_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: EmbeddingStore, budget: int) -> list[str]:
    """Make the stores of a plan where embedding the 1,257 rows of the digits leaves 27; returns their keys."""
    planned = make_plan(tmp_path, vary(BASE, rounds=1, budget=budget))
    monkeypatch.setattr(running, "complete_store", lambda *_: store)
    environment = Environment(tmp_path / "runs", tmp_path / "store", tmp_path / "data", "", executor="local")
    return list(running.make_stores(planned, executor_of(environment), environment, Console(quiet=True)))


def test_a_pool_that_rejects_made_too_small_is_refused_as_soon_as_it_is_embedded(tmp_path, monkeypatch, store):
    assert EMBEDDED + 1 < POOL
    message = (
        rf"1 rounds of {EMBEDDED + 1} labels are {EMBEDDED + 1}, the pool has {EMBEDDED} rows "
        rf"\({len(REJECTED)} rows could not be decoded; see rejects\.parquet\); lower `rounds`"
    )
    with pytest.raises(ConfigError, match=message):
        stores_made(tmp_path, monkeypatch, store, EMBEDDED + 1)


def test_a_budget_of_all_rows_that_are_left_is_fine(tmp_path, monkeypatch, store):
    assert len(stores_made(tmp_path, monkeypatch, store, EMBEDDED)) == 1


def test_the_next_plan_states_the_rejects_as_well(tmp_path, monkeypatch, store):
    monkeypatch.setattr(stores, "data_changes", lambda *_: None)  # the store stands for one of the digits
    trial = vary(BASE, rounds=1, budget=EMBEDDED + 1)
    key = make_plan(tmp_path, trial).stores[0].key
    shutil.copytree(store.directory, tmp_path / "store" / key)
    rejects = [(f"{split}/{number}/{row:02d}", split, "broken") for (split, number), row in REJECTED.items()]
    (tmp_path / "store" / key / "rejects.parquet").write_bytes(rejects_bytes(rejects))
    path = tmp_path / "store" / key / "manifest.json"
    path.write_text(path.read_text().replace("thekey", key))
    with pytest.raises(ConfigError, match=rf"the pool has {EMBEDDED} rows \(2 rows could not be decoded;"):
        make_plan(tmp_path, trial)
    lines = describe(make_plan(tmp_path, vary(trial, budget=EMBEDDED)))
    assert any(f"embedded, {len(REJECTED)} rows rejected; pool {EMBEDDED}, " in line for line in lines)
