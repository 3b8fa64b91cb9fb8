"""Published data sets in their own layouts: small copies, written as their authors publish them."""

import hashlib
import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from labelbench_ray import datasets, plugins
from labelbench_ray.config import Part
from labelbench_ray.datasets import halves
from labelbench_ray.datasets.files import cifar_batches
from labelbench_ray.errors import DataError, NotProvidedError, UserError

RNG = np.random.default_rng(0)


def build(name: str, **settings: Any) -> datasets.Dataset:
    return plugins.build(datasets.Dataset, datasets.PACKAGE, Part.of(name, **settings))


def write_images(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (number % 256, 0, 0)).save(path)


def sizes(source: datasets.Source) -> dict[str, int]:
    return {name: len(split) for name, split in source.splits.items()}


def rows(source: datasets.Source, split: str) -> dict[str, Any]:
    """The label of each row of a split, by its id; every payload is an image."""
    records = source.splits[split].read(0, len(source.splits[split]))
    for payload in records.payloads:
        assert isinstance(payload, bytes)
        Image.open(io.BytesIO(payload)).load()
    return dict(zip(records.row_ids, records.labels_B.tolist(), strict=True))


# CIFAR-100


def write_cifar100(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    from torchvision.datasets import CIFAR100

    folder = root / "cifar100/cifar-100-python"
    folder.mkdir(parents=True)

    def publish(name: str, content: dict[str, Any]) -> list[str]:
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return [name, hashlib.md5(data).hexdigest()]

    def part(name: str, count: int) -> dict[str, Any]:
        pixels = RNG.integers(0, 256, (count, 3072), dtype=np.uint8)
        return {"data": pixels, "fine_labels": RNG.permutation(100)[:count].tolist(), "coarse_labels": [0] * count}

    parts = {"train": part("train", 30), "test": part("test", 10)}
    monkeypatch.setattr(CIFAR100, "train_list", [publish("train", parts["train"])])
    monkeypatch.setattr(CIFAR100, "test_list", [publish("test", parts["test"])])
    names = [f"class {number}" for number in range(100)]
    file, md5 = publish("meta", {"fine_label_names": names, "coarse_label_names": []})
    monkeypatch.setattr(CIFAR100, "meta", {"filename": file, "key": "fine_label_names", "md5": md5})
    cifar_batches._batches.cache_clear()
    return parts


def test_cifar100(tmp_path, monkeypatch):
    parts = write_cifar100(tmp_path, monkeypatch)
    source = build("cifar100").open(tmp_path)
    assert source.classes[:2] == ("class 0", "class 1")
    assert sizes(source) == {"pool": 30, "validation": 5, "test": 5}
    assert list(rows(source, "pool").values()) == parts["train"]["fine_labels"]
    assert source.splits["validation"].rows.tolist() == halves(10)[0].tolist()
    shown_HWC = np.asarray(Image.open(io.BytesIO(source.splits["pool"].read(7, 8).payloads[0])))  # type: ignore[arg-type]
    np.testing.assert_array_equal(shown_HWC.transpose(2, 0, 1).ravel(), parts["train"]["data"][7])


def test_a_batch_of_cifar100_that_is_not_the_published_one(tmp_path, monkeypatch):
    write_cifar100(tmp_path, monkeypatch)
    (tmp_path / "cifar100/cifar-100-python/train").write_bytes(b"another")
    with pytest.raises(DataError, match=r"cifar-100-python: .*extract the published cifar-100-python\.tar\.gz again"):
        build("cifar100").open(tmp_path)


# SVHN


def write_svhn(root: Path, **changed: Any) -> dict[str, Any]:
    (root / "svhn").mkdir(parents=True)
    parts = {}
    for part, count in (("train", 20), ("test", 6)):
        labels = np.arange(count) % 10 + 1
        content = {"X": RNG.integers(0, 256, (32, 32, 3, count), dtype=np.uint8), "y": labels[:, None].astype(np.uint8)}
        parts[part] = content | changed
        savemat(root / f"svhn/{part}_32x32.mat", parts[part])
    return parts


def test_svhn_states_the_digit_0_as_10(tmp_path):
    parts = write_svhn(tmp_path)
    source = build("svhn").open(tmp_path)
    assert source.classes == tuple("0123456789")
    assert sizes(source) == {"pool": 20, "validation": 3, "test": 3}
    assert list(rows(source, "pool").values())[8:12] == [9, 0, 1, 2]
    shown_HWC = np.asarray(Image.open(io.BytesIO(source.splits["pool"].read(4, 5).payloads[0])))  # type: ignore[arg-type]
    np.testing.assert_array_equal(shown_HWC, parts["train"]["X"][..., 4])


# Kuzushiji-49


def write_kuzushiji(root: Path, labels: dict[str, Any] | None = None) -> np.ndarray:
    folder = root / "kuzushiji49"
    folder.mkdir(parents=True)
    pixels_NHW = RNG.integers(0, 256, (60, 28, 28), dtype=np.uint8)
    for part, count in (("train", 60), ("test", 10)):
        np.savez_compressed(folder / f"k49-{part}-imgs.npz", pixels_NHW[:count])
        np.savez_compressed(folder / f"k49-{part}-labels.npz", (labels or {}).get(part, np.arange(count) % 49))
    lines = [f"{number},U+{0x3042 + number:X},{chr(0x3042 + number)}" for number in range(49)]
    (folder / "k49_classmap.csv").write_text("\n".join(["index,codepoint,char", *lines]) + "\n", "utf-8")
    return pixels_NHW


def test_kuzushiji49_is_read_in_full(tmp_path):
    pixels_NHW = write_kuzushiji(tmp_path)
    source = build("kuzushiji49").open(tmp_path)
    assert source.classes[0] == "あ"
    assert len(source.classes) == 49
    assert sizes(source) == {"pool": 60, "validation": 5, "test": 5}
    assert list(rows(source, "pool").values())[47:51] == [47, 48, 0, 1]
    shown_HW = np.asarray(Image.open(io.BytesIO(source.splits["pool"].read(50, 51).payloads[0])))  # type: ignore[arg-type]
    np.testing.assert_array_equal(shown_HW, pixels_NHW[50])


# Caltech-256


def write_caltech(root: Path) -> None:
    top = root / "caltech256/256_ObjectCategories"
    for number, name in ((1, "ak47"), (2, "american-flag"), (257, "clutter")):
        write_images(top, *(f"{number:03d}.{name}/{number:03d}_{image:04d}.jpg" for image in range(1, 11)))
    write_images(top, "002.american-flag/greg/002_0099.jpg")
    (top / "001.ak47/RENAME2").write_text("not an image", "utf-8")


def test_caltech256_names_its_clutter(tmp_path):
    write_caltech(tmp_path)
    source = build("caltech256").open(tmp_path)
    assert source.classes == ("ak47", "american-flag", "clutter")
    assert sizes(source) == {"pool": 24, "validation": 3, "test": 3}
    order = np.random.RandomState(42).permutation(30)
    assert source.splits["validation"].rows.tolist() == sorted(order[24:27])
    for name, label in rows(source, "pool").items():
        assert source.classes[label] == name.split("/")[0].partition(".")[2]
    assert {(each.what, each.files) for each in source.findings.ignored} == {
        ("002.american-flag/", 1),
        ("no suffix", 1),
    }


def test_caltech256_without_clutter(tmp_path):
    write_caltech(tmp_path)
    source = build("caltech256", clutter="left_out").open(tmp_path)
    assert source.classes == ("ak47", "american-flag")
    assert sum(sizes(source).values()) == 20
    assert ("257.clutter/", 10) in {(each.what, each.files) for each in source.findings.ignored}


# WILDS


def write_iwildcam(root: Path, changes: dict[int, str] | None = None) -> None:
    folder = root / "iwildcam_v2.0"
    lines = ["split,location_remapped,y,datetime,filename"]
    for row, split in enumerate(("train",) * 6 + ("val",) * 3 + ("test",) * 4 + ("id_val",) * 2 + ("id_test",) * 3):
        trap = row % 2 if split in ("train", "id_val", "id_test") else 10 + row % 2
        lines.append(f"{split},{trap},{row % 3},2013-01-01 10:00:00,{row:03d}.jpg")
    write_images(folder / "train", *(f"{row:03d}.jpg" for row in range(len(lines) - 1)))
    for row, line in (changes or {}).items():
        lines[row + 1] = line
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "categories.csv").write_text(
        "y,category_id,name\n2,9,cow\n0,3,empty\n1,5,deer\n99999,7,unseen\n", "utf-8"
    )


