"""Data that are not what a store was made from are noticed and named; data that are as they were are accepted."""

import io
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import boto3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from labelbench_ray.config import Part, Trial
from labelbench_ray.datasets import Source
from labelbench_ray.datasets.files.folders import FolderTable
from labelbench_ray.datasets.parquet_columns.parquet_files import ParquetTable
from labelbench_ray.embeddings import origin
from labelbench_ray.embeddings.origin import check_same_data
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.errors import ChangedDataError
from labelbench_ray.storage import tables
from labelbench_ray.trial import parts
from tests.full_trials import make_store
from tests.s3 import Server, client_settings, s3  # noqa: F401  a fixture
from tests.samples import write_module

EARLIER = Path(__file__).parent / "fixtures" / "store_before_contents"
"""Written by commit be79322."""
ROWS = {"train": 90, "test": 40}
WORDS = ["time", "flies", "like", "an", "arrow", "fruit", "flies", "like", "a", "banana"]


def png(number: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (8, 8), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def text(number: int) -> str:
    return f"{WORDS[number % 10]} {WORDS[number % 7]} {number}"


def write_folder(data: Path) -> None:
    for split, rows in ROWS.items():
        for number in range(rows):
            path = data / "shots" / split / ("dark", "light")[number % 2] / f"{number:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(number + len(split) * 1000))


def write_tables(data: Path, name: str, **columns: Callable[[str, int], object]) -> None:
    for split, rows in ROWS.items():
        path = data / name / f"{split}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        table = {column: [value(split, number) for number in range(rows)] for column, value in columns.items()}
        pq.write_table(pa.table(table), path, row_group_size=32, use_dictionary=False, compression="none")


def kind(split: str, number: int) -> str:
    return ("dark", "lite", "blue")[number % 3]


def write_texts(data: Path) -> None:
    write_tables(data, "texts", text=lambda split, number: text(number + len(split) * 1000), label=kind)


def write_keyed(data: Path) -> None:
    images = {"image": lambda split, number: png(number + len(split) * 1000)}
    write_tables(data, "keyed", **images, label=kind, path=lambda split, number: f"{split}-{number:03d}")


def write_named(data: Path) -> None:
    """Parquet that names its images."""
    write_folder(data)
    names = {"image": lambda split, number: f"../shots/{split}/{('dark', 'light')[number % 2]}/{number:03d}.png"}
    write_tables(data, "named", **names, label=kind)


def write_cifar(data: Path) -> None:
    images = {"image": lambda split, number: png(number + len(split) * 1000)}
    write_tables(data, "cifar10", **images, label=lambda split, number: number % 10)


def write_banking(data: Path) -> None:
    texts = {"text": lambda split, number: text(number + len(split) * 1000)}
    names = {"label": lambda split, number: number % 3, "label_name": kind}
    write_tables(data, "banking77", **texts, **names)


KINDS = {
    "folder": (write_folder, Part.of("image_folder", path="shots")),
    "texts": (write_texts, Part.of("parquet", path="texts", payload="text")),
    "keyed": (write_keyed, Part.of("parquet", path="keyed", payload="image")),
    "named": (write_named, Part.of("parquet", path="named", payload="image")),
    "cifar10": (write_cifar, Part(name="cifar10")),
    "banking77": (write_banking, Part(name="banking77")),
}


class Home:
    """A data set, and a store that was made from it."""

    def __init__(self, folder: Path, kind: str, **settings: object) -> None:
        self.data = folder / "data"
        write, dataset = KINDS[kind]
        write(self.data)
        for path in self.data.rglob("*.p*"):
            os.utime(path, ns=(10**18, 10**18))  # long ago
        encoder = Part(name="tests.word_counts" if kind in ("texts", "banking77") else "pixels")
        dataset = Part(name=dataset.name, settings=dataset.settings | settings)
        self.trial = Trial(dataset=dataset, encoder=encoder, strategy=Part(name="random"), seed=0, rounds=2, budget=5)
        make_store(self.trial, folder / "store", self.data)
        self.built = parts.build(self.trial)
        self.store = EmbeddingStore.open(folder / "store" / self.built.embedding)

    def source(self) -> Source:
        return self.built.dataset.open(self.data)

    def check(self) -> None:
        check_same_data(self.store, self.source())

    def refusal(self) -> str:
        with pytest.raises(ChangedDataError) as refused:
            self.check()
        return str(refused.value)


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From when it is called on, no row of a data set and no shard may be read."""

    def refuse(*_: object) -> None:
        raise AssertionError("a row was read")

    def forbid() -> None:
        for table in (FolderTable, ParquetTable):
            monkeypatch.setattr(table, "read", refuse)
        monkeypatch.setattr(origin, "read_contents", refuse)

    return forbid


def edit_table(path: Path, column: str, change: Callable[[list], list]) -> None:
    table = pq.read_table(path)
    place = table.column_names.index(column)
    values = pa.array(change(table.column(column).to_pylist()), table.schema.field(column).type)
    pq.write_table(
        table.set_column(place, column, values), path, row_group_size=32, use_dictionary=False, compression="none"
    )


def first_changed(value: object) -> Callable[[list], list]:
    return lambda values: [value, *values[1:]]


def restored(path: Path, change: Callable[[], object]) -> None:
    """The file changes, and neither its size nor its time does."""
    before = path.stat()
    change()
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def flip(path: Path) -> None:
    """Another byte, no other size."""
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("kind", KINDS)
def test_data_as_they_were_are_accepted_without_reading_a_row(tmp_path, kind: str, unread):
    home = Home(tmp_path, kind)
    unread()
    home.check()


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_were_only_touched_are_read_once(tmp_path, kind: str, unread):
    home = Home(tmp_path, kind)
    for path in home.data.rglob("*.p*"):
        os.utime(path)
    home.check()
    unread()
    home.check()


def test_digits_have_no_files(tmp_path):
    trial = Trial(
        dataset=Part.of("digits", max_rows=20), encoder="pixels", strategy="random", seed=0, rounds=1, budget=2
    )
    make_store(trial, tmp_path, tmp_path)
    built = parts.build(trial)
    check_same_data(EmbeddingStore.open(tmp_path / built.embedding), built.dataset.open(tmp_path))


def delete_rows(data: Path) -> None:
    for path in sorted((data / "shots/train/dark").iterdir())[:5]:
        path.unlink()


def move_row(data: Path) -> None:
    shutil.move(data / "shots/train/dark/000.png", data / "shots/train/light/000.png")


def rename_class(data: Path) -> None:
    for split in ROWS:
        (data / "shots" / split / "dark").rename(data / "shots" / split / "dim")


def swap_files(data: Path) -> None:
    one, two = data / "shots/train/dark/000.png", data / "shots/train/light/001.png"
    contents = one.read_bytes(), two.read_bytes()
    one.write_bytes(contents[1])
    two.write_bytes(contents[0])


CHANGES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a byte of an image": (
        "folder",
        lambda data: flip(data / "shots/train/dark/004.png"),
        r"pool: 1 row with other content \('train/dark/004.png'\); files that changed: train/dark/004.png "
        r"\(modified 20\d\d-",
    ),
    "an image that parquet names": (
        "named",
        lambda data: flip(data / "shots/train/dark/004.png"),
        r"pool: 1 row with other content \('train/00000004'\); files that changed: train.parquet \(modified 20\d\d-",
    ),
    "two images exchanged": ("folder", swap_files, r"pool: 2 rows with other content \('train/dark/000.png', "),
    "rows deleted": (
        "folder",
        delete_rows,
        r"pool: 5 rows gone \('train/dark/000.png', 'train/dark/002.png', 'train/dark/004.png' and 2 more\).*\(gone\)",
    ),
    "a row in another class": (
        "folder",
        move_row,
        r"pool: 1 row gone \('train/dark/000.png'\), 1 row new \('train/light/000.png'\)",
    ),
    "a class renamed": ("folder", rename_class, r"classes: gone 'dark', new 'dim'"),
    "the test set alone": (
        "folder",
        lambda data: flip(data / "shots/test/dark/000.png"),
        r"now \((test|validation): 1 row with other content \('test/dark/000.png'\)",
    ),
    "a label of parquet": (
        "texts",
        lambda data: edit_table(data / "texts/train.parquet", "label", first_changed("blue")),
        r"pool: 1 row with another label \('train/00000000'\); files that changed: train.parquet \(modified",
    ),
    "a label, its file's size and time restored": (
        "texts",
        lambda data: restored(
            data / "texts/train.parquet",
            lambda: edit_table(data / "texts/train.parquet", "label", first_changed("blue")),
        ),
        r"pool: 1 row with another label \('train/00000000'\)",
    ),
    "a text": (
        "texts",
        lambda data: edit_table(data / "texts/train.parquet", "text", first_changed("other words")),
        r"pool: 1 row with other content \('train/00000000'\)",
    ),
    "rows in another order": (
        "texts",
        lambda data: pq.write_table(pq.read_table(data / "texts/train.parquet")[::-1], data / "texts/train.parquet"),
        r"pool: \d+ rows with another label .*, 90 rows with other content",
    ),
    "a key": (
        "keyed",
        lambda data: edit_table(data / "keyed/train.parquet", "path", first_changed("train-x")),
        r"pool: 1 row gone \('train-000'\), 1 row new \('train-x'\)",
    ),
    "a key twice": (
        "keyed",
        lambda data: edit_table(data / "keyed/train.parquet", "path", first_changed("train-001")),
        r"pool: 90 rows gone \('train-000', .*, 90 rows new \('train/00000000', ",  # numbered: the keys are none
    ),
    "a label of CIFAR-10": (
        "cifar10",
        lambda data: edit_table(data / "cifar10/test.parquet", "label", lambda labels: [*labels[:-1], 0]),
        r"1 row with another label \('test/00000039'\)",
    ),
    "an intent renamed": (
        "banking77",
        lambda data: edit_table(
            data / "banking77/train.parquet", "label_name", lambda names: [{"lite": "soft"}.get(n, n) for n in names]
        ),
        r"classes: gone 'lite', new 'soft'",
    ),
    "a row more": (
        "banking77",
        lambda data: pq.write_table(
            pa.concat_tables([table := pq.read_table(data / "banking77/train.parquet"), table[-1:]]),
            data / "banking77/train.parquet",
        ),
        r"pool: 1 row new \('train/00000090'\)",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_named(tmp_path, change: str):
    kind, do, expected = CHANGES[change]
    home = Home(tmp_path, kind)
    do(home.data)
    message = home.refusal()
    assert re.search(expected, message), message
    assert "was made from other data than are here now" in message
    assert "name another --runs and another --store" in message
    assert home.refusal() == message, "the next command notices it again"


def test_rows_with_keys_may_lie_in_another_order(tmp_path, unread):
    home = Home(tmp_path, "keyed")
    path = home.data / "keyed/train.parquet"
    pq.write_table(pq.read_table(path)[::-1], path)
    home.check()
    unread()
    home.check()


def test_an_edit_that_keeps_size_and_time_shows_once_all_is_compared(tmp_path):
    """The limit of what is noticed cheaply, and the way to look at every byte."""
    home = Home(tmp_path, "folder")
    path = home.data / "shots/train/dark/004.png"
    restored(path, lambda: flip(path))
    home.check()
    (home.store.directory / origin.SOURCE).unlink()
    assert "1 row with other content ('train/dark/004.png')" in home.refusal()


def test_a_change_that_is_taken_back_is_forgotten(tmp_path):
    home = Home(tmp_path, "folder")
    flip(home.data / "shots/train/dark/004.png")
    home.refusal()
    flip(home.data / "shots/train/dark/004.png")
    home.check()


def test_only_the_rows_of_files_that_differ_are_read(tmp_path, monkeypatch):
    home, read = Home(tmp_path, "folder"), []
    original = FolderTable.read
    monkeypatch.setattr(FolderTable, "read", lambda table, rows: read.append(len(rows)) or original(table, rows))
    os.utime(home.data / "shots/train/dark/004.png")
    os.utime(home.data / "shots/test/light/001.png")
    home.check()
    assert read == [1, 1]


def test_files_that_no_sampled_row_lies_in_may_change(tmp_path):
    home = Home(tmp_path, "folder", max_rows=30)
    sampled = {row_id for split in home.source().splits for row_id in home.store.row_ids(split)}
    other = next(
        path for path in sorted(home.data.rglob("*.png")) if str(path.relative_to(home.data / "shots")) not in sampled
    )
    flip(other)
    home.check()


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:50] + b"?" + data[51:], lambda _: b""])
def test_a_damaged_record_has_every_row_compared_and_is_written_again(tmp_path, damage):
    home = Home(tmp_path, "folder")
    record = home.store.directory / origin.SOURCE
    whole = record.read_bytes()
    record.write_bytes(damage(whole))
    home.check()
    assert record.read_bytes() == whole
    record.write_bytes(damage(whole))
    flip(home.data / "shots/train/dark/004.png")
    home.refusal()


def test_a_store_that_cannot_be_written_to_is_accepted(tmp_path, monkeypatch):
    home = Home(tmp_path, "folder")
    os.utime(home.data / "shots/train/dark/004.png")

    def refuse(path: Path, data: bytes) -> None:
        raise PermissionError(13, "read-only", str(path))

    monkeypatch.setattr(tables, "publish", refuse)
    home.check()


def test_a_damaged_shard_is_for_embed_to_make_again(tmp_path):
    home = Home(tmp_path, "folder")
    os.utime(home.data / "shots/train/dark/004.png")
    next((home.store.directory / "shards").iterdir()).write_bytes(b"")
    home.check()


OWN = """
import json
import numpy as np
from labelbench_ray.datasets import Dataset, Records, Source, Split, signature

class Lines:
    def __init__(self, path):
        self.rows = json.loads(path.read_text())
    def __len__(self):
        return len(self.rows)
    def read(self, rows):
        names, texts, labels = zip(*(self.rows[row] for row in rows))
        return Records(list(names), list(texts), np.array(labels))

class Own(Dataset):
    def modality(self):
        return "text"
    def load(self, root):
        table, path = Lines(root / "own.json"), root / "own.json"
        parts = np.split(np.arange(len(table)), [20, 25])
        splits = {name: Split(table, rows) for name, rows in zip(("pool", "validation", "test"), parts)}
        return Source(("a", "b"), splits, signature([path.read_text()]))
"""


def test_a_data_set_that_does_not_know_its_files_is_compared_when_its_signature_differs(tmp_path, monkeypatch):
    dataset = Part(name=write_module(tmp_path, "own_data", OWN, monkeypatch))
    rows, path = [[f"row {number:02d}", text(number), number % 2] for number in range(30)], tmp_path / "own.json"
    path.write_text(json.dumps(rows))
    trial = Trial(dataset=dataset, encoder="tests.word_counts", strategy="random", seed=0, rounds=1, budget=2)
    make_store(trial, tmp_path, tmp_path)
    built = parts.build(trial)
    store = EmbeddingStore.open(tmp_path / built.embedding)
    check_same_data(store, built.dataset.open(tmp_path))
    path.write_text(json.dumps(rows, indent=1))
    check_same_data(store, built.dataset.open(tmp_path))
    rows[3][1] = "other words"
    rows[7][2] = 0
    path.write_text(json.dumps(rows))
    rows[5][0] = "row 04"
    path.write_text(json.dumps(rows))
    expected = (
        r"pool: 1 row gone \('row 05'\), 1 row repeated \('row 04'\), "
        r"2 rows with another label \('row 04', 'row 07'\), 2 rows with other content \('row 03', 'row 04'\)"
    )
    with pytest.raises(ChangedDataError, match=expected):
        check_same_data(store, built.dataset.open(tmp_path))


def test_an_object_store_s_files_show_when_they_were_put(s3: Server, tmp_path):  # noqa: F811
    client = boto3.client("s3", **client_settings(s3.environment))
    files = {}
    for split, rows in (("train", 20), ("test", 8)):
        for number in range(rows):
            files[f"shots/{split}/{('dark', 'light')[number % 2]}/{number:03d}.png"] = png(number + len(split) * 1000)
    for key, content in files.items():
        client.put_object(Bucket=s3.bucket, Key=key, Body=content)
    trial = Trial(
        dataset=Part.of("image_folder", path=f"s3://{s3.bucket}/shots"),
        encoder="pixels",
        strategy="random",
        seed=0,
        rounds=1,
        budget=2,
    )
    make_store(trial, tmp_path, tmp_path)
    built = parts.build(trial)
    store = EmbeddingStore.open(tmp_path / built.embedding)
    check_same_data(store, built.dataset.open(tmp_path))
    time.sleep(1.1)  # an object store's clock shows seconds
    key = "shots/train/dark/004.png"
    client.put_object(Bucket=s3.bucket, Key=key, Body=files[key])
    check_same_data(store, built.dataset.open(tmp_path))
    time.sleep(1.1)
    client.put_object(Bucket=s3.bucket, Key=key, Body=files[key][:-20] + b"x" + files[key][-19:])
    with pytest.raises(ChangedDataError, match=r"1 row with other content \('train/dark/004.png'\)"):
        check_same_data(store, built.dataset.open(tmp_path))


class Earlier:
    """A store that an earlier version wrote, which states no contents, and its data."""

    def __init__(self, folder: Path, dataset: Part) -> None:
        shutil.copytree(EARLIER / "inputs", folder / "inputs")
        self.inputs = folder / "inputs"
        trial = Trial(dataset=dataset, encoder="pixels", strategy="random", seed=0, rounds=1, budget=2)
        self.built = parts.build(trial)
        (found,) = (path for path in EARLIER.glob("embedded/*") if self._is_of(path))
        directory = folder / "embedded" / self.built.embedding
        shutil.copytree(found, directory)
        manifest = directory / "manifest.json"  # the encoder may have had other versions since
        manifest.write_text(manifest.read_text().replace(found.name, directory.name))
        self.store = EmbeddingStore.open(directory)

    def _is_of(self, directory: Path) -> bool:
        stated = json.loads((directory / "manifest.json").read_text())["dataset"]
        return bool(stated["name"] == self.built.trial.dataset.name)

    def check(self) -> None:
        check_same_data(self.store, self.built.dataset.open(self.inputs))


EARLIER_KINDS = {
    "folder": Part.of("image_folder", path="shots"),
    "keyed": Part.of("parquet", path="table", payload="image"),
    "digits": Part.of("digits", max_rows=5),
}


@pytest.mark.parametrize("kind", EARLIER_KINDS)
def test_a_store_of_an_earlier_version_is_adopted(tmp_path, kind: str, unread):
    earlier = Earlier(tmp_path, EARLIER_KINDS[kind])
    assert not any(entry.contents for entry in earlier.store.manifest.shards)
    earlier.check()
    unread()
    earlier.check()


def test_an_adopted_store_notices_what_changes_after_that(tmp_path):
    earlier = Earlier(tmp_path, EARLIER_KINDS["folder"])
    earlier.check()
    (earlier.inputs / "shots/train/light/03.png").write_bytes(b"Broken")  # a row that was rejected
    flip(earlier.inputs / "shots/train/dark/00.png")
    with pytest.raises(ChangedDataError, match="2 rows with other content"):
        earlier.check()


@pytest.mark.parametrize(
    ("kind", "change", "expected"),
    [
        ("folder", lambda inputs: (inputs / "shots/train/dark/00.png").unlink(), "1 row gone"),
        ("folder", lambda inputs: (inputs / "shots/train/dark/00.png").write_bytes(b"short"), "names or sizes"),
        (
            "keyed",
            lambda inputs: edit_table(inputs / "table/train.parquet", "label", first_changed("light")),
            r"1 row with another label \('train-0'\)",
        ),
    ],
)
def test_a_store_of_an_earlier_version_is_not_adopted_with_other_data(tmp_path, kind: str, change, expected: str):
    earlier = Earlier(tmp_path, EARLIER_KINDS[kind])
    change(earlier.inputs)
    for _ in range(2):
        with pytest.raises(ChangedDataError, match=expected):
            earlier.check()
