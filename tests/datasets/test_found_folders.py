"""Image folders as they lie on disks: split names, tools' folders, odd suffixes, and what a plan states of them."""

import io
import os
import shutil
from pathlib import Path
from unicodedata import normalize

import pytest
from PIL import Image

from labelbench_ray.datasets import SPLITS, Source
from labelbench_ray.datasets.files.image_formats import FORMATS, suffixes
from labelbench_ray.datasets.images.opened import open_image
from labelbench_ray.errors import DataError
from labelbench_ray.planning.data_words import describe_source
from tests.datasets.test_dataset_cifar10 import CLASSES
from tests.datasets.test_dataset_folders import build, fill


def sizes(source: Source) -> dict[str, int]:
    return {name: len(source.splits[name]) for name in SPLITS}


def ids(source: Source) -> list[str]:
    return [row_id for split in source.splits.values() for row_id in split.read(0, len(split)).row_ids]


def ignored(source: Source) -> dict[str, int]:
    return {each.what: each.files for each in source.findings.ignored}


@pytest.mark.parametrize("name", ["validation", "valid", "val"])
def test_a_validation_folder_goes_by_three_names(tmp_path, name):
    fill(tmp_path / "pets/train", 6)
    fill(tmp_path / f"pets/{name}", 2)
    fill(tmp_path / "pets/test", 3)
    source = build(path="pets").open(tmp_path)
    assert sizes(source) == {"pool": 12, "validation": 4, "test": 6}
    assert source.splits["validation"].read(0, 1).row_ids == [f"{name}/cat/000.png"]
    assert source.findings.ignored == ()


def test_a_validation_folder_alone_is_halved_and_train_is_left_whole(tmp_path):
    fill(tmp_path / "pets/train", 6)
    fill(tmp_path / "pets/val", 4)
    source = build(path="pets").open(tmp_path)
    assert sizes(source) == {"pool": 12, "validation": 4, "test": 4}
    assert describe_source(source) == (
        "pool: 12 rows, 2 classes, 12 files of train/; 6 rows each",
        "validation: 4 rows, 2 classes, half of 8 files of val/; 2 rows each",
        "test: 4 rows, 2 classes, half of 8 files of val/; 2 rows each",
    )


def test_two_validation_folders_are_refused_until_one_is_named(tmp_path):
    for part in ("train", "val", "validation"):
        fill(tmp_path / "pets" / part, 6)
    with pytest.raises(DataError, match=r'both validation and val could be .*validation="validation"'):
        build(path="pets").open(tmp_path)
    source = build(path="pets", validation="val").open(tmp_path)
    assert ignored(source) == {"validation/": 0}


def test_cifar10_reads_a_validation_split_and_leaves_the_test_set_whole(tmp_path):
    for part, count in (("train", 3), ("test", 2)):
        fill(tmp_path / "cifar10" / part, count, CLASSES)
    assert sizes(build("cifar10").open(tmp_path)) == {"pool": 30, "validation": 10, "test": 10}
    fill(tmp_path / "cifar10/val", 1, CLASSES)
    assert sizes(build("cifar10").open(tmp_path)) == {"pool": 30, "validation": 10, "test": 20}


HIDDEN = (".ipynb_checkpoints", ".thumbnails", "@eaDir", "__MACOSX", "#recycle", "$RECYCLE.BIN", "lost+found")


@pytest.mark.parametrize("level", ["pets/train", "pets/train/cat", "pets/train/cat/more", "pets/test/dog"])
def test_copies_in_hidden_and_tools_folders_are_no_rows_at_any_depth(tmp_path, level):
    fill(tmp_path / "pets/train", 6)
    fill(tmp_path / "pets/test", 4)
    plain = build(path="pets").open(tmp_path)
    for name in HIDDEN:
        shutil.copytree(tmp_path / "pets/train/dog", tmp_path / level / name / "deeper")
    source = build(path="pets").open(tmp_path)
    assert (ids(source), source.classes, source.signature) == (ids(plain), plain.classes, plain.signature)
    assert ignored(source) == {f"{name}/": 6 for name in HIDDEN}
    lines = describe_source(source)
    assert lines[-1].startswith("ignored (hidden, or a tool's own): ")
    assert "@eaDir/ (6 files)" in lines[-1]


def test_what_the_user_names_is_read_even_if_it_is_hidden(tmp_path):
    fill(tmp_path / ".cache/__MACOSX/.train", 10)
    source = build(path=".cache/__MACOSX", train=".train").open(tmp_path)
    assert sum(sizes(source).values()) == 20


def test_every_suffix_that_the_decoder_reads_is_a_row(tmp_path):
    for number, suffix in enumerate(sorted(suffixes())):
        for part in ("train", "test"):
            fill(tmp_path / "pets" / part, 1)
            for name in ("cat", "dog"):
                (tmp_path / f"pets/{part}/{name}/{number}{suffix.upper() if number % 2 else suffix}").write_bytes(b"x")
    assert len(build(path="pets").open(tmp_path).splits["pool"]) == 2 * (1 + len(suffixes()))
    assert {".jfif", ".jpe", ".jp2", ".avif", ".jpg", ".png", ".tif"} <= suffixes()