def test_iwildcam_s_splits_by_content(tmp_path):
    write_iwildcam(tmp_path)
    source = build("iwildcam").open(tmp_path)
    assert source.classes == ("empty", "deer", "cow")
    assert sizes(source) == {"pool": 6, "validation": 2, "test": 3, "validation_ood": 3, "test_ood": 4}
    assert rows(source, "test_ood") == {f"train/{row:03d}.jpg": row % 3 for row in range(9, 13)}
    groups = source.splits["test_ood"].groups
    assert groups is not None
    assert groups.names == ("trap 10", "trap 11")
    assert groups.numbers_N.tolist() == [1, 0, 1, 0]
    assert source.splits["pool"].groups is None


REGIONS = "alpha-3,region\nFRA,Europe\nUSA,Americas\nATA,\n"
FMOW_ROWS = (
    *(("train", "zoo", 2012, "FRA"), ("seq", "zoo", 2012, "USA"), ("train", "airport", 2010, "USA")),
    *(("train", "airport", 2014, "USA"), ("val", "zoo", 2005, "FRA"), ("val", "airport", 2013, "USA")),
    *(("val", "airport", 2016, "USA"), ("test", "zoo", 2012, "ATA"), ("test", "airport", 2015, "FRA")),
    *(("test", "airport", 2016, "FRA"), ("test", "zoo", 2017, "XXX")),
)


