"""Named evaluation splits with groups: from the data set through the store and the metrics into the report."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from rich.console import Console

from labelbench_ray import datasets, plugins, report
from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.datasets import SPLITS, Dataset, Groups, Source, ordered, split_title
from labelbench_ray.datasets._evaluation import check_groups, check_split_names
from labelbench_ray.embeddings.origin import data_changes
from labelbench_ray.embeddings.store import EmbeddingStore, SplitArrays
from labelbench_ray.errors import ConfigError, DataError, StoreError
from labelbench_ray.ledger.records import COSTS
from labelbench_ray.ledger.trials import Ledger, RoundRecord, read_header
from labelbench_ray.proxies import Classifier
from labelbench_ray.tasks.single_label import SINGLE_LABEL, SingleLabel
from labelbench_ray.trial import parts
from labelbench_ray.trial.evaluation import measure_splits
from labelbench_ray.types import BLOCK_ROWS
from tests.full_trials import Home, finetune, make_home, make_store
from tests.report.conftest import Experiment
from tests.samples import write_module

ANGLES = ("0 degrees", "90 degrees", "180 degrees", "270 degrees")
PLAIN = Trial(dataset="digits", encoder="pixels", strategy="margin", trainer="logistic", seed=0, rounds=2, budget=30)
ROTATED = vary(PLAIN, dataset=Part.of("digits", rotated_test=True))


def build(**settings: Any) -> Dataset:
    return plugins.build(datasets.Dataset, datasets.PACKAGE, Part.of("parquet", path="here", **settings))


def png(seed: int) -> bytes:
    buffer = io.BytesIO()
    pixels_HW = np.random.default_rng(seed).integers(0, 200, (8, 8)) + 55 * (seed % 2)
    Image.fromarray(pixels_HW.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def write(path: Path, count: int, first: int = 0, groups: Sequence[object] | None = None, **columns: object) -> None:
    """A file of images with labels 0 and 1 in turn, and groups of their own in the column `site`."""
    content: dict[str, object] = {
        "image": [png(row) for row in range(first, first + count)],
        "label": [row % 2 for row in range(first, first + count)],
        "key": [f"row {row}" for row in range(first, first + count)],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    site = {} if groups is None else {"site": [groups[row % len(groups)] for row in range(count)]}
    pq.write_table(pa.table(content | site | columns), path)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A data set whose further splits are of two sites and of none."""
    for number, (name, groups) in enumerate(
        {"train": None, "validation": None, "test": ["home"], "far": ["north", "south", "south"], "other": None}.items()
    ):
        write(tmp_path / f"here/{name}.parquet", 24, 100 * number, groups)
    return tmp_path


FAR = {"payload": "image", "row_id": "key", "splits": {"test_far": "far.parquet", "other": "other.parquet"}}
FAR_TRIAL = vary(PLAIN, dataset=Part.of("parquet", path="here", group="site", **FAR), budget=6)


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, list[RoundRecord]]:
    folder = tmp_path_factory.mktemp("rotated")
    make_store(ROTATED, folder / "store", folder)
    home = make_home(folder, folder / "store")
    return home, home.run(ROTATED)


