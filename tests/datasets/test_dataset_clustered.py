"""Covariate shift by clusters: which rows are taken out of the pool, and that they never change."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from labelbench_ray import datasets, plugins
from labelbench_ray.config import Part, vary
from labelbench_ray.datasets import Source
from labelbench_ray.datasets.shifts.clusters import (
    clusters_by_size,
    image_features,
    nearest,
    text_features,
)
from labelbench_ray.errors import ConfigError, DataError
from labelbench_ray.trial.parts import build
from tests.full_trials import DIGITS, make_home, make_store

ALL = ("pool", "validation", "test", "test_far")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LABELBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def opened(root: Path, **settings: object) -> Source:
    part = Part.of("clustered", **({"dataset": "digits"} | settings))
    return plugins.build(datasets.Dataset, datasets.PACKAGE, part).open(root)


def ids(source: Source) -> dict[str, set[str]]:
    return {name: set(split.read(0, len(split)).row_ids) for name, split in source.splits.items()}


def test_every_row_is_in_one_split_and_no_row_of_the_pool_is_tested(tmp_path: Path):
    plain = ids(plugins.build(datasets.Dataset, datasets.PACKAGE, Part(name="digits")).open(tmp_path))
    found = ids(opened(tmp_path))
    assert set(found) == set(ALL)
    assert found["pool"] < plain["pool"]
    assert found["validation"] < plain["validation"]
    assert found["test"] | found["test_far"] == plain["test"]
    assert not found["test"] & found["test_far"]
    assert not found["pool"] & (found["test"] | found["test_far"] | found["validation"])


def test_each_class_loses_a_cluster_and_keeps_about_its_share(tmp_path: Path):
    source = opened(tmp_path)
    counts = {name: np.bincount(source.splits[name].labels(), minlength=10) for name in ALL}
    assert counts["pool"].min() > 40
    assert (
        counts["test"] + counts["test_far"]
        == np.bincount(
            plugins.build(datasets.Dataset, datasets.PACKAGE, Part(name="digits"))
            .open(tmp_path)
            .splits["test"]
            .labels()
        )
    ).all()
    share_C = counts["pool"] / counts["pool"].sum()
    assert share_C.min() > 0.05
    assert share_C.max() < 0.15


def test_held_out_rows_are_far_from_the_pool_s(tmp_path: Path):
    """The distance to the nearest row of the pool of the same class is larger than that of the other test rows."""
    source = opened(tmp_path)
    read = {name: source.splits[name].read(0, len(source.splits[name])) for name in ALL}
    features = {name: image_features(each.payloads).astype(float) for name, each in read.items()}
    mean = {}
    for name in ("test", "test_far"):
        far = []
        for row_D, label in zip(features[name], read[name].labels_B, strict=True):
            pool_ND = features["pool"][read["pool"].labels_B == label]
            far.append(np.sqrt(np.square(pool_ND - row_D).sum(axis=1).min()))
        mean[name] = np.mean(far)
    assert mean["test_far"] > 1.15 * mean["test"]


def test_it_is_computed_once_and_is_the_same_again(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    first = opened(tmp_path)
    (kept,) = cache.rglob("*.npy")
    monkeypatch.setattr("labelbench_ray.datasets.clustered.clusters_by_size", None)
    again = opened(tmp_path)
    assert ids(first) == ids(again)
    assert first.signature == again.signature
    monkeypatch.undo()
    monkeypatch.setenv("LABELBENCH_CACHE", str(tmp_path / "other"))
    assert ids(opened(tmp_path)) == ids(first)
    assert kept.stat().st_size < 3000


def test_other_clusters_are_other_data(tmp_path: Path):
    sources = [opened(tmp_path, held_out=held_out) for held_out in range(3)]
    assert len({source.signature for source in sources}) == 3
    test_far = [ids(source)["test_far"] for source in sources]
    assert sum(map(len, test_far)) == 360, "the three clusters together are all test rows"
    assert len(set.union(*test_far)) == 360


def test_clusters_of_planted_groups_are_those_groups():
    rng = np.random.default_rng(3)
    group_N = rng.choice(3, 300, p=[0.5, 0.3, 0.2])
    features_ND = (rng.integers(0, 20, (300, 6)) + 80 * group_N[:, None]).astype(np.uint16)
    centers_CD, cluster_N = clusters_by_size(features_ND, 3, 0)
    assert np.array_equal(cluster_N, group_N), "the largest is the first"
    assert np.array_equal(centers_CD, np.rint(centers_CD))
    order = rng.permutation(300)
    assert np.array_equal(nearest(features_ND[order], centers_CD), group_N[order])


def test_rows_that_are_alike_are_one_cluster():
    centers_CD, cluster_N = clusters_by_size(np.full((9, 4), 7, np.uint16), 3, 0)
    assert centers_CD.tolist() == [[7, 7, 7, 7]]
    assert cluster_N.tolist() == [0] * 9


def test_rare_words_weigh_and_those_of_every_text_or_of_few_do_not():
    texts = ["the card"] * 3 + ["The BANK, again"] * 4 + ["the bank 17"]
    features_ND = text_features(texts)
    assert features_ND.shape == (8, 256)
    # log2 of 8 / 8, 8 / 3 and 8 / 5, rounded down, and of 8 / 4 for "again"
    assert features_ND.sum(axis=1).tolist() == [1, 1, 1, 1, 1, 1, 1, 0]
    assert text_features(["card"] * 3 + ["loan"] * 997).max() == 4, "not log2 of 333"


def test_texts_are_clustered(tmp_path: Path):
    topics = ("lost card", "new phone", "old house")
    for name, rows in (("train", 120), ("validation", 30), ("test", 60)):
        texts = [f"{topics[row // 2 % 3]} {name}{row}" for row in range(rows)]
        path = tmp_path / "texts" / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"text": texts, "label": [row % 2 for row in range(rows)]}), path)
    source = opened(tmp_path, dataset=Part.of("parquet", path="texts", payload="text"), held_out=0)
    far = source.splits["test_far"]
    words = {text[:8] for text in far.read(0, len(far)).payloads}
    pool = source.splits["pool"]
    assert not words & {text[:8] for text in pool.read(0, len(pool)).payloads}


def test_an_image_that_is_broken_does_not_matter():
    assert not image_features([b"no image"]).any()


def test_changed_files_are_clustered_again(tmp_path: Path, cache: Path):
    rng = np.random.default_rng(0)
    for split, rows in (("train", 40), ("validation", 20), ("test", 30)):
        for row in range(rows):
            path = tmp_path / f"images/{split}/{row % 2}/{row:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            buffer = io.BytesIO()
            Image.fromarray(rng.integers(0, 80, (8, 8, 3)).astype(np.uint8) + 80 * (row // 2 % 3)).save(buffer, "BMP")
            path.write_bytes(buffer.getvalue())
    folder = Part.of("image_folder", path="images")
    before = opened(tmp_path, dataset=folder)
    changed = tmp_path / "images/train/0/000.png"
    changed.write_bytes(changed.read_bytes()[:-3] + b"abc")
    opened(tmp_path, dataset=folder)
    assert len([*cache.rglob("*.npy")]) == 2
    assert set(before.splits) == set(ALL)


def test_a_sample_of_the_data_set_is_clustered_apart(tmp_path: Path):
    sizes = [len(opened(tmp_path, dataset=Part.of("digits", max_rows=rows)).splits["pool"]) for rows in (400, 300)]
    assert 300 > sizes[0] > sizes[1]


@pytest.mark.parametrize(
    ("settings", "states"),
    [
        (
            {"dataset": "cifar10_pairs"},
            "has the task 'multi_label'; classes are clustered where rows have one label each",
        ),
        ({"held_out": 3}, "held_out: 3 of 3 clusters, which are numbered from 0"),
        ({"clusters": 1}, "greater than or equal to 2"),
    ],
)
def test_what_cannot_be_clustered_is_refused(settings: dict[str, object], states: str):
    with pytest.raises(ConfigError, match=states):
        plugins.build(datasets.Dataset, datasets.PACKAGE, Part.of("clustered", **({"dataset": "digits"} | settings)))


def test_corrupted_rows_are_not_clustered_around():
    """Their splits would keep rows of the clusters that are held out."""
    inner = Part.of("corrupted", dataset="digits")
    with pytest.raises(ConfigError, match=r"what is clustered instead: corrupted\(dataset=clustered"):
        plugins.build(datasets.Dataset, datasets.PACKAGE, Part.of("clustered", dataset=inner))


def test_a_data_set_without_test_rows_in_the_cluster_is_refused(tmp_path: Path):
    for name, rows in (("train", 60), ("validation", 2), ("test", 2)):
        texts = [f"topic{row // 2 % 3 if name == 'train' else 0} {name}{row}" for row in range(rows)]
        pq.write_table(
            pa.table({"text": texts, "label": [row % 2 for row in range(rows)]}), tmp_path / f"{name}.parquet"
        )
    with pytest.raises(DataError, match="no test row is in the clusters that are held out; use fewer clusters"):
        opened(tmp_path, dataset=Part.of("parquet", path=".", payload="text"), held_out=2)


def test_the_plan_states_what_is_taken_out(tmp_path: Path):
    source = opened(tmp_path)
    taken = 1257 - len(source.splits["pool"])
    assert source.findings.notes[-1] == f"pool: {taken} of 1,257 rows are in clusters that are taken out"


def test_it_is_part_of_the_trial_s_identity_and_a_trial_runs(tmp_path: Path):
    part = Part.of("clustered", dataset="digits", max_rows=200)
    trials = [vary(DIGITS, dataset=part), vary(DIGITS, dataset=Part.of("clustered", dataset="digits", clusters=4))]
    assert len({build(trial).fingerprint for trial in (DIGITS, *trials)}) == 3
    make_store(trials[0], tmp_path / "store", tmp_path)
    records = make_home(tmp_path, tmp_path / "store").run(trials[0])
    assert {"Test Accuracy", "Test Far Accuracy"} <= set(records[-1].metrics)
