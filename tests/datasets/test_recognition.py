"""What a folder or file is recognized as, and what is reported where it is not a data set."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from labelbench_ray import datasets, plugins
from labelbench_ray.datasets import Dataset
from labelbench_ray.datasets.recognition import Stated, recognized
from labelbench_ray.errors import UserError
from labelbench_ray.plugins import Part
from tests.datasets.row_samples import arrow, features, parquet, png, wav
from tests.datasets.test_tables import write
from tests.datasets.vector_samples import column, npy


def images(folder: Path, count: int = 3) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"{number}.png")


def table(file: Path, **columns: list[object]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), file)


def class_folders(root: Path) -> None:
    images(root / "photos/cat")
    images(root / "photos/my dog", 5)
    images(root / "photos/.thumbnails")
    (root / "photos/notes.txt").write_text("two classes")


def split_folders(root: Path) -> None:
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            images(root / "photos" / split / name)


def sounds(root: Path) -> None:
    for name in ("bark", "meow"):
        for number in range(3):
            file = root / "photos" / name / f"{number}.wav"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"RIFF")


def loose_sounds(root: Path) -> None:
    (root / "photos").mkdir()
    (root / "photos/1.wav").write_bytes(b"RIFF")


def texts(root: Path) -> None:
    table(root / "photos/train.parquet", text=["a", "b", "c"], label=["x", "y", "x"])
    table(root / "photos/test.parquet", text=["a", "b"], label=["x", "y"])


@pytest.mark.parametrize(
    ("make", "path", "stated", "expected"),
    [
        (class_folders, "photos", {}, Part.of("image_folder", path="photos", held_out="hash", train=".")),
        (sounds, "photos", {}, Part.of("sound_folder", path="photos", held_out="hash", train=".")),
        (split_folders, "photos", {}, Part.of("image_folder", path="photos", held_out="hash")),
        (
            split_folders,
            "photos",
            {"classes": ("dog", "cat")},
            Part.of("image_folder", path="photos", held_out="hash", classes=["dog", "cat"]),
        ),
        (texts, "photos", {}, Part.of("tables", path="photos", payload="text")),
        (texts, "photos", {"text": "text"}, Part.of("tables", path="photos", payload="text")),
        (
            texts,
            "photos/train.parquet",
            {"text": "label", "label": "text"},
            Part.of("tables", path="photos/train.parquet", payload="text", column="label", label="text"),
        ),
    ],
)
def test_a_place_is_recognized_and_can_be_opened(
    tmp_path: Path, make: Callable[[Path], None], path: str, stated: dict[str, object], expected: Part
) -> None:
    make(tmp_path)
    found = recognized(tmp_path, path, Stated(**stated)).dataset  # type: ignore[arg-type]
    assert found == expected
    source = plugins.build(Dataset, datasets.PACKAGE, found).load(tmp_path)
    assert len(source.classes) in (2, 3)


def one_class(root: Path) -> None:
    images(root / "photos/cat")


def one_folder_around(root: Path) -> None:
    images(root / "photos/inner/cat")
    images(root / "photos/inner/dog")


def no_classes(root: Path) -> None:
    images(root / "photos")


def other_files(root: Path) -> None:
    (root / "photos").mkdir()
    (root / "photos/notes.md").write_text("none")


def other_columns(root: Path) -> None:
    table(root / "photos/train.parquet", review=["a"], stars=[1])


def two_texts(root: Path) -> None:
    table(root / "photos/train.parquet", title=["a"], body=["b"], label=[1])


def no_labels(root: Path) -> None:
    table(root / "photos/train.parquet", text=["a"], stars=[1])


@pytest.mark.parametrize(
    ("make", "path", "stated", "reported"),
    [
        (one_class, "photos", {}, "one class folder, cat/; at least 2 classes"),
        (one_folder_around, "photos", {}, "which holds 2 folders of images; give"),
        (no_classes, "photos", {}, "3 images and no class folders"),
        (no_classes, "photos", {}, "docs/annotation.md"),
        (loose_sounds, "photos", {}, "1 sound and no class folders"),
        (other_files, "photos", {}, "not recognized as a data set: found .md (1 file); what is read: "),
        (one_class, "phots", {}, "did you mean 'photos'?"),
        (class_folders, "photos", {"label": "kind"}, "--label: "),
        (other_columns, "photos", {}, "name the column of labels with --label (have: review, stars)"),
        (two_texts, "photos", {}, "--text or --image (have: title, body, label; texts: title,body)"),
        (other_columns, "photos", {"text": "revew"}, "did you mean 'review'?"),
        (no_labels, "photos", {}, "name the column of labels with --label (have: text, stars)"),
        (no_labels, "photos", {"text": "text", "image": "stars"}, "give one of the two"),
    ],
)
def test_what_is_not_a_data_set_is_refused_with_what_to_do(
    tmp_path: Path, make: Callable[[Path], None], path: str, stated: dict[str, object], reported: str
) -> None:
    make(tmp_path)
    with pytest.raises(UserError) as refused:
        recognized(tmp_path, path, Stated(**stated))  # type: ignore[arg-type]
    assert reported in str(refused.value)
    assert "\n" not in str(refused.value)


TEXTS = "id,text,label\n" + "".join(f"{number},text {number},{'xy'[number % 2]}\n" for number in range(20))
TAGS = features(tags={"_type": "List", "feature": {"_type": "ClassLabel", "names": ["a", "b"]}})
LISTS = '{"text": "t", "labels": ["x", "y"]}\n{"text": "u", "labels": ["y"]}\n' * 10
IMAGES = [{"bytes": png(number), "path": None} for number in range(20)]
SAVED = {
    "data-00000-of-00001.arrow": arrow({"text": ["t"] * 20, "label": [0, 1] * 10}),
    "state.json": '{"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}',
}
LISTED = {f"{number}.png": png(number) for number in range(20)} | {
    "list.csv": "path;label\n" + "".join(f"{number}.png;{'xy'[number % 2]}\n" for number in range(20))
}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"train.csv": TEXTS}, Part.of("tables", path="in", payload="text")),
        ({"rows.tsv": TEXTS.replace(",", "\t")}, Part.of("tables", path="in", payload="text")),
        ({"data/train-0.csv": TEXTS}, Part.of("tables", path="in", payload="text")),
        ({"train.jsonl": LISTS}, Part.of("tables", path="in", payload="text", label_list="labels")),
        (
            {"train.parquet": parquet({"text": ["t"] * 20, "tags": [[0], [1]] * 10}, TAGS)},
            Part.of("tables", path="in", payload="text", label_list="tags"),
        ),
        (
            {"train.parquet": parquet({"image": IMAGES, "label": ["x", "y"] * 10})},
            Part.of("tables", path="in", payload="image"),
        ),
        (
            {"train.parquet": parquet({"text": ["t"] * 20, "label": [number / 7 for number in range(20)]})},
            Part.of("tables", path="in", payload="text", label_value="label"),
        ),
        (SAVED, Part.of("tables", path="in", payload="text")),
        (LISTED, Part.of("tables", path="in", payload="image")),
        (
            {f"{'xy'[number % 2]}/{number}.png": png(number) for number in range(20)}
            | {"notes.csv": "text,label\nthe y,blurred\nthe x,sharp\n"},
            Part.of("image_folder", path="in", held_out="hash", train="."),
        ),
    ],
)
def test_files_of_rows_are_recognized_by_what_is_in_them(tmp_path: Path, files: dict, expected: Part) -> None:
    for name, data in files.items():
        write(tmp_path / "in" / name, data)
    found = recognized(tmp_path, "in", Stated()).dataset
    assert found == expected
    source = plugins.build(Dataset, datasets.PACKAGE, found).open(tmp_path)
    assert {split: len(rows) for split, rows in source.splits.items()} == {"pool": 14, "validation": 2, "test": 4}


@pytest.mark.parametrize("name", ["in/embeddings.npy", "in/train.parquet"])
def test_embeddings(tmp_path: Path, name: str) -> None:
    rows_ND = np.arange(60, dtype=np.float16).reshape(20, 3)
    labels = {"label": [number % 2 for number in range(20)]}
    made = npy(rows_ND) if name.endswith("npy") else column(list(rows_ND), pa.list_(pa.float16()), **labels)
    write(tmp_path / name, made)
    if name.endswith("npy"):
        write(tmp_path / "in/labels.npy", npy(np.arange(20) % 2))
    found = recognized(tmp_path, "in", Stated()).dataset
    assert found == Part.of("embeddings", path="in")
    source = plugins.build(Dataset, datasets.PACKAGE, found).open(tmp_path)
    assert {split: len(rows) for split, rows in source.splits.items()} == {"pool": 14, "validation": 2, "test": 4}


def test_class_folders_of_sounds(tmp_path: Path) -> None:
    for number in range(20):
        write(tmp_path / "in" / "xy"[number % 2] / f"{number}.wav", wav(number))
    found = recognized(tmp_path, "in", Stated()).dataset
    assert found == Part.of("sound_folder", path="in", held_out="hash", train=".")
    source = plugins.build(Dataset, datasets.PACKAGE, found).open(tmp_path)
    assert {split: len(rows) for split, rows in source.splits.items()} == {"pool": 14, "validation": 2, "test": 4}


CLASSES = {f"{'xy'[number % 2]}/{number}.png": png(number) for number in range(20)}
FOLDER = Part.of("image_folder", path="in", held_out="hash", train=".")
STRAY = {
    "photos.tar": b"PK",
    "features.npy": b"none",
    "notes.csv": "a,b\n1,2\n",
    "broken.csv": 'a,b\n1,2,3\n"',
    "info.json": '{\n "by": "me"}',
    "rows.parquet": parquet({"text": ["t"] * 4, "label": [0, 1] * 2}),
}


@pytest.mark.parametrize("name", STRAY)
def test_class_folders_are_read_whatever_lies_beside_them(tmp_path: Path, name: str) -> None:
    for each, data in CLASSES.items() | {(name, STRAY[name])}:
        write(tmp_path / "in" / each, data)
    assert recognized(tmp_path, "in", Stated()).dataset == FOLDER
    source = plugins.build(Dataset, datasets.PACKAGE, FOLDER).open(tmp_path)
    suffix = name[name.index(".") :]
    assert [(each.what, each.files) for each in source.findings.ignored] == [(suffix, 1)]


def test_facts_beside_each_image_are_not_rows(tmp_path: Path) -> None:
    for name, data in CLASSES.items():
        write(tmp_path / "in" / name, data)
        write(tmp_path / "in" / name.replace(".png", ".json"), f'{{"file": "{name}"}}')
    assert recognized(tmp_path, "in", Stated()).dataset == FOLDER


def test_rows_that_name_files_in_folders_come_first(tmp_path: Path) -> None:
    rows = "path,label\n" + "".join(f"{name},{name[0]}\n" for name in CLASSES)
    for name, data in CLASSES.items():
        write(tmp_path / "in" / name, data)
    write(tmp_path / "in/list.csv", rows)
    assert recognized(tmp_path, "in", Stated()).dataset == Part.of("tables", path="in", payload="image")
    write(tmp_path / "in/list.csv", f"{rows}y/19.png,y,y\n")
    with pytest.raises(UserError, match=r"list\.csv"):
        recognized(tmp_path, "in", Stated())


PRICES = [f"{number}.{number % 7}5" for number in range(40)]


@pytest.mark.parametrize(
    ("labels", "settings"),
    [
        (PRICES, {"label_value": "label"}),
        ([*PRICES[:38], "none", ""], {"label_value": "label"}),
        (["1.0", "1.1"] * 20, {}),
        (["1", "2"] * 20, {}),
        ([f"class {number // 2}" for number in range(40)], {}),
    ],
)
def test_numbers_in_text_are_predicted_where_most_differ(
    tmp_path: Path, labels: list[str], settings: dict[str, str]
) -> None:
    write(tmp_path / "rows.csv", "text,label\n" + "".join(f"t{n},{label}\n" for n, label in enumerate(labels)))
    found = recognized(tmp_path, "rows.csv", Stated()).dataset
    assert found == Part.of("tables", path="rows.csv", payload="text", **settings)


def test_whole_numbers_most_of_which_differ_are_refused_with_both_settings(tmp_path: Path) -> None:
    write(tmp_path / "rows.csv", "text,label\n" + "".join(f"t{n},{n * 100}\n" for n in range(40)))
    with pytest.raises(UserError, match=r"40 different whole numbers in 40 rows .*label=label\)' or label_value=label"):
        recognized(tmp_path, "rows.csv", Stated())


@pytest.mark.parametrize("label", ["label", "kind"])
def test_columns_of_numbers_and_categories_are_a_table(tmp_path: Path, label: str) -> None:
    rows = (f"{n},{n / 7:.2f},{('red', 'blue')[n % 3 > 0]},{'xy'[n % 2]}\n" for n in range(40))
    write(tmp_path / "in/wine.csv", f"id,acid,color,{label}\n" + "".join(rows))
    stated = Stated(label=None if label == "label" else label)
    found = recognized(tmp_path, "in", stated).dataset
    assert found == Part.of("tabular", path="in", **({} if label == "label" else {"label": label}))
    source = plugins.build(Dataset, datasets.PACKAGE, found).open(tmp_path)
    assert {split: len(rows) for split, rows in source.splits.items()} == {"pool": 28, "validation": 4, "test": 8}


def test_stated_columns_mean_the_rows_beside_class_folders(tmp_path: Path) -> None:
    for name, data in {**CLASSES, "rows.csv": TEXTS}.items():
        write(tmp_path / "in" / name, data)
    assert recognized(tmp_path, "in", Stated(text="text")).dataset.name == "tables"


@pytest.mark.parametrize("name", ["config.json", "schema.json"])
def test_settings_beside_a_file_of_rows_are_not_rows(tmp_path: Path, name: str) -> None:
    write(tmp_path / "in/reviews.csv", TEXTS)
    write(tmp_path / "in" / name, '{\n "columns": 3}')
    found = recognized(tmp_path, "in", Stated()).dataset
    assert found == Part.of("tables", path="in", payload="text")
    source = plugins.build(Dataset, datasets.PACKAGE, found).open(tmp_path)
    assert [each.what for each in source.findings.ignored] == [".json"]


SPLITS = {
    ("train", "test"): {},
    ("Train", "Test"): {"train": "Train", "test": "Test"},
    ("training", "testing"): {"train": "training", "test": "testing"},
    ("seg_train/seg_train", "seg_test/seg_test"): {"train": "seg_train/seg_train", "test": "seg_test/seg_test"},
    ("train", "dev"): {"validation": "dev"},
    ("train", "val", "test"): {"validation": "val"},
    ("Train",): {"train": "Train"},
}


@pytest.mark.parametrize("folders", SPLITS)
def test_folders_that_are_called_as_splits_are_splits(tmp_path: Path, folders: tuple[str, ...]) -> None:
    for folder in folders:
        for name in ("cat", "dog"):
            images(tmp_path / "photos" / folder / name, 10)
    found = recognized(tmp_path, "photos", Stated()).dataset
    assert found == Part.of("image_folder", path="photos", held_out="hash", **SPLITS[folders])
    source = plugins.build(Dataset, datasets.PACKAGE, found).open(tmp_path)
    assert source.classes == ("cat", "dog")
    assert sum(map(len, source.splits.values())) == 20 * len(folders)


@pytest.mark.parametrize("names", [("bus", "car", "train"), ("training shoes", "test tubes", "pens"), ("train", "cat")])
def test_classes_whose_names_have_such_a_word_are_classes(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        images(tmp_path / "photos" / name, 10)
    found = recognized(tmp_path, "photos", Stated()).dataset
    assert found == Part.of("image_folder", path="photos", held_out="hash", train=".")
    assert plugins.build(Dataset, datasets.PACKAGE, found).open(tmp_path).classes == tuple(sorted(names))


@pytest.mark.parametrize(
    ("folders", "reported"),
    [
        (("train/cat", "train/dog", "test"), "test/ is called as a split is, but holds no class folders"),
        (("Train", "Test"), "is called as a split is, but holds no class folders"),
        (("seg_train", "seg_test"), "is called as a split is, but holds no class folders"),
        (("val/cat", "val/dog", "test/cat", "test/dog"), "no folder of training rows"),
        (("train/cat", "train/dog", "val/cat", "dev/cat"), "both dev and val could be the split 'validation'"),
    ],
)
def test_splits_without_classes_are_refused(tmp_path: Path, folders: tuple[str, ...], reported: str) -> None:
    for folder in folders:
        images(tmp_path / "photos" / folder)
    with pytest.raises(UserError, match=reported):
        recognized(tmp_path, "photos", Stated())


@pytest.mark.parametrize("folders", [("Train", "Test"), ("seg_train", "seg_test"), ("train", "dev")])
def test_splits_are_not_read_as_classes(tmp_path: Path, folders: tuple[str, ...]) -> None:
    for folder in folders:
        images(tmp_path / "photos" / folder / "cat")
    part = Part.of("image_folder", path="photos", train=".", held_out="hash")
    with pytest.raises(UserError, match=f"{folders[0]}/ and {folders[1]}/ lie in it, which are splits and not classes"):
        plugins.build(Dataset, datasets.PACKAGE, part).open(tmp_path)


def test_class_folders_alone_are_the_whole_data_set(tmp_path: Path) -> None:
    for number, name in enumerate(["cat", "my dog", "Käfer"]):
        images(tmp_path / "photos" / name, 20 + number)
    found = recognized(tmp_path, "photos", Stated())
    source = plugins.build(Dataset, datasets.PACKAGE, found.dataset).open(tmp_path)
    assert source.classes == ("Käfer", "cat", "my dog")
    assert sum(map(len, source.splits.values())) == 63
    row_id = source.splits["pool"].read(0, 1).row_ids[0]
    assert row_id.startswith("photos/Käfer/")
    assert not source.findings.ignored
