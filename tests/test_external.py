"""Stores that name files of embeddings: their ledgers, what lies on disk, and files that change."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from labelbench_ray.api.plan_words import describe
from labelbench_ray.cluster.scorers import Scorer
from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.datasets.vectors.table import numbered
from labelbench_ray.embeddings import complete
from labelbench_ray.embeddings.complete import complete_store
from labelbench_ray.embeddings.external.watched import watched_files
from labelbench_ray.embeddings.local import LocalEmbedder
from labelbench_ray.embeddings.origin import data_changes
from labelbench_ray.embeddings.overlaps import read_overlaps
from labelbench_ray.embeddings.shards import read_keys
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.embeddings.stretches import pool_stretch
from labelbench_ray.encoders.precomputed import NOT_FINITE, TOO_SMALL
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ChangedDataError, ConfigError, DataError, NotProvidedError, StoreError
from labelbench_ray.ledger.trials import read_history
from labelbench_ray.planning import plan
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.pool.blocks import LinearModel, ModelShard
from labelbench_ray.pool.gathered import GatheredRows
from labelbench_ray.trial import loop, parts
from labelbench_ray.trial.assembly import selection_job
from tests.full_trials import untimed

ROWS, CLASSES, DIMENSIONS = 3_000, 3, 6
TRIAL = Trial(
    dataset=Part.of("embeddings", path="vectors"),
    encoder=Part.of("precomputed"),
    strategy=Part.of("margin"),
    trainer=Part.of("logistic"),
    budget=8,
    rounds=3,
    seed=0,
)


def make_rows(rows: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels_N = rng.integers(0, CLASSES, rows)
    centers_KD = np.random.default_rng(1).normal(size=(CLASSES, DIMENSIONS))
    return (centers_KD[labels_N] + rng.normal(size=(rows, DIMENSIONS))).astype(np.float32), labels_N


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """Three arrays of float16 with labels beside them."""
    folder = tmp_path / "data" / "vectors"
    folder.mkdir(parents=True)
    for seed, (part, rows) in enumerate({"train": ROWS, "validation": 300, "test": 400}.items()):
        rows_ND, labels_N = make_rows(rows, seed)
        np.save(folder / f"{part}.npy", rows_ND.astype(np.float16))
        np.save(folder / f"{part}.labels.npy", labels_N)
    return Environment(
        tmp_path / "runs", tmp_path / "store", tmp_path / "data", "", max_reject_fraction=0.01, executor="local"
    )


def vectors(environment: Environment) -> Path:
    return environment.data_root / "vectors"


def make(environment: Environment, trial: Trial = TRIAL) -> EmbeddingStore:
    recipe = parts.build(trial).store_recipe
    return complete_store(recipe, None, environment, LocalEmbedder(), lambda done, total: None)


def make_ordinary(environment: Environment, monkeypatch: pytest.MonkeyPatch, trial: Trial = TRIAL) -> EmbeddingStore:
    """The same embeddings in shards, through decoding and the encoder."""
    with monkeypatch.context() as patch:
        patch.setattr(complete, "names_files", lambda *_: False)
        return make(environment, trial)


def rounds(environment: Environment, trial: Trial = TRIAL) -> list[dict[str, Any]]:
    job = selection_job(parts.build(trial), environment.runs, environment)
    list(job.steps())
    return untimed(read_history(job.directory).records)


def save(environment: Environment, part: str, rows_ND: NDArray[Any]) -> None:
    np.save(vectors(environment) / f"{part}.npy", rows_ND)


def load(environment: Environment, part: str) -> NDArray[Any]:
    return np.array(np.load(vectors(environment) / f"{part}.npy"))


def in_shards(environment: Environment) -> Environment:
    """The same data, for a second store and its own runs."""
    return replace(environment, runs=environment.runs / "shards", store=environment.store / "shards")


def unsorted_ids(environment: Environment) -> None:
    for part in ("train", "validation", "test"):
        rows = len(load(environment, part))
        np.save(vectors(environment) / f"{part}.ids.npy", np.random.default_rng(5).permutation(rows).astype(str))


def one_array(environment: Environment) -> None:
    for path in vectors(environment).glob("[vt][ae][ls]*.npy"):
        path.unlink()


def float64(environment: Environment) -> None:
    for part in ("train", "validation", "test"):
        save(environment, part, load(environment, part).astype(np.float64))


def fortran(environment: Environment) -> None:
    save(environment, "train", np.asfortranarray(load(environment, "train")))


def archive(environment: Environment) -> None:
    rows_ND, labels_N = load(environment, "train"), load(environment, "train.labels")
    (vectors(environment) / "train.npy").unlink()
    np.savez_compressed(vectors(environment) / "train.npz", embeddings=rows_ND, labels=labels_N)


def not_finite(environment: Environment) -> None:
    rows_ND = load(environment, "train")
    rows_ND[[5, 2_000], [0, 1]] = np.nan, np.inf
    save(environment, "train", rows_ND)


@pytest.mark.parametrize("change", [None, unsorted_ids, one_array, float64, fortran, archive, not_finite])
def test_ledgers_equal_those_of_the_same_embeddings_in_shards(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    if change:
        change(environment)
    environment = replace(environment, max_reject_fraction=0.01)
    store, shards = make(environment), make_ordinary(in_shards(environment), monkeypatch)
    assert store.manifest.external
    assert not shards.manifest.external
    for split in shards.manifest.splits:
        assert store.row_ids(split) == shards.row_ids(split)
    assert rounds(environment) == rounds(in_shards(environment))


def test_rows_in_two_splits_are_counted_as_elsewhere(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    test_ND = load(environment, "test")
    test_ND[:5] = load(environment, "train")[100:105]
    test_ND[7] = load(environment, "validation")[3]
    save(environment, "test", test_ND)
    store, shards = make(environment), make_ordinary(in_shards(environment), monkeypatch)
    counted = [read_overlaps(each.directory, each.manifest.content) for each in (store, shards)]

    assert counted[0]
    assert counted[1]
    assert counted[0].found == counted[1].found
    assert [(each.split, each.other, each.rows) for each in counted[0].found] == [
        ("test", "pool", 5),
        ("test", "validation", 1),
    ]


def test_a_plan_states_the_width_and_that_no_row_is_copied(environment: Environment) -> None:
    def planned(trial: Trial) -> str:
        return " ".join(describe(plan.plan(Experiment("tests.external", (trial,)), environment)))

    assert "6 dimensions, no copy of the rows on disk" in planned(TRIAL)
    float64(environment)
    assert "0.0 MB of converted rows on disk" in planned(TRIAL)


def is_mapped(array: Any) -> bool:
    """Whether an array is a view of a mapped file."""
    return isinstance(array, np.memmap) or (array.base is not None and is_mapped(array.base))


def test_rows_are_mapped_where_they_lie_and_no_row_is_copied(environment: Environment) -> None:
    store = make(environment)
    pool_ND = store.arrays().pool.embeddings_ND
    assert is_mapped(pool_ND)
    assert np.array_equal(pool_ND, load(environment, "train"))
    held = sum(path.stat().st_size for path in store.directory.rglob("*") if path.is_file())
    assert held < ROWS * 70  # ids, labels and row numbers, twice


def test_rows_of_one_array_that_is_split_are_read_when_they_are_used(environment: Environment) -> None:
    one_array(environment)
    pool_ND = make(environment).arrays().pool.embeddings_ND
    assert isinstance(pool_ND, GatheredRows)
    assert isinstance(pool_ND[10:20], GatheredRows)
    assert not list(environment.store.rglob("pool.npy"))


def test_what_cannot_be_mapped_is_converted_once(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    float64(environment)
    store = make(environment)
    assert [array.converted for array in store.manifest.external] == [f"converted/{number}.npy" for number in range(3)]
    monkeypatch.setattr("labelbench_ray.embeddings.external.store.make_external", lambda *_: pytest.fail("made again"))
    assert make(environment).manifest == store.manifest


def test_a_scorer_maps_its_stretch(environment: Environment) -> None:
    store = make(environment)
    stretch = pool_stretch(store, 1_000, 2_000)
    assert is_mapped(stretch.embeddings_SD)
    scorer = Scorer.__ray_metadata__.modified_class(store.directory, 1_000, 2_000)
    model = LinearModel(np.ones((DIMENSIONS, CLASSES), np.float32), np.zeros(CLASSES, np.float32))
    found = scorer.apply(0, model, np.empty(0, np.int64), None, sums)
    assert np.allclose(found, load(environment, "train")[1_000:2_000].astype(np.float32).sum(axis=1))


def sums(shard: ModelShard) -> NDArray[np.float32]:
    return np.concatenate([block.embeddings_BD.sum(axis=1) for block in shard.blocks()])


def test_rows_that_are_not_finite_are_rejected_as_elsewhere(environment: Environment) -> None:
    not_finite(environment)
    with pytest.raises(DataError, match=r"2 of 3700 rows .*--max-reject-fraction 0.0 .*'00000005': holds NaN"):
        make(replace(environment, max_reject_fraction=0.0))
    store = make(replace(environment, max_reject_fraction=0.01))
    assert (store.manifest.rejects, store.manifest.count("pool")) == (2, ROWS - 2)
    assert read_keys(store.directory / "shards/pool-00000.parquet").rejected == ["00000005", "00002000"]


def test_rows_that_float16_would_hold_as_zeros_are_rejected_as_elsewhere(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows_ND = load(environment, "train").astype(np.float32)
    rows_ND[[5, 2_000]] *= 1e-9
    rows_ND[7], rows_ND[9, 0] = 0, np.nan
    save(environment, "train", rows_ND)
    environment = replace(environment, max_reject_fraction=0.01)
    reasons = {"00000005": TOO_SMALL, "00002000": TOO_SMALL, "00000009": NOT_FINITE}
    for store in (make(environment), make_ordinary(in_shards(environment), monkeypatch)):
        rejects = pq.read_table(store.directory / "rejects.parquet").to_pylist()
        assert {each["row_id"]: each["reason"] for each in rejects} == reasons
        assert store.manifest.count("pool") == ROWS - 3


def test_a_plan_states_magnitudes_that_are_too_small_for_float16(environment: Environment) -> None:
    def notes() -> str:
        return " ".join(parts.build(TRIAL).dataset.open(environment.data_root).findings.notes)

    assert "largest magnitude" not in notes()
    save(environment, "train", np.full((ROWS, DIMENSIONS), -2e-6, np.float32))
    assert "largest magnitude in the first rows is 2.0e-06: float16 loses digits below 6e-5" in notes()


def test_another_file_is_refused_by_name_with_what_changed(environment: Environment) -> None:
    store, source = make(environment), parts.build(TRIAL).dataset
    rows_ND = load(environment, "train")
    rows_ND[7] += 1
    save(environment, "train", rows_ND)
    with pytest.raises(
        ChangedDataError, match=r"train.npy: SHA-256 \w{12} instead of \w{12}.*put the earlier data back"
    ):
        make(environment)
    save(environment, "train", rows_ND[:-1])
    np.save(vectors(environment) / "train.labels.npy", load(environment, "train.labels")[:-1])
    with pytest.raises(ChangedDataError, match=r"1 row gone .'00002999'.*train.npy: 36,116 bytes instead of 36,128"):
        make(environment)
    with pytest.raises(ChangedDataError, match=r"train.npy: 36,116 bytes now, 36,128 when the store"):
        store.arrays()
    assert data_changes(store, source.open(environment.data_root))


def test_another_label_is_refused(environment: Environment) -> None:
    make(environment)
    labels_N = load(environment, "train.labels")
    labels_N[3] = (labels_N[3] + 1) % CLASSES
    save(environment, "train.labels", labels_N)
    with pytest.raises(ChangedDataError, match=r"pool: 1 row with another label .'00000003'"):
        make(environment)


def negated(environment: Environment, path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-2 * DIMENSIONS * ROWS, os.SEEK_END)
        file.write((-load(environment, "train")).tobytes())


@pytest.mark.parametrize("is_renamed", [False, True])
def test_a_file_that_changes_during_a_round_gives_no_record(environment: Environment, is_renamed: bool) -> None:
    make(environment)
    job = selection_job(parts.build(TRIAL), environment.runs, environment)
    steps, path = job.steps(), vectors(environment) / "train.npy"
    next(steps)
    new = path.with_suffix(".new")
    shutil.copyfile(path, new)
    negated(environment, new if is_renamed else path)
    if is_renamed:
        new.rename(path)
    with pytest.raises(ChangedDataError, match=r"train.npy: written again while the trial ran, so no round"):
        next(steps)
    assert len(read_history(job.directory).records) == 1
    with pytest.raises(ChangedDataError, match=r"train.npy: SHA-256 \w{12} instead of"):
        rounds(environment)


def test_a_file_that_changes_while_a_round_is_computed_gives_no_record(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(environment)
    job, path = selection_job(parts.build(TRIAL), environment.runs, environment), vectors(environment) / "train.npy"
    measured = loop.measure

    def changing(*given: Any) -> Any:
        os.truncate(path, path.stat().st_size + 2)
        return measured(*given)

    monkeypatch.setattr(loop, "measure", changing)
    with pytest.raises(ChangedDataError, match=r"train.npy: 36,130 bytes instead of 36,128, changed while"):
        list(job.steps())
    assert not read_history(job.directory).records


def test_a_file_with_another_time_and_the_same_content_is_read_once_more(environment: Environment) -> None:
    store = make(environment)
    origin = store.arrays().origin
    os.utime(vectors(environment) / "train.npy", (1, 1))
    files = watched_files(origin)
    assert {file.modified for file in files.files} >= {10**9}
    files.check()


def test_ids_that_name_other_rows_are_refused(environment: Environment) -> None:
    unsorted_ids(environment)
    make(environment)
    ids_N, labels_N = load(environment, "train.ids"), load(environment, "train.labels")
    first, second = np.flatnonzero(labels_N == 1)[:2]
    ids_N[[first, second]] = ids_N[[second, first]]
    save(environment, "train.ids", ids_N)
    with pytest.raises(ChangedDataError, match="pool: 2 rows with other content") as refused:
        make(environment)
    assert all(repr(str(ids_N[row])) in str(refused.value) for row in (first, second))


def test_a_file_that_was_written_again_without_a_change_is_accepted(environment: Environment) -> None:
    store = make(environment)
    save(environment, "train", load(environment, "train"))
    os.utime(vectors(environment) / "test.npy", (1, 1))
    assert make(environment).manifest == store.manifest


def test_files_that_moved_are_found_at_their_new_place(environment: Environment, tmp_path: Path) -> None:
    store = make(environment)
    environment.data_root.rename(tmp_path / "moved")
    with pytest.raises(NotProvidedError, match="vectors is not there"):
        make(environment)
    with pytest.raises(StoreError, match=r"train.npy: No such file.* names this file instead of holding its rows"):
        store.arrays()
    moved = make(replace(environment, data_root=tmp_path / "moved"))
    assert moved.manifest.content == store.manifest.content
    assert len(moved.arrays().pool.labels_N) == ROWS


@pytest.mark.parametrize("file", ["shards/pool-00000.parquet", "converted/0.npy"])
def test_what_is_damaged_in_the_store_is_made_again(environment: Environment, file: str) -> None:
    float64(environment)
    store = make(environment)
    shutil.rmtree(store.arrays_folder)  # with them, no window is read
    (store.directory / file).write_bytes(b"damaged")
    assert make(environment).manifest.content == store.manifest.content
    assert rounds(environment)


def test_a_store_that_cannot_be_made_again_stays_as_it_was(environment: Environment) -> None:
    store = make(environment)
    shutil.rmtree(store.arrays_folder)  # with them, no window is read
    damaged = store.directory / "shards/pool-00000.parquet"
    whole = damaged.read_bytes()

    def held() -> dict[str, bytes]:
        return {
            str(path): path.read_bytes()
            for path in store.directory.rglob("*")
            if path.is_file() and path.name in ("manifest.json", "source.parquet", "test-00000.parquet")
        }

    before = held()
    damaged.write_bytes(b"damaged")
    labels_N = load(environment, "train.labels")
    save(environment, "train.labels", (labels_N + 1) % CLASSES)
    with pytest.raises(StoreError, match=r"made again, have other content than its manifest states; put the damaged"):
        make(environment)
    assert held() == before
    damaged.write_bytes(whole)
    with pytest.raises(ChangedDataError, match="pool: 3,000 rows with another label"):
        make(environment)
    save(environment, "train.labels", labels_N)
    assert make(environment).manifest == store.manifest


def test_rows_are_not_converted_again_from_other_files(environment: Environment) -> None:
    float64(environment)
    store = make(environment)
    shutil.rmtree(store.arrays_folder)  # with them, no window is read
    (store.directory / "shards/test-00000.parquet").write_bytes(b"damaged")
    converted = (store.directory / "converted/0.npy").read_bytes()
    save(environment, "train", load(environment, "train") + 1)
    with pytest.raises(ChangedDataError, match=r"train.npy: SHA-256 \w{12} instead of"):
        make(environment)
    assert (store.directory / "converted/0.npy").read_bytes() == converted


def test_trainers_that_want_augmented_views_are_refused(environment: Environment) -> None:
    with pytest.raises(ConfigError, match="no augmentation fits"):
        parts.build(TRIAL.model_copy(update={"trainer": Part.of("fixmatch")}))


def test_full_models_are_refused(environment: Environment) -> None:
    with pytest.raises(ConfigError, match="none to train"):
        parts.build(TRIAL.model_copy(update={"proxy": Part.of("full_model"), "trainer": Part.of("supervised")}))


def test_gathered_rows_read_like_an_array() -> None:
    rows_ND = np.arange(40.0).reshape(10, 4)
    gathered, order_N = GatheredRows(rows_ND, np.array([7, 2, 5])), np.array([7, 2, 5])
    assert (len(gathered), gathered.shape, gathered.dtype) == (3, (3, 4), rows_ND.dtype)
    assert np.array_equal(np.asarray(gathered), rows_ND[order_N])
    assert np.array_equal(np.asarray(gathered[1:]), rows_ND[order_N[1:]])
    assert np.array_equal(gathered[np.array([2, 0])], rows_ND[[5, 7]])
    assert np.array_equal(gathered[np.array([True, False, True])], rows_ND[[7, 5]])


def test_a_store_that_removes_near_duplicates_holds_its_rows(environment: Environment) -> None:
    """What it removes it cannot leave in the user's file."""
    near = vary(TRIAL, dataset=Part.of(TRIAL.dataset.name, **TRIAL.dataset.settings, drop_near_duplicates=0.98))
    assert make(environment, near).manifest.external == ()
    assert make(environment).manifest.external


def test_ids_are_row_numbers_of_equal_length() -> None:
    rows_B = np.array([0, 7, 9_999, 10_000, 12_345_678, 123_456_789])
    assert numbered(rows_B, 10).to_pylist()[:4] == ["00000000", "00000007", "00009999", "00010000"]
    assert numbered(rows_B, 10**9).to_pylist() == [f"{row:09d}" for row in rows_B]


def test_the_arrays_that_are_made_with_a_store_are_those_made_from_its_windows(environment: Environment) -> None:
    one_array(environment)
    store = make(environment)
    made = {path.name: path.read_bytes() for path in store.arrays_folder.iterdir()}
    shutil.rmtree(store.arrays_folder)
    store.arrays()
    assert {path.name: path.read_bytes() for path in store.arrays_folder.iterdir()} == made
