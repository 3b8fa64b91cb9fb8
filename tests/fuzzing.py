"""What is read from disk, one target a reader: sound bytes, ways to spoil them, and the errors that are ours.

The suite tries a few spoiled inputs of each; `tests/faults/fuzz.py` tries them for `--minutes`.
"""

import io
import json
import os
import random
import tempfile
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from pydantic import ValidationError
from rich.console import Console
from safetensors.numpy import save as save_tensors

from labelbench_ray import datasets, plugins, report
from labelbench_ray.answers.checking import Rules, checked
from labelbench_ray.answers.events import to_table
from labelbench_ray.answers.fold import row_states
from labelbench_ray.answers.formats import read as read_answers
from labelbench_ray.answers.ingest import ingest, write_rejected
from labelbench_ray.answers.log import AnswerLog, content_hash
from labelbench_ray.answers.names import Names
from labelbench_ray.config import FineTune, Part, Trial, digest
from labelbench_ray.costs import Cost
from labelbench_ray.datasets import cifar_c
from labelbench_ray.datasets.embeddings import Embeddings
from labelbench_ray.datasets.esc50 import Esc50
from labelbench_ray.datasets.images.opened import open_rgb
from labelbench_ray.datasets.row_files.features import features as parsed_features
from labelbench_ray.datasets.table_columns import row_values
from labelbench_ray.datasets.tables import Tables
from labelbench_ray.datasets.tabular import Tabular
from labelbench_ray.datasets.vectors.table import VectorTable
from labelbench_ray.datasets.webdataset import Webdataset
from labelbench_ray.embeddings.augmented import read_view_manifest
from labelbench_ray.embeddings.manifests import ViewManifest
from labelbench_ray.embeddings.shards import ShardEntry, ShardId, ShardRows, load_shard, read_keys, shard_bytes
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.encoders._sounds import open_sound
from labelbench_ray.encoders.columns import Columns
from labelbench_ray.errors import DamagedError, UserError
from labelbench_ray.exports.document import document
from labelbench_ray.ledger.experiments import write_grid
from labelbench_ray.ledger.finetunes import FineTuneHeader, FineTuneLedger, read_finetune_records, read_recipe
from labelbench_ray.ledger.hits import read_hits
from labelbench_ray.ledger.records import Entry, Grid, Stopped
from labelbench_ray.ledger.trials import Failure, Header, Ledger, read_history
from labelbench_ray.registry.check import check
from labelbench_ray.registry.pack import pack
from labelbench_ray.registry.trials import Submission, trial_of
from labelbench_ray.storage.checksummed import to_checked_json
from labelbench_ray.storage.quarantine import read_quarantine_note, set_aside, set_asides
from labelbench_ray.trainers.engine.checkpoints import FileCheckpoints
from labelbench_ray.trial import parts
from tests.answers.samples import crowd
from tests.datasets.row_samples import arrow, features, parquet, tar
from tests.datasets.vector_samples import LABELS_N, ROWS_ND, column, npy, npz
from tests.samples import make_manifest
from tests.sounds import encoded, tone

OURS = (UserError, ValidationError)
"""What a reader may raise."""
TRIAL = Trial(dataset="digits", encoder="pixels", strategy="margin", seed=0, rounds=2, budget=3)
HEADER = Header(
    fingerprint=parts.build(TRIAL).fingerprint, trial=TRIAL, store="s", compute="numpy", versions={"a": "1"}
)
POINTS = FineTuneHeader(fingerprint="f" * 16, trial=HEADER.fingerprint, recipe=FineTune(), store="s")
ROWS = ShardRows(["a", "b", "c"], np.arange(3), np.arange(12, dtype=np.float16).reshape(3, 4), {"d": "broken"})
ENTRIES = [ShardEntry(split=split, number=0, rows=3, sha256=ROWS.sha256()) for split in ("pool", "validation", "test")]
MANIFEST = make_manifest("key", ENTRIES, rejects=1)
NASTY: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2**31, 2**63, 2**64, 10**12, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf")),
    *("", " ", "\x00", "\ud800", "../../x", "/etc/passwd", "a/b", "x" * 100_000, "NaN", "margin", "os.path", "."),
    *([], {}, [[]], [None], {"name": "margin"}, {"": ""}, {"name": "power", "settings": {"strategy": "power"}}),
)
"""What takes the place of a value in JSON."""


