"""Image folders, generic and ImageNet's."""

import os
import pickle

import numpy as np
import pytest

from labelbench_ray import datasets, plugins
from labelbench_ray.config import Part
from labelbench_ray.errors import DataError, NotProvidedError


def build(name="image_folder", **settings):
    return plugins.build(datasets.Dataset, datasets.PACKAGE, Part.of(name, **settings))


def fill(folder, per_class, classes=("cat", "dog")):
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            (folder / name / f"{number:03d}.png").write_bytes(f"{folder.name} {name} {number}".encode())


def test_rows_classes_and_ids(tmp_path):
    for part, count in (("train", 3), ("validation", 1), ("test", 2)):
        fill(tmp_path / "pets" / part, count)
    (tmp_path / "pets/train/cat/.DS_Store").write_bytes(b"rubbish")
    (tmp_path / "pets/train/cat/notes.txt").write_text("rubbish")
    (tmp_path / "pets/train/readme.md").write_text("not a class")
    source = build(path="pets").open(tmp_path)
    assert source.classes == ("cat", "dog")
    records = source.splits["pool"].read(2, 5)
    assert records.row_ids == ["train/cat/002.png", "train/dog/000.png", "train/dog/001.png"]
    assert list(records.payloads) == [b"train cat 2", b"train dog 0", b"train dog 1"]
    assert records.labels_B.tolist() == [0, 1, 1]
    assert [len(source.splits[name]) for name in datasets.SPLITS] == [6, 2, 4]


def test_without_held_out_folders_train_is_cut(tmp_path):
    fill(tmp_path / "pets/train", 10)
    assert [len(build(path="pets").open(tmp_path).splits[name]) for name in datasets.SPLITS] == [16, 2, 2]


def test_a_uri_gives_the_same(tmp_path):
    fill(tmp_path / "pets/train", 10)
    by_uri, by_path = build(path=f"file://{tmp_path}/pets").open(tmp_path / "x"), build(path="pets").open(tmp_path)
    assert by_uri.signature == by_path.signature
    assert by_uri.splits["test"].read(0, 2).row_ids == by_path.splits["test"].read(0, 2).row_ids


def test_the_signature_knows_names_and_sizes_not_place(tmp_path):
    for root in ("one", "two", "three"):
        fill(tmp_path / root / "pets/train", 10)
    (tmp_path / "three/pets/train/cat/000.png").write_bytes(b"longer than it was before")
    one, two, three = (build(path="pets").open(tmp_path / root).signature for root in ("one", "two", "three"))
    assert one == two != three


def test_tables_travel(tmp_path):
    fill(tmp_path / "pets/train", 50)
    split = build(path="pets").open(tmp_path).splits["pool"]
    assert pickle.loads(pickle.dumps(split)).read(3, 6).row_ids == split.read(3, 6).row_ids  # noqa: S301


def test_given_classes_fix_the_order_and_refuse_others(tmp_path):
    fill(tmp_path / "pets/train", 10)
    assert build(path="pets", classes=["dog", "cat"]).open(tmp_path).classes == ("dog", "cat")
    with pytest.raises(DataError, match=r"train/cat: no class called 'cat'; did you mean 'cats'\?"):
        build(path="pets", classes=["dog", "cats"]).open(tmp_path)


def test_a_held_out_folder_with_an_unknown_class(tmp_path):
    fill(tmp_path / "pets/train", 5)
    fill(tmp_path / "pets/test", 5, classes=("cat", "dgo"))
    with pytest.raises(DataError, match=r"test/dgo: no class called 'dgo'; did you mean 'dog'\?"):
        build(path="pets").open(tmp_path)


def test_what_is_missing_or_empty(tmp_path):
    with pytest.raises(NotProvidedError, match=r"pets/train is not there; put .* --data-root"):
        build(path="pets").open(tmp_path)
    (tmp_path / "pets/train").mkdir(parents=True)
    with pytest.raises(DataError, match="no class folders"):
        build(path="pets").open(tmp_path)
    (tmp_path / "pets/train/cat").mkdir()
    with pytest.raises(DataError, match="no images"):
        build(path="pets").open(tmp_path)
    fill(tmp_path / "pets/train", 5, classes=("cat",))
    with pytest.raises(DataError, match=r"1 classes \(cat\); at least 2"):
        build(path="pets").open(tmp_path)


def test_a_file_that_vanished(tmp_path):
    fill(tmp_path / "pets/train", 10)
    table = build(path="pets").open(tmp_path).splits["pool"].table
    (tmp_path / "pets/train/cat/001.png").unlink()
    with pytest.raises(DataError, match=r"001\.png"):
        table.read(range(3))


def test_imagenet_s_official_validation_is_cut_as_torch_would(tmp_path):
    import torch

    fill(tmp_path / "imagenet/train", 6, classes=("n01", "n02"))
    fill(tmp_path / "imagenet/val", 10, classes=("n01", "n02"))
    splits = build("imagenet").open(tmp_path).splits
    first, second = torch.utils.data.random_split(range(20), [5, 15], generator=torch.Generator().manual_seed(42))
    assert splits["validation"].rows.tolist() == sorted(first.indices)
    assert splits["test"].rows.tolist() == sorted(second.indices)
    assert len(splits["pool"]) == 12
    assert splits["test"].read(0, 1).row_ids[0].startswith("val/n0")


def test_imagenet_to_be_provided(tmp_path):
    with pytest.raises(NotProvidedError, match=r"imagenet/train is not there; put ImageNet as train/<synset>"):
        build("imagenet").open(tmp_path)
    fill(tmp_path / "imagenet/train", 2)
    with pytest.raises(NotProvidedError, match="imagenet/val is not there"):
        build("imagenet").open(tmp_path)


def test_a_sample_keeps_the_order_of_the_files(tmp_path):
    fill(tmp_path / "pets/train", 50)
    split = build(path="pets", max_rows=10).open(tmp_path).splits["pool"]
    assert len(split) == 10
    assert np.all(np.diff(split.rows) > 0)


def test_what_is_no_file_is_no_row(tmp_path):
    fill(tmp_path / "pets/train", 10)
    folder = tmp_path / "pets/train/cat"
    (folder / "folder.jpg").mkdir()
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "dangling.jpg").symlink_to("nowhere.jpg")
    os.mkfifo(folder / "pipe.jpg")
    assert [len(build(path="pets").open(tmp_path).splits[name]) for name in datasets.SPLITS] == [16, 2, 2]


@pytest.mark.parametrize("target", ["..", ".", "../../train/dog/back"])
def test_a_link_to_a_folder_above_is_refused_by_name(tmp_path, target):
    fill(tmp_path / "pets/train", 10)
    for number in range(3):  # listed, they would be 3 to the power of 40 folders
        (tmp_path / f"pets/train/cat/up{number}").symlink_to(target)
    (tmp_path / "pets/train/dog/back").symlink_to("../cat")
    with pytest.raises(DataError, match=r"pets/train/.*: a link to .*, which it lies in; remove it"):
        build(path="pets").open(tmp_path)


def test_a_link_to_a_folder_elsewhere_is_followed(tmp_path):
    fill(tmp_path / "pets/train", 10)
    (tmp_path / "more").mkdir()
    (tmp_path / "more/1.png").write_bytes(b"one")
    (tmp_path / "pets/train/cat/more").symlink_to(tmp_path / "more")
    assert sum(map(len, build(path="pets").open(tmp_path).splits.values())) == 20 + 1
