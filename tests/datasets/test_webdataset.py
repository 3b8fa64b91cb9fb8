"""`webdataset`: rows of tar files, read where their bytes lie; ids, labels, held-out rows, what is ignored."""

import gc
import io
import json
import tarfile
import tracemalloc

import numpy as np
import pytest
from ray import cloudpickle

from labelbench_ray.datasets import UNLABELED
from labelbench_ray.datasets.files.places import FileState, locate
from labelbench_ray.datasets.recognition import Stated, recognized
from labelbench_ray.datasets.row_files import tar_members
from labelbench_ray.datasets.webdataset import Webdataset
from labelbench_ray.errors import DataError
from labelbench_ray.planning.data_words import describe_source
from labelbench_ray.plugins import Part
from tests.datasets.row_samples import png, tar, wav
from tests.datasets.test_tables import every, write

SPLITS = ("train", "test", "extra")


def shard(start, stop, label=lambda number: str(number % 2)):
    members = {}
    for number in range(start, stop):
        members[f"{number:06d}.png"] = png(number)
        members[f"{number:06d}.cls"] = label(number)
    return tar(members)


def images(**settings):
    return Webdataset(path="in", payload="image", **settings)


def test_rows_of_several_shards_are_read_in_any_order(tmp_path):
    write(tmp_path / "in/train-0000.tar", shard(0, 10))
    write(tmp_path / "in/train-0001.tar", shard(10, 30))
    source = images().open(tmp_path)
    assert {split: len(each) for split, each in source.splits.items()} == {"pool": 20, "validation": 4, "test": 6}
    table = cloudpickle.loads(cloudpickle.dumps(source.splits["pool"].table))  # as it travels to workers
    rows = np.array([29, 0, 11, 11, 5])
    records = table.read(rows)
    assert records.row_ids == [f"train-000{int(row >= 10)}/{row:06d}" for row in rows]
    assert records.payloads == [png(row) for row in rows]
    assert records.labels_B.tolist() == [row % 2 for row in rows]


def test_a_row_is_read_without_a_scan_of_its_tar(tmp_path, monkeypatch):
    write(tmp_path / "in/train.tar", shard(0, 200))
    table = images().open(tmp_path).splits["pool"].table
    monkeypatch.setattr(tarfile, "open", None)
    monkeypatch.setattr(tar_members, "_read", None)
    assert table.read(np.array([199])).payloads == [png(199)]


def test_splits_named_by_files_and_official_test_rows_stay_complete(tmp_path):
    write(tmp_path / "in/train-0.tar", shard(0, 20))
    write(tmp_path / "in/test-0.tar", shard(20, 30))
    source = images().open(tmp_path)
    assert {split: len(each) for split, each in source.splits.items()} == {"pool": 18, "validation": 2, "test": 10}


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (lambda number: {"label": "ab"[number % 2], "caption": 5}, ("a", "b")),
        (lambda number: {"label": number % 2}, ("0", "1")),
    ],
)
def test_labels_in_json(tmp_path, label, expected):
    members = {}
    for number in range(20):
        members |= {f"s/{number}.txt": f"text {number}", f"s/{number}.json": json.dumps(label(number))}
    write(tmp_path / "in/a.tar", tar(members))
    source = Webdataset(path="in", payload="text").open(tmp_path)
    assert source.classes == expected
    pool = every(source)
    assert pool.row_ids[0].startswith("a/s/")
    pairs = zip(pool.payloads, pool.row_ids, strict=True)
    assert all(payload == f"text {row_id.rsplit('/', 1)[1]}" for payload, row_id in pairs)
    assert recognized(tmp_path, "in", Stated()).dataset == Part.of("webdataset", path="in", payload="text")


def test_sounds(tmp_path):
    members = {}
    for number in range(9):
        members |= {f"{number}.wav": wav(number), f"{number}.cls": str(number % 2)}
    write(tmp_path / "in.tar", tar(members))
    part = recognized(tmp_path, "in.tar", Stated()).dataset
    assert part == Part.of("webdataset", path="in.tar", payload="audio")
    pool = every(Webdataset(path="in.tar", payload="audio").open(tmp_path))
    assert pool.payloads == [wav(int(row_id.rsplit("/", 1)[1])) for row_id in pool.row_ids]