def write_fmow(root: Path, time: str = "-07-24T10:42:05Z", images: int = len(FMOW_ROWS)) -> None:
    folder = root / "fmow_v1.1"
    lines = [f"{split},img,{category},{year}{time},{code}" for split, category, year, code in FMOW_ROWS]
    write_images(folder / "images", *(f"rgb_img_{row}.png" for row in range(images)))
    header = "split,img_filename,category,timestamp,country_code"
    (folder / "rgb_metadata.csv").write_text("\n".join([header, *lines]) + "\n", "utf-8")
    (folder / "country_code_mapping.csv").write_text(REGIONS, "utf-8")


def test_fmow_s_splits_by_content(tmp_path):
    """An image's number counts the sequestered rows, which are left out; so are rows of years beside their split's."""
    write_fmow(tmp_path)
    source = build("fmow").open(tmp_path)
    assert source.classes == ("airport", "zoo")
    found = {name: rows(source, name) for name in source.splits}
    assert found == {
        "pool": {"images/rgb_img_0.png": 1, "images/rgb_img_2.png": 0},
        "validation": {"images/rgb_img_4.png": 1},
        "test": {"images/rgb_img_7.png": 1},
        "validation_ood": {"images/rgb_img_5.png": 0},
        "test_ood": {"images/rgb_img_9.png": 0, "images/rgb_img_10.png": 1},
    }
    groups = source.splits["test_ood"].groups
    assert groups is not None
    assert [groups.names[number] for number in groups.numbers_N] == ["Europe", "Other"]
    assert source.findings.notes[0] == "1 sequestered rows are left out"
    assert source.findings.notes[1].startswith("3 rows of other years")
    years = build("fmow", group="year").open(tmp_path).splits["test_ood"].groups
    assert years is not None
    assert years.names == ("2016", "2017")