@dataclass(frozen=True, slots=True)
class Target:
    """A reader, the sound content of what it reads, and whether it carries a checksum."""

    sound: bytes
    read: Callable[[Path, bytes], object]
    """Given an empty folder."""
    has_checksum: bool = False


def spoiled(target: Target, random: random.Random) -> bytes:
    """The sound content, spoiled in one to four ways."""
    data = target.sound
    if data[:1] == b"{" and random.random() < 0.6:
        data = _spoiled_json(json.loads(data), target.has_checksum and random.random() < 0.8, random)
        if random.random() < 0.7:
            return data
    for _ in range(random.randint(1, 4)):
        data = random.choice((_flip, _cut, _insert, _double, _number))(data, random)
    return data


def _spoiled_json(content: Any, seal: bool, random: random.Random) -> bytes:
    for _ in range(random.randint(1, 3)):
        holder, key = random.choice(list(_places(content)) or [({}, "")])
        if random.random() < 0.2 and isinstance(holder, dict):
            holder.pop(key, None)
        elif random.random() < 0.1 and isinstance(holder, dict):
            holder["another"] = deepcopy(random.choice(NASTY))
        else:
            holder[key] = deepcopy(random.choice(NASTY))
    text = json.dumps(content)
    if random.random() < 0.1:
        text = text.replace('"', '"' + "[" * random.choice((1, 100, 100_000)), 1)
    if random.random() < 0.1:
        text = text[:-1] + ", " + text[1:]  # every key twice
    if random.random() < 0.1:
        text = text.replace("null", "[" * 50_000 + "]" * 50_000, 1)
    if not seal:
        return text.encode("utf-8", "surrogatepass")
    try:
        body = {key: value for key, value in json.loads(text).items() if key != "checksum"}
        return json.dumps(body | {"checksum": digest(body)}).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return text.encode("utf-8", "surrogatepass")


def _places(content: Any) -> Any:
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield content, key
        yield from _places(value)


def _flip(data: bytes, random: random.Random) -> bytes:
    spoiled = bytearray(data or b"\0")
    for _ in range(random.choice((1, 1, 1, 8))):
        spoiled[random.randrange(len(spoiled))] ^= 1 << random.randrange(8)
    return bytes(spoiled)