def test_several_labels_a_row(tmp_path):
    members = {}
    for number in range(20):
        labels = json.dumps({"labels": ["a", "b"] if number % 2 else []})
        members |= {f"{number}.txt": "t", f"{number}.json": labels}
    write(tmp_path / "in.tar", tar(members))
    part = recognized(tmp_path, "in.tar", Stated()).dataset
    assert part == Part.of("webdataset", path="in.tar", payload="text", label_list="labels")
    source = Webdataset(path="in.tar", payload="text", label_list="labels").open(tmp_path)
    assert sorted(map(tuple, every(source).labels_B.tolist())) == sorted(
        [(0, 0), (1, 1)][int(row_id.rsplit("/", 1)[1]) % 2] for row_id in every(source).row_ids
    )


def test_minus_one_and_no_member_are_rows_without_a_label(tmp_path):
    members = {"0.png": png(0), "0.cls": "0", "1.png": png(1), "1.cls": "-1", "2.png": png(2), "3.png": png(3)}
    write(tmp_path / "in/train.tar", tar(members | {"3.cls": "1\n"}))
    source = images(classes=("cat", "dog")).open(tmp_path)
    assert every(source).labels_B.tolist() == [0, UNLABELED, UNLABELED, 1]


def test_what_is_no_row_is_ignored_and_stated(tmp_path):
    buffer = io.BytesIO(shard(0, 20))
    with tarfile.open(fileobj=buffer, mode="a") as made:
        for name in ("README.md", "._000001.png", "__MACOSX/x.png", "notes"):
            made.addfile(tarfile.TarInfo(name))
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(link)
    write(tmp_path / "in/train.tar", buffer.getvalue())
    source = images().open(tmp_path)
    assert sum(len(split) for split in source.splits.values()) == 20
    lines = "\n".join(describe_source(source))
    assert "ignored (samples without a payload): .md (1 file)" in lines
    assert "ignored (a link or a device, not a file): png (1 file)" in lines
    assert "image payloads: .png; labels: .cls" in lines


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["0", "1"], ("0", "1")),
        (["007", "7", "-1"], ("007", "7")),
        (["000", "001", "100"], ("000", "001", "100")),
        (["--5", "-"], ("-", "--5")),
        (["\u0663", "3"], None),
        (["9" * 20, "3"], ("3", "9" * 20)),
    ],
)
def test_numbers_are_what_python_would_write_and_all_else_is_a_name(tmp_path, labels, classes):
    write(tmp_path / "in/a.tar", shard(0, 30, lambda number: labels[number % len(labels)]))
    if classes is None:
        with pytest.raises(DataError, match=r"member '\d+\.cls': the label .*; write numbers alone or names alone"):
            images().open(tmp_path)
    else:
        assert images().open(tmp_path).classes == classes


def test_padded_numbers_of_one_split_make_names_in_all(tmp_path):
    write(tmp_path / "in/train.tar", shard(0, 8, lambda number: ["007", "10"][number % 2]))
    write(tmp_path / "in/test.tar", shard(8, 16, lambda number: "10"))
    source = images().open(tmp_path)
    assert source.classes == ("007", "10")
    assert set(every(source, "test").labels_B.tolist()) == {1}


def test_numbers_of_held_out_rows_alone_are_read_with_given_classes(tmp_path):
    write(tmp_path / "in/train.tar", tar({f"{number}.png": png(number) for number in range(4)}))
    write(tmp_path / "in/test.tar", shard(8, 16))
    source = images(classes=["cat", "dog"]).open(tmp_path)
    assert every(source, "test").labels_B.tolist() == [number % 2 for number in source.splits["test"].rows]


def test_a_split_that_only_the_readme_names_is_not_opened_and_stated(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / f"in/{name}.tar", shard(0, 20) if name == "a" else shard(20, 30))
    write(tmp_path / "in/c.tar", b"not a tar file")
    parts = "".join(f"  - {{split: {part}, path: {name}.tar}}\n" for part, name in zip(SPLITS, "abc", strict=True))
    write(tmp_path / "in/README.md", f"---\nconfigs:\n- config_name: default\n  data_files:\n{parts}---\n")
    assert "the split 'extra' is not used" in describe_source(images().open(tmp_path))


def test_samples_are_packed(tmp_path):
    members = {f"{row:06}.{kind}": b"x" for row in range(3_000) for kind in ("jpg", "cls")}
    path = tmp_path / "a.tar"
    path.write_bytes(tar(members))
    place = locate(tmp_path, "a.tar")
    state = FileState(path.stat().st_size, 0)
    tracemalloc.start()
    try:
        shard = tar_members.read_shard(place, state)
        gc.collect()
        objects = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert objects + shard.keys_S.nbytes + shard.cls_S.nbytes < 200 * len(shard)
    sample = shard.sample(2_999)
    assert (sample.key, list(sample.members), sample.cls, sample.json) == ("002999", ["jpg", "cls"], "x", None)