# Several labels a row


def write_coco(root: Path, train: dict[str, Any] | None = None) -> None:
    folder = root / "coco"
    categories = [{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}, {"id": 13, "name": "stop sign"}]
    for part, count in (("train", 3), ("val", 8)):
        images = [{"id": 100 + row, "file_name": f"{row:012d}.jpg"} for row in range(count)]
        annotations = [{"image_id": 100, "category_id": 90}, {"image_id": 100, "category_id": 1, "iscrowd": 1}]
        annotations += [{"image_id": 102, "category_id": 13}, {"image_id": 102, "category_id": 13}]
        content = {"images": images, "annotations": annotations, "categories": categories}
        write_images(folder / f"{part}2017", *(image["file_name"] for image in images))
        path = folder / f"annotations/instances_{part}2017.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content | (train or {}) if part == "train" else content), "utf-8")


def test_coco_numbers_its_sparse_category_ids(tmp_path):
    write_coco(tmp_path)
    source = build("coco").open(tmp_path)
    assert source.classes == ("person", "stop sign", "toothbrush")
    assert sizes(source) == {"pool": 3, "validation": 2, "test": 6}
    assert list(rows(source, "pool").values()) == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert source.task.primary == "mAP"


def test_coco_s_format_with_one_file_of_one_s_own(tmp_path):
    write_coco(tmp_path, {"images": [{"id": 100 + row, "file_name": f"{row:012d}.jpg"} for row in range(3)]})
    files = {"train": "annotations/instances_val2017.json", "train_images": "val2017", "val": None}
    source = build("coco", **files).open(tmp_path)
    assert sizes(source) == {"pool": 6, "validation": 1, "test": 1}


def write_voc(root: Path) -> Path:
    folder = root / "VOCdevkit/VOC2007"
    lists = folder / "ImageSets/Main"
    lists.mkdir(parents=True)
    entries = {"trainval": {"cat": "1 -1 0 1", "dog": "-1 -1 1 0"}, "test": {"cat": "1 0 -1 -1", "dog": "-1 1 1 -1"}}
    for part, first in (("trainval", 0), ("test", 10)):
        for name, values in entries[part].items():
            lines = [f"{first + row:06d} {value:>2}" for row, value in enumerate(values.split())]
            (lists / f"{name}_{part}.txt").write_text("\n".join(lines) + "\n", "utf-8")
        (lists / f"{part}.txt").write_text("\n".join(f"{first + row:06d}" for row in range(4)), "utf-8")
        write_images(folder / "JPEGImages", *(f"{first + row:06d}.jpg" for row in range(4)))
    return folder


def test_voc_s_difficult_objects_are_unknown(tmp_path):
    write_voc(tmp_path)
    source = build("voc").open(tmp_path)
    assert source.classes == ("cat", "dog")
    assert sizes(source) == {"pool": 4, "validation": 2, "test": 2}
    assert list(rows(source, "pool").values()) == [[1, 0], [0, 0], [-1, 1], [1, -1]]


def write_celeba(root: Path, **changed: str) -> None:
    folder = root / "celeba"
    names = [f"{row + 1:06d}.jpg" for row in range(6)]
    write_images(folder / "img_align_celeba", *names)
    attributes = [f"{name}  {1 if row % 2 else -1} -1  1" for row, name in enumerate(names)]
    text = {
        "list_attr_celeba.txt": "\n".join(["6", "Bald Smiling Young ", *attributes]) + "\n",
        "list_eval_partition.txt": "".join(f"{name} {row // 2}\n" for row, name in enumerate(names)),
    }
    for name, content in (text | changed).items():
        (folder / name).write_text(content, "utf-8")


