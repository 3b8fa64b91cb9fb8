"""Near-duplicates: every pair whose cosine reaches the threshold is found, counted, stated and removable."""

from pathlib import Path

import numpy as np
import pytest

from labelbench_ray import datasets, plugins
from labelbench_ray.api.plan_words import describe
from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.datasets import digits
from labelbench_ray.embeddings import near_duplicates
from labelbench_ray.embeddings.near_duplicates import NearDuplicates, NearRows, count_near, near_rows
from labelbench_ray.embeddings.near_duplicates import pairs as pairs_module
from labelbench_ray.embeddings.near_duplicates.pairs import basis_of, directions, near_pairs
from labelbench_ray.embeddings.overlaps import Overlaps, left_out_words, read_overlaps
from labelbench_ray.embeddings.store import EmbeddingStore, embedded
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.plan import plan
from labelbench_ray.trial import parts
from tests.full_trials import DIGITS, make_home, make_store


def clustered(rows: int, dimensions: int, seed: int) -> np.ndarray:
    """Rows around some centers, so that cosines of all sizes occur; every tenth is a near copy of the one before."""
    rng = np.random.default_rng(seed)
    made = rng.normal(size=(9, dimensions))[rng.integers(9, size=rows)] + rng.normal(size=(rows, dimensions))
    made[1::10] = made[::10][: len(made[1::10])] + rng.normal(scale=0.1, size=made[1::10].shape)
    return made.astype(np.float16)


def by_all_cosines(first: np.ndarray, second: np.ndarray, threshold: float) -> set[tuple[int, int]]:
    unit = [
        each.astype(np.float64) / np.linalg.norm(each.astype(np.float64), axis=1)[:, None] for each in (first, second)
    ]
    return set(map(tuple, np.argwhere(unit[0] @ unit[1].T >= threshold).tolist()))


@pytest.mark.parametrize("dimensions", [16, 200])
@pytest.mark.parametrize("threshold", [0.6, 0.9, 0.98])
def test_every_pair_is_found_that_all_cosines_find(monkeypatch: pytest.MonkeyPatch, dimensions: int, threshold: float):
    monkeypatch.setattr(pairs_module, "BLOCK", 70)
    monkeypatch.setattr(pairs_module, "VERIFIED", 50)
    first = clustered(300, dimensions, 0)
    copies = (first[:40] + np.random.default_rng(2).normal(scale=0.1, size=(40, dimensions))).astype(np.float16)
    second = np.concatenate([clustered(150, dimensions, 1), copies])
    basis = basis_of(first[:100])
    near = [directions(np.array_split(each, 7), basis) for each in (first, second)]
    found, cosines = near_pairs(near[0], near[1], threshold, lambda rows: first[rows], lambda rows: second[rows])
    assert set(map(tuple, found.tolist())) == by_all_cosines(first, second, threshold)
    assert (cosines >= threshold).all()
    assert len(found) > 0
    within, _ = near_pairs(near[0], None, threshold, lambda rows: first[rows], lambda rows: first[rows])
    assert set(map(tuple, within.tolist())) == {
        pair for pair in by_all_cosines(first, first, threshold) if pair[0] < pair[1]
    }


def test_the_bound_leaves_few_pairs_to_compute(monkeypatch: pytest.MonkeyPatch):
    rows = clustered(2000, 256, 3)
    near, read = directions([rows], basis_of(rows[:500])), []

    def reading(numbers: np.ndarray) -> np.ndarray:
        read.append(len(numbers))
        return rows[numbers]

    found, _ = near_pairs(near, None, 0.98, reading, reading)
    assert len(found) >= 150
    assert sum(read) < 0.3 * len(rows) ** 2


def test_rows_of_zeros_are_near_nothing():
    rows = np.zeros((5, 8), np.float16)
    near = directions([rows], basis_of(np.eye(8, dtype=np.float16)))
    assert len(near_pairs(near, None, 0.98, lambda numbers: rows[numbers], lambda numbers: rows[numbers])[0]) == 0


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EmbeddingStore:
    return made_store(tmp_path_factory.mktemp("near"), DIGITS)


def made_store(folder: Path, trial: Trial) -> EmbeddingStore:
    make_store(trial, folder / "store", folder)
    return EmbeddingStore.open(folder / "store" / parts.build(trial).embedding)