def _cut(data: bytes, random: random.Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _insert(data: bytes, random: random.Random) -> bytes:
    place = random.randrange(len(data) + 1)
    return data[:place] + random.randbytes(random.choice((1, 4, 300))) + data[place:]


def _double(data: bytes, random: random.Random) -> bytes:
    start = random.randrange(len(data) + 1)
    stop = min(len(data), start + random.choice((1, 8, 64)))
    return data[:stop] + data[start:stop] + data[stop:]


def _number(data: bytes, random: random.Random) -> bytes:
    """Four or eight bytes become an extreme integer, as counts and sizes in binary formats are."""
    width = random.choice((4, 8))
    place = random.randrange(len(data) + 1)
    value = random.choice((0, 1, 2 ** (8 * width) - 1, 2 ** (8 * width - 1) - 1, 2 ** (4 * width)))
    return data[:place] + value.to_bytes(width, random.choice(("little", "big"))) + data[place + width :]


def _put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@cache
def _files_of_ledger() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        _points(_make_ledger(Path(folder)))
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _ledger(folder: Path) -> Path:
    """A finished trial below `folder`, as its grid says, and a fine-tune of it."""
    for name, data in _files_of_ledger().items():
        _put(folder / name, data)
    return folder / HEADER.fingerprint


def _make_ledger(folder: Path) -> Path:
    directory = folder / HEADER.fingerprint
    with Ledger.open(directory, HEADER) as ledger:
        for number in range(2):
            ids = np.arange(3) + 3 * number
            metrics = {"Test Accuracy": 0.5 + number / 4, "Pool Accuracy": 0.5}
            spent, tensors, hits = {"fit": Cost(1.0, 1.0)}, {"b": np.ones(2)}, {"Test": np.arange(20) % 4 < 2 + number}
            ledger.publish(number, ids, ids % 3, 3 * number + 3, metrics, spent, tensors, hits=hits)
    write_grid(folder, Grid(experiment="a.b", entries=(Entry(fingerprint=HEADER.fingerprint, trial=TRIAL),)))
    return directory


def _points(trial: Path) -> FineTuneLedger:
    points = FineTuneLedger.open(trial, POINTS)
    hits = {"Test": np.arange(20) % 4 < 2}
    points.publish(6, "bought", {"Test Accuracy": 0.5}, {"fit": Cost(1, 1)}, {"bias": np.ones(2)}, hits)
    return points


def _report(folder: Path, drawn: bool) -> None:
    built = report.build(folder)
    Console(file=io.StringIO()).print(report.render(built))
    if drawn:  # a page takes a hundred times as long as the rest
        report.page(built).encode()
    json.dumps(document(built), allow_nan=False)


def _of_ledger(name: str) -> Callable[[Path, bytes], None]:
    """Reads a folder in which one file of the trial is spoiled, as a report and then as a run does."""

    def read(folder: Path, data: bytes) -> None:
        directory = _ledger(folder)
        path = folder / name.format(trial=HEADER.fingerprint)
        path.write_bytes(data)
        try:
            _report(folder, drawn=len(data) % 20 == 0)
            read_history(directory)
        finally:
            with Ledger.open(directory, HEADER) as ledger:
                ledger.records()
                _points(directory)

    return read


def _sound_of_ledger(name: str, scratch: Path) -> bytes:
    _ledger(scratch)
    return (scratch / name.format(trial=HEADER.fingerprint)).read_bytes()


def _read_trial(folder: Path, data: bytes) -> None:
    trial = Trial.model_validate_json(data)
    str(trial.strategy)
    digest(trial.model_dump(mode="json"))
    if trial.dataset.name == "digits":
        parts.build(trial)


def _read_store(folder: Path, data: bytes) -> None:
    directory = folder / "key"
    for entry in ENTRIES:
        _put(directory / entry.file, shard_bytes(ROWS, "recipe", "numpy"))
    _put(directory / "manifest.json", data)
    store = EmbeddingStore.open(directory)
    store.row_ids()
    store.arrays()


def _read_arrays(folder: Path, data: bytes) -> None:
    _read_store(folder, MANIFEST.model_dump_json().encode())
    store = EmbeddingStore.open(folder / "key")
    (folder / "key" / "arrays" / MANIFEST.content / "mean.npy").write_bytes(data)
    store.arrays()


def _read_shard(folder: Path, data: bytes) -> None:
    path = _put(folder / ShardId("pool", 0).file, data)
    try:
        load_shard(path)
    finally:
        read_keys(path)


def _read_view(folder: Path, data: bytes) -> None:
    store = EmbeddingStore(folder, MANIFEST)
    _put(folder / "views" / digest({"name": "words"}) / "0" / "manifest.json", data)
    read_view_manifest(store, digest({"name": "words"}), 0)


def _read_proxy(folder: Path, data: bytes) -> None:
    directory = _ledger(folder)
    record = read_history(directory).records[0].model_copy(update={"proxy": sha256(data).hexdigest()})
    (directory / "rounds" / "000.safetensors").write_bytes(data)
    Ledger(directory, HEADER).proxy(record)


def _read_hits(folder: Path, data: bytes) -> None:
    """Which rows a round and a fine-tune have right, as reports read them and then a run does."""
    directory = _ledger(folder)
    point = directory / "finetune" / POINTS.fingerprint / "000006.json"
    record, tuned = read_history(directory).records[1], read_finetune_records(point.parent)[6]
    path = directory / "rounds" / "001.json"
    for each in (path, point):
        each.with_suffix(".hits").write_bytes(data)
    try:
        _report(folder, drawn=len(data) % 20 == 0)
        read_hits(path, record.fingerprint, 1, record.metrics)
    finally:
        with suppress(DamagedError):  # the other reader's turn: sound hits of a round are not a fine-tune's
            read_hits(point, tuned.fingerprint, 6, tuned.metrics)
        with Ledger.open(directory, HEADER) as ledger:
            assert len(ledger.records()) == 2  # rounds do not depend on their hits
        _points(directory)


def _read_why(folder: Path, data: bytes) -> None:
    _put(folder / "x", b"")
    set_aside(folder, [folder / "x"], "damaged")
    (name,) = set_asides(folder)
    _put(folder / "quarantine" / name / "why.json", data)
    read_quarantine_note(folder, name)


def _read_point_header(folder: Path, data: bytes) -> None:
    points = _points(folder)
    (points.directory / "finetune.json").write_bytes(data)
    read_recipe(points.directory)
    read_finetune_records(points.directory)


def _read_image(folder: Path, data: bytes) -> None:
    try:
        open_rgb(data)
    except ValueError as error:
        raise UserError(str(error)) from error  # a row's reason in rejects.parquet


def _read_rows(name: str, **others: bytes) -> Callable[[Path, bytes], object]:
    """Opens and reads the rows of a file, as a plan and an embedding do."""

    def read(folder: Path, data: bytes) -> None:
        classes = ("0", "1") if name == "row.jsonl" else None  # one row has one label
        for other, content in others.items():
            _put(folder / "in" / other.replace("_", "."), content)
        _put(folder / "in" / name, data)
        source = Tables(
            path="in", payload="text", classes=classes, test=classes and name, validation=classes and name
        ).open(folder)
        for split in source.splits.values():
            split.read(0, len(split))

    return read


def _read_tar(folder: Path, data: bytes) -> None:
    _put(folder / "in.tar", data)
    source = Webdataset(path="in.tar", payload="text").open(folder)
    for split in source.splits.values():
        split.read(0, len(split))


def _row_targets() -> dict[str, Target]:
    columns = {"text": [f"text {number}" for number in range(8)], "label": [0, 1] * 4}
    named = features(label={"_type": "ClassLabel", "names": ["no", "yes"]})
    lines = [f'{number},"text ""{number}""",{number % 2}\r\n' for number in range(8)]
    objects = [json.dumps({"id": f"{number}", "text": "t", "label": number % 2}) for number in range(8)]
    table = "id,text,label\r\n" + "".join(lines)
    readme = b"---\nconfigs:\n- {config_name: a, data_files: rows.csv}\n---\n"
    files = {
        "rows.csv": table.encode(),
        "rows.jsonl": "\n".join(["", *objects]).encode(),
        "row.jsonl": objects[0].encode(),
        "rows.parquet": parquet(columns, named),
        "rows.arrow": arrow(columns, named),
    }
    shard = tar({f"{number}.{kind}": str(number % 2) for number in range(8) for kind in ("txt", "cls")})
    return (
        {"rows.tar": Target(shard, _read_tar)}
        | {name: Target(sound, _read_rows(name)) for name, sound in files.items()}
        | {
            "README of rows": Target(readme, _read_rows("README.md", rows_csv=table.encode())),
            "features of rows": Target(named, lambda _, data: parsed_features(data, "x.parquet")),
            "saved rows": Target(
                b'{"_data_files": [{"filename": "rows.arrow"}]}',
                _read_rows("state.json", rows_arrow=files["rows.arrow"]),
            ),
        }
    )


def _read_vectors(name: str) -> Callable[[Path, bytes], object]:
    """Opens and reads a file of embeddings, of labels or of ids, as a plan and a store do."""

    def read(folder: Path, data: bytes) -> None:
        beside = {"x.npy": npy(ROWS_ND), "labels.npy": npy(LABELS_N)} if name.endswith(".npy") else {}
        for other, content in (beside | {name: data}).items():
            _put(folder / "in" / other, content)
        source = Embeddings(path="in").open(folder)
        for split in source.splits.values():
            split.read(0, len(split))
        table = source.splits["pool"].table
        assert isinstance(table, VectorTable)
        list(table.vectors.blocks())

    return read


def _vector_targets() -> dict[str, Target]:
    files = {
        "x.npy": npy(ROWS_ND),
        "labels.npy": npy(LABELS_N),
        "ids.npy": npy(np.array([*"abcdefgh"])),
        "x.npz": npz(embeddings=ROWS_ND, labels=LABELS_N, ids=np.arange(8)),
        "x.parquet": column([[1.0, 2.0]] * 8, label=LABELS_N, id=[*"abcdefgh"]),
    }
    return {f"embeddings {name}": Target(sound, _read_vectors(name)) for name, sound in files.items()}


def _image(form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pixels_HWC = np.random.default_rng(0).integers(0, 256, (24, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels_HWC).save(buffer, form, **options)
    return buffer.getvalue()


def _read_sound(folder: Path, data: bytes) -> None:
    try:
        open_sound(data, 16_000, 60)
    except ValueError as error:
        raise UserError(str(error)) from error  # a row's reason in rejects.parquet


def _read_esc50(folder: Path, data: bytes) -> None:
    (folder / "esc50/audio").mkdir(parents=True, exist_ok=True)
    (folder / "esc50/meta").mkdir(exist_ok=True)
    for fold in range(1, 6):
        (folder / f"esc50/audio/{fold}.wav").write_bytes(b"RIFF")
        (folder / f"esc50/audio/{fold}b.wav").write_bytes(b"RIFF")
    (folder / "esc50/meta/esc50.csv").write_bytes(data)
    Esc50().open(folder)


def _read_tabular(folder: Path, data: bytes) -> None:
    _put(folder / "train.csv", data)
    source = Tabular(path="train.csv").open(folder)
    pool = source.splits["pool"]
    pool.read(0, len(pool))
    Columns().fitted(pool)


def _people() -> bytes:
    rows = [f"{20 + number},{['clerk', 'nurse'][number % 2]},{number / 7},{number % 2}" for number in range(12)]
    return "\n".join(["age,job,hours,label", *rows]).encode()


def _read_row_values(folder: Path, data: bytes) -> None:
    try:
        row_values(data.decode(errors="surrogateescape"))
    except ValueError as error:
        raise UserError(str(error)) from error  # a row's reason in rejects.parquet


def _read_log(folder: Path, data: bytes) -> None:
    log = AnswerLog(_put(folder / "answers.parquet", data))
    row_states(log.read())


def _read_answers(name: str) -> Callable[[Path, bytes], object]:
    """Reads a file of answers, checks it against a campaign and ingests it."""
    rules = Rules(asked=Names({"01": "b", "2": "b"}), batches={"b": {"01", "2"}}, classes=Names({"cat": 0}))

    def read(folder: Path, data: bytes) -> None:
        log = AnswerLog(folder / "campaign" / "answers.parquet")
        done = ingest(log, [checked(read_answers(_put(folder / name, data)), rules)])
        write_rejected(folder / "rejected.csv", done.rejected)

    return read


def _answer_targets() -> dict[str, Target]:
    table = to_table(crowd(20))
    log = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({"format": "1", "content": content_hash(table)}), log)
    responses = {"label.responses": ["cat"], "label.responses.users": ["u"], "label.responses.status": ["submitted"]}
    task = {"row_id": "2", "accept": ["cat"], "answer": "accept", "_timestamp": 1_777_600_000, "meta": {"batch": "b"}}
    choice = {"from_name": "label", "type": "choices", "value": {"choices": ["cat"]}}
    annotation = {"id": 7, "completed_by": 1, "updated_at": "2026-05-01T10:00:00Z", "lead_time": 3, "result": [choice]}
    labeled = {"id": 1, "data": {"text": "a"}, "meta": {"row_id": "01", "batch": "b"}, "annotations": [annotation]}
    rows = "row_id,label,annotator,status,answered_at,seconds\n01,cat,ann,,2026-05-01T10:00:00Z,3.5\n2,,b,skipped,,\n"
    files = {
        "answers.csv": rows.encode(),
        "answers.parquet": parquet({"row_id": ["01", "2"], "label": ["cat", "cat"], "seconds": [1.5, 2.0]}),
        "argilla.json": json.dumps([{"id": "01"} | responses]).encode(),
        "argilla.parquet": parquet({"id": ["01"]} | {key: [value] for key, value in responses.items()}),
        "label_studio.json": json.dumps([labeled]).encode(),
        "prodigy.jsonl": json.dumps(task).encode(),
    }
    return {"answer log": Target(bytes(log.getvalue()), _read_log)} | {
        f"answers {name}": Target(sound, _read_answers(name)) for name, sound in files.items()
    }


def _esc50() -> bytes:
    rows = [f"{fold}{take},{fold},{number},kind {number},True" for fold in range(1, 6) for number, take in
            enumerate((".wav", "b.wav"))]  # fmt: skip
    return "\n".join(["filename,fold,target,category,esc10", *rows]).encode()


def _cifar_c() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((10, 8, 8, 3), np.uint8))
    return buffer.getvalue()


def _read_cifar_c(folder: Path, data: bytes) -> None:
    (folder / "CIFAR-10-C").mkdir(exist_ok=True)
    (folder / "CIFAR-10-C/fog.npy").write_bytes(data)
    np.save(folder / "CIFAR-10-C/labels.npy", np.arange(10))
    cifar_c._arrays.cache_clear()  # the folder is the same for each input
    part = Part.of("cifar_c", dataset="digits", corruptions=["fog"])
    source = plugins.build(datasets.Dataset, datasets.PACKAGE, part).open(folder)
    source.splits["test_fog_1"].read(0, 2)


def _imagenet_c() -> bytes:
    return "\n".join(f"{severity}/{synset}/val_0.JPEG" for severity in (1, 3, 5) for synset in ("n01", "n02")).encode()


def _read_imagenet_c(folder: Path, data: bytes) -> None:
    """The published folders, with files at these paths."""
    top = folder / "imagenet-c/fog"
    for synset in ("n01", "n02"):
        for part in ("train", "val"):
            (folder / "images" / part / synset).mkdir(parents=True, exist_ok=True)
            for row in "ab":
                (folder / "images" / part / synset / f"{row}.JPEG").touch()
    for name in data.decode(errors="surrogateescape").split("\n"):
        if ".." not in name and "\0" not in name and len(name) < 200:
            try:
                (top / name.strip("/")).parent.mkdir(parents=True, exist_ok=True)
                (top / name.strip("/")).touch()
            except OSError:  # a file where a folder is needed
                continue
    part = Part.of("imagenet_c", dataset=Part.of("image_folder", path="images"), corruptions=["fog"])
    source = plugins.build(datasets.Dataset, datasets.PACKAGE, part).open(folder)
    source.splits["test_fog_1"].read(0, 2)


def _npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ones(4, np.float32))
    return buffer.getvalue()