def test_digits_are_rotated_with_the_angle_as_group(rotated: tuple[Home, list[RoundRecord]]):
    home, _ = rotated
    store = EmbeddingStore.open(home.environment.store / parts.build(ROTATED).embedding)
    split, test = store.arrays().splits["test_rotated"], store.arrays().test
    assert split.group_names == ANGLES
    assert split.groups_N is not None
    row_ids = store.row_ids("test_rotated")
    assert [ANGLES[group] for group in split.groups_N] == [f"{int(row_id[-3:])} degrees" for row_id in row_ids]
    images = {row_id: test.embeddings_ND[place].reshape(8, 8) for place, row_id in enumerate(store.row_ids("test"))}
    for place, row_id in enumerate(row_ids):
        turned_HW = np.rot90(images[row_id[:-4]], int(row_id[-3:]) // 90)
        np.testing.assert_array_equal(split.embeddings_ND[place].reshape(8, 8), turned_HW)
    assert np.bincount(split.groups_N).tolist() == [len(test.labels_N)] * 4


def test_metrics_are_those_that_numpy_computes_by_group(rotated: tuple[Home, list[RoundRecord]]):
    home, records = rotated
    job = home.job(ROTATED)
    store = EmbeddingStore.open(home.environment.store / parts.build(ROTATED).embedding)
    split = store.arrays().splits["test_rotated"]
    with Ledger.open(job.directory, read_header(job.directory / "trial.json")) as ledger:
        for record in records:
            predicted_N = Classifier.of_tensors(ledger.proxy(record)).probabilities(split.embeddings_ND).argmax(axis=1)
            right_N = predicted_N == split.labels_N
            by_group = {name: float(right_N[split.groups_N == group].mean()) for group, name in enumerate(ANGLES)}
            assert record.groups == {"test_rotated": pytest.approx(by_group)}
            assert record.metrics["Test Rotated Accuracy"] == pytest.approx(right_N.mean())
            assert record.metrics["Test Rotated Worst Group Accuracy"] == pytest.approx(min(by_group.values()))
            assert record.metrics["Test Rotated Group Gap"] == pytest.approx(
                max(by_group.values()) - min(by_group.values())
            )
            assert by_group["0 degrees"] == pytest.approx(record.metrics["Test Accuracy"])


def test_the_setting_changes_nothing_else(rotated: tuple[Home, list[RoundRecord]], tmp_path: Path):
    make_store(PLAIN, tmp_path / "store", tmp_path)
    plain = make_home(tmp_path, tmp_path / "store").run(PLAIN)
    _, records = rotated
    for one, other in zip(plain, records, strict=True):
        assert one.chosen == other.chosen
        assert one.metrics == {name: other.metrics[name] for name in one.metrics}
        assert {name for name in other.metrics if name not in one.metrics} == {
            name for name in other.metrics if "Rotated" in name
        }
        assert "groups" not in one.model_dump(exclude=COSTS)


def test_the_setting_is_part_of_the_recipe_only_if_it_is_on():
    plain, turned = (plugins.recipe("digits", parts.build(trial).dataset)["settings"] for trial in (PLAIN, ROTATED))
    assert "rotated_test" not in plain
    assert turned == plain | {"rotated_test": True}
    plain = plugins.recipe("parquet", build(payload="image"))["settings"]
    assert not {"splits", "group"} & set(plain)


def test_parquet_files_of_further_splits_have_groups_where_they_have_the_column(files: Path):
    make_store(FAR_TRIAL, files / "store", files)
    home = make_home(files, files / "store")
    records = home.run(FAR_TRIAL)
    store = EmbeddingStore.open(home.environment.store / parts.build(FAR_TRIAL).embedding)
    assert store.manifest.splits == ("pool", "validation", "test", "test_far", "other")
    assert {name: groups.names for name, groups in store.manifest.groups.items()} == {
        "test": ("home",),
        "test_far": ("north", "south"),
    }
    far = store.arrays().splits["test_far"]
    keys = [int(key.removeprefix("row ")) - 300 for key in store.row_ids("test_far")]
    assert far.groups_N is not None
    assert far.groups_N.tolist() == [int(key % 3 != 0) for key in keys]
    for record in records:
        assert {name: set(groups) for name, groups in record.groups.items()} == {
            "test": {"home"},
            "test_far": {"north", "south"},
            "other": set(),
        }
        assert record.metrics["Test Group Gap"] == 0
        assert "Other Accuracy" in record.metrics
        assert "Other Group Gap" not in record.metrics


def test_a_row_that_cannot_be_decoded_leaves_the_others_in_their_groups(files: Path):
    images = [png(row) if row else b"broken" for row in range(24)]
    write(files / "here/far.parquet", 24, 300, ["north", "south", "south"], image=images)
    make_store(FAR_TRIAL, files / "store", files)
    store = EmbeddingStore.open(files / "store" / parts.build(FAR_TRIAL).embedding)
    far = store.arrays().splits["test_far"]
    assert far.groups_N is not None
    assert np.bincount(far.groups_N).tolist() == [7, 16]


def test_a_changed_group_is_noticed(files: Path):
    make_store(FAR_TRIAL, files / "store", files)
    built = parts.build(FAR_TRIAL)
    store = EmbeddingStore.open(files / "store" / built.embedding)
    assert data_changes(store, built.dataset.open(files)) is None
    write(files / "here/far.parquet", 24, 300, ["south", "north", "north"])
    changes = data_changes(store, built.dataset.open(files))
    assert changes is not None
    assert str(changes).startswith("groups of test_far; files that changed: far.parquet")


def test_a_damaged_group_is_noticed(files: Path):
    make_store(FAR_TRIAL, files / "store", files)
    directory = files / "store" / parts.build(FAR_TRIAL).embedding
    path = directory / "shards/test_far-00000.parquet"
    table = pq.read_table(path)
    other = pa.array(1 - np.array(table["group"]))
    place = table.column_names.index("group")
    pq.write_table(table.set_column(place, "group", other).replace_schema_metadata(table.schema.metadata), path)
    with pytest.raises(StoreError, match=r"test_far-00000\.parquet: its content does not have the hash that it states"):
        EmbeddingStore.open(directory).arrays()


def test_samples_and_halves_keep_each_row_in_its_group(tmp_path: Path):
    write(tmp_path / "here/train.parquet", 30)
    write(tmp_path / "here/test.parquet", 30, 100, [3, 10, 2])
    source = build(payload="image", row_id="key", group="site", max_rows=8).open(tmp_path)
    for name in ("validation", "test"):
        split = source.splits[name]
        assert split.groups is not None
        assert split.groups.names == ("2", "3", "10"), "numbers are sorted as numbers"
        records = split.read(2, 7)
        site = [("3", "10", "2")[(int(key.removeprefix("row ")) - 100) % 3] for key in records.row_ids]
        assert records.groups_B is not None
        assert [split.groups.names[group] for group in records.groups_B] == site
    assert source.splits["pool"].groups is None


@pytest.mark.parametrize(
    ("site", "states"),
    [
        (pa.array(["a", None] * 12), r"far\.parquet, column 'site', row 1: the group is null; every row needs a group"),
        (pa.array([0.5] * 24), r"column 'site': groups are double; groups must be text, integers or truths"),
        (pa.array(["", "a"] * 12), r"split 'test_far': names of groups must be distinct and not empty"),
    ],
)
def test_a_column_that_holds_no_groups_is_refused(files: Path, site: Any, states: str):
    write(files / "here/far.parquet", 24, 300, site=site)
    with pytest.raises(DataError, match=states):
        build(group="site", **FAR).open(files)


def test_a_group_column_that_no_split_has_is_refused_with_the_nearest_one(files: Path):
    with pytest.raises(DataError, match=r"other\.parquet: no column called 'keyy'; did you mean 'key'"):
        build(group="keyy", **FAR).open(files)


def test_groups_that_are_as_many_as_rows_are_refused():
    groups = Groups(np.arange(1001), tuple(str(row) for row in range(1001)))
    with pytest.raises(DataError, match=r"split 'test': 1,001 groups, at most 1,000 are compared"):
        check_groups("own", "test", groups, 1001)


@pytest.mark.parametrize(
    ("groups", "states"),
    [
        (Groups(np.zeros(3, np.int64), ("a",)), "groups must be 4 int64, one for each row"),
        (Groups(np.zeros(4), ("a",)), "groups must be 4 int64, one for each row"),
        (Groups(np.array([0, 1, 2, 0]), ("a", "b")), r"a group's number must be in 0 \.\. 1"),
        (Groups(np.array([0, -1, 1, 0]), ("a", "b")), r"a group's number must be in 0 \.\. 1"),
    ],
)
def test_wrong_groups_of_a_data_set_of_one_s_own_are_refused(groups: Groups, states: str):
    with pytest.raises(DataError, match=rf"^own, split 'test': {states}"):
        check_groups("own", "test", groups, 4)


def test_the_pool_has_no_groups():
    with pytest.raises(DataError, match="groups are of evaluation splits"):
        check_groups("own", "pool", Groups(np.zeros(4, np.int64), ("a",)), 4)


@pytest.mark.parametrize("name", ["test_rotated", "ood", "imagenet_v2", "v2", "a" * 32])
def test_names_of_splits(name: str):
    check_split_names("own", (*SPLITS, name))


NOT_NAMES = ("Test", "test far", "test-far", "_test", "test_", "test__far", "", "2d", "../up", "a" * 33, "test\n")
TWO_METRICS_OF_ONE_NAME = ("val_far", "std", "test_worst_group", "labeling")


@pytest.mark.parametrize("name", [*NOT_NAMES, *TWO_METRICS_OF_ONE_NAME])
def test_other_names_are_refused_with_the_rule(name: str):
    with pytest.raises(DataError, match="its name must be words of lower-case letters and digits"):
        check_split_names("own", (*SPLITS, name))


def test_a_name_of_shifted_class_shares_is_refused():
    with pytest.raises(DataError, match="'test_prior_1': names that begin with 'test_prior_'"):
        check_split_names("own", (*SPLITS, "test_prior_1"))


def test_a_name_that_is_refused_is_refused_at_the_setting():
    with pytest.raises(ConfigError, match=r"splits: the split 'Far': its name must be words"):
        build(payload="image", splits={"Far": "far.parquet"})
    with pytest.raises(ConfigError, match=r"splits: 'test' has a setting of its own"):
        build(payload="image", splits={"test": "far.parquet"})


def test_a_data_set_without_a_split_is_refused_by_its_name():
    class Lacking(Dataset):
        def load(self, root: Path) -> Source:
            source = parts.build(PLAIN).dataset.load(root)
            return replace(source, splits={name: source.splits[name] for name in ("pool", "test")})

    with pytest.raises(DataError, match="has no split 'validation'; every data set needs pool, validation, test"):
        Lacking().open(Path())


def test_titles_and_order():
    assert [split_title(name) for name in ("test", "test_rotated", "v2")] == ["Test", "Test Rotated", "V2"]
    assert ordered(["far", "test", "pool", "validation"]) == ("pool", "validation", "test", "far")


def test_a_full_model_is_measured_on_further_splits(tmp_path: Path):
    trial = Trial(
        dataset=Part.of("digits", rotated_test=True, max_rows=60),
        encoder="tests.tiny_encoder",
        strategy="random",
        trainer=Part.of("supervised", epochs=2),
        seed=0,
        rounds=1,
        budget=12,
        finetune=finetune(12),
    )
    make_store(trial, tmp_path / "store", tmp_path)
    home = make_home(tmp_path, tmp_path / "store")
    (record,) = home.run(trial)
    (tuned,) = home.tune(trial).values()
    assert set(record.groups["test_rotated"]) <= set(ANGLES)
    assert {"Test Rotated Accuracy", "Test Rotated Worst Group Accuracy", "Test Rotated Group Gap"} <= set(
        tuned.metrics
    )


def test_the_report_has_a_table_by_split(tmp_path: Path):
    experiment = Experiment(tmp_path / "runs")
    for seed, worst in enumerate(("north", "north", "south")):
        rates = {"north": 0.6, "south": 0.6, "east": 0.9} | {worst: 0.5}
        experiment.add(
            "random",
            seed,
            [0.7] * 5,
            extra={"Test Far Accuracy": 0.8, "Test Far Worst Group Accuracy": 0.5, "Test Far Group Gap": 0.4},
            groups={"test_far": rates, "other": {}},
        )
        experiment.add("margin", seed, [0.8] * 5)
    built = report.build(experiment.write())
    text = " ".join(_printed(built).split())
    assert "test_far random 80.00 % ± 0.00 50.00 % ± 0.00 north (2 seeds) and south (1 seed) 40.00 % ± 0.00" in text
    page = report.page(built)
    assert "Further splits and groups" in page
    assert "north (2 seeds) and south (1 seed)" in page


def test_the_report_has_no_such_table_without_further_splits(tmp_path: Path):
    experiment = Experiment(tmp_path / "runs")
    for seed in range(3):
        experiment.add("random", seed, [0.7] * 5)
    built = report.build(experiment.write())
    assert "Further splits" not in _printed(built) + report.page(built)


def _printed(built: report.Report) -> str:
    console = Console(width=200, file=io.StringIO())
    console.print(report.render(built))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_further_split_with_rows_without_a_label_is_refused(files: Path):
    labels = [None if row in (5, 9) else row % 2 for row in range(24)]
    write(files / "here/far.parquet", 24, 300, ["north"], label=labels)
    states = r"^2 of 24 rows of the split 'test_far' have no label, the first is 'row 305': they steer training or "
    with pytest.raises(DataError, match=states):
        build(group="site", **FAR).open(files)


UNLABELED_TABLE = """
from dataclasses import dataclass, replace
from labelbench_ray.datasets import Split
from labelbench_ray.datasets.digits import Digits


class Gaps(Digits):
    def load(self, root):
        source = super().load(root)
        test = source.splits["test"]
        return replace(source, splits=source.splits | {"gaps": Split(WithGaps(test.table), test.rows)})


@dataclass(frozen=True)
class WithGaps:
    table: object

    def __len__(self):
        return len(self.table)

    def read(self, rows):
        records = self.table.read(rows)
        labels_B = records.labels_B.copy()
        labels_B[4] = -1
        return replace(records, labels_B=labels_B)
"""


def test_a_table_that_reads_an_evaluation_row_without_a_label_is_refused_while_it_is_embedded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = write_module(tmp_path, "gaps", UNLABELED_TABLE, monkeypatch)
    with pytest.raises(
        DataError, match=r"^the split 'gaps': row 'digits/\d+' has no label, and rows that measure need one;"
    ):
        make_store(vary(PLAIN, dataset=path), tmp_path / "store", tmp_path)


class Guess:
    """A model that knows the classes of some rows: an embedding is the class that it predicts."""

    num_classes = 2

    def probabilities(self, raw_BD: Any) -> Any:
        return np.eye(2, dtype=np.float32)[raw_BD[:, 0].astype(int)]


def _measured(groups_N: Any, right_N: Any) -> dict[str, float]:
    labels_N = np.arange(len(groups_N)) % 2
    predicted_N = np.where(right_N, labels_N, 1 - labels_N)
    names = tuple(f"site {group}" for group in range(int(groups_N.max()) + 1))
    split = SplitArrays(predicted_N[:, None].astype(np.float16), labels_N, groups_N, names)
    return measure_splits(Guess(), {"far": split}, SINGLE_LABEL).metrics  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(20))