def test_celeba_s_official_splits(tmp_path):
    write_celeba(tmp_path)
    source = build("celeba").open(tmp_path)
    assert source.classes == ("Bald", "Smiling", "Young")
    assert sizes(source) == {"pool": 2, "validation": 2, "test": 2}
    assert rows(source, "test") == {
        "img_align_celeba/000005.jpg": [0, 0, 1],
        "img_align_celeba/000006.jpg": [1, 0, 1],
    }


# What is not there, and what is malformed

LAYOUTS = ("cifar100", "svhn", "kuzushiji49", "caltech256", "iwildcam", "fmow", "coco", "voc", "celeba")
WRITERS = {
    "svhn": write_svhn,
    "kuzushiji49": write_kuzushiji,
    "caltech256": write_caltech,
    "iwildcam": write_iwildcam,
    "fmow": write_fmow,
    "coco": write_coco,
    "voc": write_voc,
    "celeba": write_celeba,
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_data_that_is_not_there_is_named(tmp_path, name):
    with pytest.raises(NotProvidedError, match=r"is not there; put .* there, or name the data's folder"):
        build(name).open(tmp_path)


@pytest.mark.parametrize("name", WRITERS)
def test_a_changed_label_or_size_changes_the_signature(tmp_path, name):
    for folder in ("a", "b"):
        WRITERS[name](tmp_path / folder)
    first, again = (build(name).open(tmp_path / folder).signature for folder in ("a", "b"))
    if name not in ("svhn", "kuzushiji49", "cifar100"):  # these hold random pixels
        assert first == again
    assert build(name, max_rows=1).open(tmp_path / "a").signature == first


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("seed", range(6))
def test_a_spoiled_file_is_read_or_refused_with_our_own_error(tmp_path, name, seed):
    """Metadata are cut off, or bytes of them are changed; images are not read when a data set is opened."""
    WRITERS[name](tmp_path)
    random = np.random.default_rng(seed)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file() and path.suffix not in (".jpg", ".png"))
    if not files:
        return  # Caltech-256 has no metadata
    path = files[random.integers(len(files))]
    content = bytearray(path.read_bytes())
    for _ in range(random.integers(1, 4)):
        content[random.integers(len(content))] = random.integers(256)
    path.write_bytes(content[: random.integers(len(content) + 1)] if seed % 2 else content)
    message = ""
    try:
        source = build(name).open(tmp_path)
        source.splits["pool"].read(0, 2)
    except UserError as error:
        message = str(error)
    assert "\n" not in message


def test_listed_files_stay_below_their_folder(tmp_path):
    write_coco(tmp_path, {"images": [{"id": 100, "file_name": "../../secret.jpg"}, {"id": 102, "file_name": "b.jpg"}]})
    with pytest.raises(DataError, match=r"row 0: 'train2017/../../secret.jpg' is not a path below the data's folder"):
        build("coco").open(tmp_path)