def _checkpoint() -> bytes:
    buffer = io.BytesIO()
    torch.save({"identity": "me", "state": {"weight": torch.ones(3), "epoch": 1}}, buffer)
    return buffer.getvalue()


@cache
def _registry_files() -> dict[str, bytes]:
    """The three files of a registry that hold the trial."""
    with tempfile.TemporaryDirectory() as folder:
        _ledger(Path(folder))
        return {
            path.name: path.read_bytes() for path in pack([Path(folder)], Path(folder) / "P", Path(folder), "").paths
        }


def _read_registry(name: str) -> Callable[[Path, bytes], object]:
    """Checks a registry in which one file is spoiled."""
    return lambda folder, data: check(
        [_put(folder / other, content) for other, content in (_registry_files() | {name: data}).items()]
    )


def _read_packed(folder: Path, data: bytes) -> None:
    trial_of(folder, HEADER.fingerprint, _packed_files() | {"trial.json": data})


def _packed_files() -> dict[str, bytes]:
    rounds = {f"rounds/{number:03d}.json": f"{HEADER.fingerprint}/rounds/{number:03d}.json" for number in range(2)}
    submission = Submission(submitter="", commit="", machine="", data_hash="", encoder_hash="")
    return {name: _files_of_ledger()[path] for name, path in rounds.items()} | {
        "submission.json": submission.model_dump_json().encode(),
        "trial.json": _files_of_ledger()[f"{HEADER.fingerprint}/trial.json"],
    }