def test_a_new_store_states_them_and_older_ones_do_not(store: EmbeddingStore, tmp_path: Path):
    found = read_overlaps(store.directory, store.manifest.content)
    assert found is not None
    arrays = embedded(store.directory)
    pool, test = (np.asarray(each.embeddings_ND) for each in (arrays.pool, arrays.test))
    pairs = by_all_cosines(pool, test, 0.98)
    within = {pair for pair in by_all_cosines(pool, pool, 0.98) if pair[0] < pair[1]}
    assert found.near is not None
    assert {each.split: each.rows for each in found.near.held_out}["test"] == len({row for _, row in pairs})
    assert found.near.pool == len({row for _, row in within})
    assert found.near.exact == 0
    assert Overlaps().near is None
    assert "near" not in Overlaps().model_dump(), "files without the count are as they were"


def test_the_plan_states_them(store: EmbeddingStore):
    home = make_home(store.directory.parent.parent, store.directory.parent)
    lines = describe(plan(Experiment("tests.grid", (DIGITS,)), home.environment))
    assert any(
        "have a near-duplicate in the pool" in line and "cosine of embeddings at least 0.98" in line for line in lines
    )


def test_they_are_removed_where_that_is_asked_for_and_the_first_of_a_group_stays(store: EmbeddingStore, tmp_path: Path):
    entries = list(store.manifest.shards)
    removed = near_rows(store.directory, entries, 0.98)
    dropping = vary(DIGITS, dataset=Part.of("digits", max_rows=300, drop_near_duplicates=0.98))
    made = made_store(tmp_path, dropping)
    kept = set(made.row_ids())
    assert kept == set(store.row_ids()) - removed.keys()
    arrays = embedded(made.directory)
    pool, test = (np.asarray(each.embeddings_ND) for each in (arrays.pool, arrays.test))
    assert not by_all_cosines(pool, test, 0.98)
    assert not {pair for pair in by_all_cosines(pool, pool, 0.98) if pair[0] < pair[1]}
    found = read_overlaps(made.directory, made.manifest.content)
    assert found is not None
    assert found.near == NearDuplicates(cosine=0.98, removed=len(removed))
    assert found.removed == 0
    assert any("is nearly the same as the pool row" in reason for reason in removed.values())
    assert any("is nearly the same as the test row" in reason for reason in removed.values())


def test_the_setting_is_in_the_identity_only_where_it_is_given():
    plain = vary(DIGITS, dataset=Part.of("digits", max_rows=300))
    given = vary(DIGITS, dataset=Part.of("digits", max_rows=300, drop_near_duplicates=0.98))
    assert parts.build(plain).embedding == parts.build(DIGITS).embedding
    assert parts.build(given).embedding != parts.build(DIGITS).embedding
    recipe = plugins.recipe("digits", digits.Digits())
    assert "drop_near_duplicates" not in recipe["settings"]  # type: ignore[operator]
    assert plugins.build(datasets.Dataset, datasets.PACKAGE, Part(name="digits")).drop_near_duplicates is None


def test_a_store_of_too_many_rows_is_not_counted(store: EmbeddingStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(near_duplicates, "MOST_PAIRS", 10)
    entries = list(store.manifest.shards)
    assert count_near(store.directory, entries) is None
    assert count_near(store.directory, entries, removed=3) == NearDuplicates(cosine=0.98, removed=3)


def test_they_are_stated_in_words():
    found = NearDuplicates(cosine=0.98, held_out=(NearRows(split="test", rows=2),), pool=1200, exact=7)
    assert str(found) == (
        "2 test rows have a near-duplicate in the pool; 1,200 pool rows nearly repeat an earlier one, 7 of them "
        "exactly (cosine of embeddings at least 0.98)"
    )
    assert str(NearDuplicates(cosine=0.98)) == ""
    assert (
        str(NearDuplicates(cosine=0.98, removed=1))
        == "1 pool row was removed as near-duplicates (drop_near_duplicates)"
    )
    assert left_out_words(5, 0, 5) == (
        "5 rows were removed from the pool as near-duplicates (drop_near_duplicates); see rejects.parquet"
    )