@pytest.mark.parametrize("kind", FORMATS)
def test_the_suffixes_are_those_of_the_formats_that_are_decoded(kind):
    image, buffer = Image.new("RGB", (8, 8)), io.BytesIO()
    image.save(buffer, kind)
    assert open_image(buffer.getvalue()).size == (8, 8)
    assert {suffix for suffix, name in Image.registered_extensions().items() if name == kind} <= suffixes()


def test_files_that_are_no_images_are_named_by_kind_with_counts(tmp_path):
    fill(tmp_path / "pets/train", 10)
    folder = tmp_path / "pets/train/cat"
    for name in ("a.txt", "b.TXT", "c.heic", "photo", "scan.", ".DS_Store", "._000.png", "._001.png", ".x.png"):
        (folder / name).write_bytes(b"x")
    os.mkfifo(folder / "pipe.jpg")
    for link, target in (("lost.jpg", "nowhere.jpg"), ("loop.jpg", "loop.jpg"), ("lost.png", "/nowhere/else.png")):
        (folder / link).symlink_to(target)
    (tmp_path / "pets/train/loose.png").write_bytes(b"x")
    (tmp_path / "pets/train/notes.md").write_bytes(b"x")
    (tmp_path / "pets/labels.csv").write_bytes(b"x")
    (tmp_path / "pets/extra").mkdir()
    source = build(path="pets").open(tmp_path)
    assert sum(sizes(source).values()) == 20
    assert describe_source(source)[3:] == (
        "ignored (beside the splits, name it in a setting to read it): .csv (1 file), extra/",
        "ignored (hidden, or a tool's own): ._* (2 files), .*.png (1 file), .DS_Store (1 file)",
        "ignored (images belong in their class's folder): .md (1 file), .png (1 file)",
        "ignored (links to nothing, or no files): .jpg (3 files), .png (1 file)",
        "ignored (not the suffix of an image that can be decoded): .txt (2 files), no suffix (2 files), .heic (1 file)",
    )


def test_a_folder_of_nothing_but_odd_suffixes_names_them(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "pets/train" / name).mkdir(parents=True)
        (tmp_path / "pets/train" / name / "1.heic").write_bytes(b"x")
    with pytest.raises(DataError, match=r"train: no images in its class folders \(looked for .*; found \.heic\)"):
        build(path="pets").open(tmp_path)


def test_a_class_folder_without_rows_in_every_split_is_named_and_no_class(tmp_path):
    fill(tmp_path / "pets/train", 10)
    fill(tmp_path / "pets/test", 4, classes=("cat", "dog", "eel"))
    fill(tmp_path / "pets/train", 0, classes=("eel", "fox"))
    fill(tmp_path / "pets/test", 0, classes=("fox", "gnu"))
    source = build(path="pets").open(tmp_path)
    assert source.classes == ("cat", "dog", "eel")
    lines = describe_source(source)
    assert (
        lines[0]
        == "pool: 20 rows, 2 of 3 classes, 20 files of train/; largest cat (10), smallest eel (0); no row of eel"
    )
    assert lines[-1] == "ignored (without rows in every split, so not a class): fox/, gnu/"


def test_a_mac_s_copy_of_a_class_folder_is_the_same_class(tmp_path):
    composed, decomposed = normalize("NFC", "crème brûlée"), normalize("NFD", "crème brûlée")
    assert composed != decomposed
    fill(tmp_path / "pets/train", 6, classes=(composed, "dog"))
    fill(tmp_path / "pets/test", 4, classes=(decomposed, "dog"))
    source = build(path="pets").open(tmp_path)
    assert source.classes == (composed, "dog")
    records = source.splits["test"].read(0, 4)
    assert {label for row_id, label in zip(records.row_ids, records.labels_B, strict=True) if decomposed in row_id} == {
        0
    }
    assert sizes(build(path="pets", classes=[decomposed, "dog"]).open(tmp_path)) == sizes(source)
    fill(tmp_path / "pets/train", 6, classes=(decomposed,))
    with pytest.raises(DataError, match=r"'cre\\u0300me .*' and 'cr\\xe8me .*' have the same name, in two forms"):
        build(path="pets").open(tmp_path)


def test_a_folder_of_splits_is_no_folder_of_classes(tmp_path):
    fill(tmp_path / "data/pets/train", 6)
    fill(tmp_path / "data/pets/val", 6)
    with pytest.raises(DataError, match=r"data/pets: train/ and val/ lie in it, which are splits .*set `path` to it"):
        build(path="data", train="pets").open(tmp_path)


@pytest.mark.parametrize("place", ["pets/train/cat", "pets/train/cat/more", "pets/train", "pets"])
def test_a_name_that_is_not_utf8_is_one_line_with_the_file(tmp_path, place):
    fill(tmp_path / "pets/train", 10)
    (tmp_path / place).mkdir(exist_ok=True)
    Path(os.fsdecode(os.fsencode(tmp_path / place) + b"/caf\xe9.png")).write_bytes(b"x")
    with pytest.raises(
        DataError, match=rf"{place}/caf\\udce9\.png': the name is not UTF-8, so no row id; rename it"
    ) as error:
        build(path="pets").open(tmp_path)
    assert str(error.value).isprintable()
