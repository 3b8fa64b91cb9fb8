"""Rows that are split off by a hash: the same rows of the same data, under whatever name and wherever they lie."""

from pathlib import Path
from unicodedata import normalize

import pytest

from labelbench_ray import datasets, plugins
from labelbench_ray.datasets import Dataset, Source
from labelbench_ray.plugins import Part
from tests.datasets.row_samples import png, tar
from tests.datasets.test_tables import write

FOLDERS = Part.of("image_folder", path="photos", train=".", held_out="hash")
TEXTS = Part.of("tables", path="rows.csv", payload="text")
ROWS = "text,label\n" + "".join(f"t{number},{'xy'[number % 2]}\n" for number in range(40))


def opened(root: Path, part: Part, **settings: str) -> Source:
    part = Part.of(part.name, **part.settings | settings)
    return plugins.build(Dataset, datasets.PACKAGE, part).open(root)


def photos(root: Path, folder: str, form: str = "NFC") -> None:
    for name in ("chat", "hérisson"):
        for number in range(20):
            write(root / folder / normalize(form, name) / normalize(form, f"é{number}.png"), png(number))


def ends(source: Source, steps: int = 2) -> list[list[str]]:
    """The last steps of the row ids of each split, in one form of Unicode."""
    read = [split.read(0, len(split)).row_ids for split in source.splits.values()]
    return [sorted(normalize("NFC", "/".join(each.split("/")[-steps:])) for each in ids) for ids in read]


def test_a_renamed_folder_is_split_alike(tmp_path: Path) -> None:
    for folder in ("photos", "pictures", "photos2/train", "deep/data"):
        photos(tmp_path, folder)
    first = ends(opened(tmp_path, FOLDERS))
    assert [len(each) for each in first] == [28, 4, 8]
    assert ends(opened(tmp_path, FOLDERS, path="pictures")) == first
    assert ends(opened(tmp_path, FOLDERS, path="deep/data")) == first
    assert ends(opened(tmp_path, FOLDERS, path="photos2", train="train")) == first


def test_a_copy_in_another_form_of_unicode_is_split_alike(tmp_path: Path) -> None:
    photos(tmp_path, "photos")
    photos(tmp_path, "mac", "NFD")
    assert ends(opened(tmp_path, FOLDERS, path="mac")) == ends(opened(tmp_path, FOLDERS))


def test_a_renamed_file_of_rows_is_split_alike(tmp_path: Path) -> None:
    for name in ("rows.csv", "b.csv", "folder/a.csv", "deep/data/train.csv"):
        write(tmp_path / name, ROWS)
    first = ends(opened(tmp_path, TEXTS), 1)
    for path in ("b.csv", "folder", "deep"):
        assert ends(opened(tmp_path, TEXTS, path=path), 1) == first


def test_a_renamed_tar_file_is_split_alike(tmp_path: Path) -> None:
    members: dict[str, bytes | str] = {}
    for number in range(20):
        members |= {f"{number}.png": png(number), f"{number}.cls": str(number % 2)}
    for name in ("a.tar", "b.tar"):
        write(tmp_path / name, tar(members))
    part = Part.of("webdataset", path="a.tar", payload="image")
    assert ends(opened(tmp_path, part), 1) == ends(opened(tmp_path, part, path="b.tar"), 1)


def test_the_plan_states_the_real_shares(tmp_path: Path) -> None:
    for number in range(12):
        write(tmp_path / f"photos/class {number // 3}/{number}.png", png(number))
    origins = opened(tmp_path, FOLDERS).findings.origins
    wanted = "wanted, but classes are small and each has a row here)"
    assert origins["pool"] == "33 % of 12 files of photos/"
    assert origins["test"] == f"33 % of 12 files of photos/, by a hash of each row id (20 % {wanted}"
    assert origins["validation"] == f"33 % of 12 files of photos/, by a hash of each row id (10 % {wanted}"


@pytest.mark.parametrize("rows", [20, 200])
def test_usual_shares_have_no_remark(tmp_path: Path, rows: int) -> None:
    write(tmp_path / "rows.csv", "text,label\n" + "".join(f"t{number},{'xy'[number % 2]}\n" for number in range(rows)))
    origins = opened(tmp_path, TEXTS).findings.origins
    assert origins["test"] == "20 % of rows.csv, by a hash of each row id"