def test_the_worst_group_is_never_better_than_the_average(seed: int):
    rng = np.random.default_rng(seed)
    groups_N = np.repeat(np.arange(5), rng.integers(20, 60, 5))
    metrics = _measured(groups_N, rng.random(len(groups_N)) < rng.random(5)[groups_N])
    assert metrics["Far Worst Group Accuracy"] <= metrics["Far Accuracy"]


def test_groups_of_fewer_than_20_rows_are_the_worst_only_where_none_is_larger():
    groups_N = np.repeat([0, 1, 2], [19, 20, 40])
    right_N = np.concatenate([np.zeros(19), np.arange(20) < 10, np.ones(40)]).astype(bool)
    metrics = _measured(groups_N, right_N)
    assert metrics["Far Worst Group Accuracy"] == 0.5
    assert metrics["Far Group Gap"] == 0.5
    few = groups_N != 2
    assert _measured(groups_N[few][:38], right_N[few][:38])["Far Worst Group Accuracy"] == 0, "19 rows and 19 rows"


class Slow(SingleLabel):
    """Tallies each group, as a task must whose metric is not a share of right rows."""

    counts_right_rows = False


def test_right_rows_are_counted_as_each_group_s_tally_counts_them():
    rng = np.random.default_rng(2)
    rows = BLOCK_ROWS + 700
    split = SplitArrays(
        rng.integers(0, 2, (rows, 1)).astype(np.float16),
        rng.integers(0, 2, rows),
        rng.integers(0, 9, rows),
        tuple(f"site {group}" for group in range(11)),
    )
    found = [measure_splits(Guess(), {"test": split}, task, [1.0]) for task in (SINGLE_LABEL, Slow())]  # type: ignore[arg-type]
    assert found[0] == found[1]
    assert len(found[0].groups["test"]) == 9