@pytest.mark.parametrize(
    ("write", "name", "message"),
    [
        (lambda root: write_svhn(root, y=np.full((5, 1), 11)), "svhn", "its labels are .* for 20 images"),
        (lambda root: write_svhn(root, y=np.full((20, 1), 11)), "svhn", "row 0: the label 11 is not one of 10 classes"),
        (lambda root: write_svhn(root, X=np.zeros((3, 3))), "svhn", r"X has the shape \(3, 3\)"),
        (
            lambda root: write_kuzushiji(root, {"test": np.full(10, 49)}),
            "kuzushiji49",
            "row 0: the label 49 is not one of 49 classes",
        ),
        (
            lambda root: write_kuzushiji(root, {"test": np.array([{}] * 10, object)}),
            "kuzushiji49",
            "k49-test-labels.npz: .*; it is not the published file",
        ),
        (
            lambda root: write_iwildcam(root, {3: "trains,0,1,2013,003.jpg"}),
            "iwildcam",
            "row 3: the split 'trains' is not one of train",
        ),
        (
            lambda root: write_iwildcam(root, {3: "train,0,one,2013,003.jpg"}),
            "iwildcam",
            "column 'y', row 3: 'one' is not an integer",
        ),
        (
            lambda root: write_iwildcam(root, {3: "train,0,--1,2013,003.jpg"}),
            "iwildcam",
            "column 'y', row 3: '--1' is not an integer",
        ),
        (
            lambda root: write_iwildcam(root, {3: f"train,0,{10**19},2013,003.jpg"}),
            "iwildcam",
            "column 'y', row 3: '10000000000000000000' is not an integer of 64 bits; get the published file again",
        ),
        (
            lambda root: write_iwildcam(root, {3: "train,0,3,2013,003.jpg"}),
            "iwildcam",
            "row 3: categories.csv names no class 3",
        ),
        (
            lambda root: write_iwildcam(root, {3: "train,0,1,2013,lost.jpg"}),
            "iwildcam",
            r"1 of 18 files are not below .*, the first is 'train/lost.jpg' \(row 3\)",
        ),
        (
            lambda root: write_iwildcam(root, {3: "train,0,1,2013,002.jpg"}),
            "iwildcam",
            "'train/002.jpg' is listed 2 times, in the rows 2 and 3",
        ),
        (lambda root: write_fmow(root, time=""), "fmow", "row 0: the time '2012' does not begin with a year"),
        (lambda root: write_fmow(root, images=5), "fmow", r"the first is 'images/rgb_img_5.png' \(row 4\)"),
        (lambda root: write_coco(root, {"images": {}}), "coco", "no list 'images'"),
        (
            lambda root: write_coco(root, {"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}),
            "coco",
            "the category 1 .* is stated twice",
        ),
        (
            lambda root: write_coco(root, {"annotations": [{"image_id": 100, "category_id": 2}]}),
            "coco",
            r"annotations\[0\] is of the category 2, which the file does not list",
        ),
        (
            lambda root: write_coco(root, {"annotations": [{"image_id": "100", "category_id": 1}]}),
            "coco",
            r"annotations\[0\] has image_id='100'",
        ),
        (lambda root: write_coco(root, {"categories": [{"id": 1, "name": "a"}]}), "coco", "state other categories"),
        (
            lambda root: (write_voc(root) / "ImageSets/Main/dog_trainval.txt").write_text("000000 2\n", "utf-8"),
            "voc",
            "line 1: '000000 2'; each line has an image's name and 1, 0 or -1",
        ),
        (
            lambda root: (write_voc(root) / "ImageSets/Main/dog_trainval.txt").write_text("000000 1\n", "utf-8"),
            "voc",
            "only one of cat_trainval.txt and dog_trainval.txt lists '000001'",
        ),
        (
            lambda root: write_celeba(root, **{"list_attr_celeba.txt": "2\nBald Smiling\na.jpg 1 0\nb.jpg 1 1\n"}),
            "celeba",
            "line 3: 'a.jpg 1 0'; each line has an image's name",
        ),
        (
            lambda root: write_celeba(root, **{"list_attr_celeba.txt": "3\nBald Smiling\na.jpg 1 1\nb.jpg 1 1\n"}),
            "celeba",
            "begins with '3' and has 2 rows",
        ),
        (
            lambda root: write_celeba(root, **{"list_attr_celeba.txt": f"{'1' * 5000}\nBald\na.jpg 1\n"}),
            "celeba",
            r"begins with '1{39} and has 1 rows; the first line is their number",
        ),
        (
            lambda root: write_celeba(root, **{"list_eval_partition.txt": "000001.jpg 3\n"}),
            "celeba",
            "line 1: '000001.jpg 3'; each line has an image's name, once, and 0, 1 or 2",
        ),
    ],
)
def test_a_malformed_layout_is_refused_with_its_place(tmp_path, write, name, message):
    write(tmp_path)
    with pytest.raises(DataError, match=message):
        build(name).open(tmp_path)