def targets(scratch: Path) -> dict[str, Target]:
    """Every reader by name; `scratch`: an empty folder."""
    view = ViewManifest(
        view=0, augmentation={"name": "words"}, base=MANIFEST.content, compute="n", seconds=1, shards=(ENTRIES[0],)
    )
    files = {
        "header": "{trial}/trial.json",
        "record": "{trial}/rounds/001.json",
        "grid": "experiment.json",
        "point": "{trial}/finetune/" + POINTS.fingerprint + "/000006.json",
    }
    ledgers = {
        name: Target(_sound_of_ledger(file, scratch), _of_ledger(file), name in ("record", "point"))
        for name, file in files.items()
    }
    failure = Failure(error="OSError: no", traceback="...").model_dump_json().encode()
    images = {
        f"image {form}": Target(_image(form), _read_image) for form in ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP")
    }
    return {
        "trial": Target(TRIAL.model_dump_json().encode(), _read_trial),
        "part": Target(
            Part.of("partition", strategy=Part.of("margin")).model_dump_json().encode(),
            lambda _, data: str(Part.model_validate_json(data)),
        ),
        "fine-tune": Target(
            FineTune(budgets=(3,)).model_dump_json().encode(), lambda _, data: FineTune.model_validate_json(data)
        ),
        **ledgers,
        "failure": Target(failure, _of_ledger("{trial}/failure.json")),
        "stopped": Target(
            to_checked_json(Stopped(rounds_done=1, rounds=2, rule="r")), _of_ledger("{trial}/stopped.json"), True
        ),
        "point header": Target(POINTS.model_dump_json().encode(), _read_point_header),
        "why": Target(b'{"time": 1, "reason": "r", "files": ["x"]}', _read_why),
        "manifest": Target(MANIFEST.model_dump_json().encode(), _read_store),
        "view manifest": Target(view.model_dump_json().encode(), _read_view),
        "shard": Target(shard_bytes(ROWS, "recipe", "numpy"), _read_shard),
        "arrays": Target(_npy(), _read_arrays),
        "hits": Target(_sound_of_ledger("{trial}/rounds/001.hits", scratch), _read_hits),
        "proxy": Target(save_tensors({"weight": np.ones((2, 3), np.float32)}), _read_proxy),
        "checkpoint": Target(
            _checkpoint(), lambda folder, data: FileCheckpoints(_put(folder / f"{os.getpid()}.pt", data), "me").load()
        ),
        **images,
        **_vector_targets(),
        **_row_targets(),
        **_answer_targets(),
        **{f"sound {kind}": Target(encoded(tone(440, 0.05), kind=kind), _read_sound) for kind in ("WAV", "FLAC")},
        "esc50": Target(_esc50(), _read_esc50),
        "cifar_c": Target(_cifar_c(), _read_cifar_c),
        "imagenet_c": Target(_imagenet_c(), _read_imagenet_c),
        "tabular rows": Target(_people(), _read_tabular),
        **{f"registry {name}": Target(data, _read_registry(name)) for name, data in _registry_files().items()},
        "registry trial.json": Target(_packed_files()["trial.json"], _read_packed),
        "table row": Target(b'{"age": 31, "job": "clerk", "paid": null}', _read_row_values),
    }
