"""Which rows a round's model has right: kept beside the round, checked against it, and optional."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as draw
from hypothesis.extra.numpy import arrays
from safetensors.numpy import save

from labelbench_ray import tasks
from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.datasets import split_title
from labelbench_ray.embeddings.store import EmbeddingStore, SplitArrays
from labelbench_ray.errors import DamagedError
from labelbench_ray.ledger.finetunes import FineTuneHeader, FineTuneLedger
from labelbench_ray.ledger.hits import hits_file, read_hits
from labelbench_ray.ledger.trials import Header, Ledger, read_header, read_history
from labelbench_ray.proxies import Classifier
from labelbench_ray.trial import parts
from labelbench_ray.trial.evaluation import measure_splits
from tests.full_trials import DIGITS, finetune, make_home, make_store

TRIAL = Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=2, budget=4)
HEADER = Header(fingerprint="f" * 16, trial=TRIAL, store="store", compute="numpy", versions={})
RIGHT_N = np.arange(11) % 3 > 0


def publish(ledger: Ledger, number: int, right_N: np.ndarray = RIGHT_N) -> None:
    ids = np.arange(4 * number, 4 * number + 4)
    metrics = {"Test Accuracy": float(right_N.mean())}
    ledger.publish(number, ids, ids % 3, 4 * number + 4, metrics, {}, {"bias": np.zeros(2)}, hits={"Test": right_N})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Ledger.open(tmp_path / "trial", HEADER) as ledger:
        for number in range(2):
            publish(ledger, number)
    return tmp_path / "trial"


def read(folder: Path, number: int = 0) -> dict[str, np.ndarray]:
    record = read_history(folder).records[number]
    found = read_hits(folder / f"rounds/{number:03d}.json", record.fingerprint, number, record.metrics)
    return {split: bits.unpacked() for split, bits in found.items()}


@given(arrays(np.bool_, draw.integers(1, 40)), arrays(np.bool_, draw.integers(1, 40)))
def test_gives_back_what_was_written(tmp_path_factory, test_N: np.ndarray, validation_N: np.ndarray):
    record = tmp_path_factory.mktemp("hits") / "000.json"
    hits = {"Test": test_N, "Validation": validation_N}
    for path, data in hits_file(record, "f", 3, hits).items():
        path.write_bytes(data)
    metrics = {f"{split} Accuracy": float(hits_N.mean()) for split, hits_N in hits.items()}
    found = read_hits(record, "f", 3, metrics)
    assert {split: bits.unpacked().tolist() for split, bits in found.items()} == {
        split: hits_N.tolist() for split, hits_N in hits.items()
    }


def test_ten_rounds_of_10_000_rows_take_15_kb():
    hits = {"Test": np.ones(10_000, np.bool_)}
    files = [hits_file(Path("000.json"), "f" * 16, number, hits) for number in range(10)]
    assert sum(len(data) for file in files for data in file.values()) <= 15_000


def test_a_round_counts_the_size_of_its_hits(folder):
    record = read_history(folder).records[0]
    size = sum(path.stat().st_size for path in (folder / "rounds").glob("000.*"))
    assert (folder / "rounds/000.hits").is_file()
    assert 0 <= size - record.bytes_written <= 6


def test_a_ledger_without_hits_is_as_sound_as_before(folder):
    for path in (folder / "rounds").glob("*.hits"):
        path.unlink()
    assert read(folder) == {}
    with Ledger.open(folder, HEADER) as ledger:
        assert len(ledger.records()) == 2


def test_every_changed_bit_is_refused_by_name(folder):
    path = folder / "rounds/001.hits"
    sound = path.read_bytes()
    for place in range(8 * len(sound)):
        data = bytearray(sound)
        data[place // 8] ^= 128 >> place % 8
        path.write_bytes(data)
        with pytest.raises(DamagedError, match=r"001\.hits: .*delete it"):
            read(folder, 1)


def test_two_rows_that_change_places_are_refused(folder):
    """Their mean is the same."""
    path = folder / "rounds/001.hits"
    data = bytearray(path.read_bytes())
    data[-2] ^= 0b11000000
    path.write_bytes(data)
    assert RIGHT_N[:2].sum() == 1
    with pytest.raises(DamagedError, match=r"001\.hits: does not have the hash that it states; delete it"):
        read(folder, 1)


def test_files_without_a_hash_are_read_and_checked_by_their_mean(folder):
    path = folder / "rounds/000.hits"
    write_without_hash(path, RIGHT_N)
    assert read(folder)["Test"].tolist() == RIGHT_N.tolist()
    write_without_hash(path, RIGHT_N ^ (np.arange(11) == 4))
    with pytest.raises(DamagedError, match=r"000\.hits: \d of 11 rows are right, Test Accuracy is .*delete it"):
        read(folder)


def write_without_hash(path: Path, right_N: np.ndarray) -> None:
    stated = {"format": "1", "fingerprint": HEADER.fingerprint, "number": "0", "rows": '{"Test": 11}'}
    path.write_bytes(save({"Test": np.packbits(right_N)}, stated))


@pytest.mark.parametrize("rows", ["Infinity", "NaN", "1e999", "[11]", "null", '"eleven"', "0", "-11", "12345678901"])
def test_a_number_of_rows_that_is_none_is_refused_by_name(folder, rows: str):
    stated = {"format": "1", "fingerprint": HEADER.fingerprint, "number": "0", "rows": f'{{"Test": {rows}}}'}
    path = folder / "rounds/000.hits"
    path.write_bytes(save({"Test": np.packbits(RIGHT_N)}, stated))
    with pytest.raises(DamagedError, match=r"000\.hits: .*delete it"):
        read(folder)


def test_equal_hits_are_equal_bytes():
    hits = {"Validation": RIGHT_N, "Test": ~RIGHT_N}
    assert len({next(iter(hits_file(Path("a"), "f", 3, hits).values())) for _ in range(20)}) == 1


@pytest.mark.parametrize("kept", [0, 4, 60, -1])
def test_a_file_that_is_cut_short_is_refused_by_name(folder, kept: int):
    path = folder / "rounds/000.hits"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DamagedError, match=r"000\.hits: is not a file of hits"):
        read(folder)


def test_hits_of_another_round_or_trial_are_refused(folder):
    shutil.copy(folder / "rounds/001.hits", folder / "rounds/000.hits")
    with pytest.raises(DamagedError, match="number is '1', its record's is '0'"):
        read(folder)
    for path, data in hits_file(folder / "rounds/000.json", "e" * 16, 0, {"Test": RIGHT_N}).items():
        path.write_bytes(data)
    with pytest.raises(DamagedError, match="fingerprint is 'eeee"):
        read(folder)


def test_hits_are_set_aside_with_their_round(folder):
    (folder / "rounds/001.json").write_text("{")
    with Ledger.open(folder, HEADER) as ledger:
        assert not (folder / "rounds/001.hits").exists()
        publish(ledger, 1, ~RIGHT_N)
    assert read(folder, 1)["Test"].tolist() == (~RIGHT_N).tolist()
    assert len([*folder.glob("quarantine/*/rounds/001.hits")]) == 1


ROTATED = vary(DIGITS, dataset=Part.of("digits", max_rows=300, rotated_test=True), rounds=3)


def test_a_trial_keeps_which_rows_its_models_have_right(tmp_path):
    make_store(ROTATED, tmp_path / "store", tmp_path)
    home = make_home(tmp_path, tmp_path / "store")
    home.run(ROTATED, stop_after=1)
    directory = home.job(ROTATED).directory
    first = (directory / "rounds/000.hits").read_bytes()
    (directory / "rounds/001.hits").write_bytes(first)  # as if it had been killed before the record of that round
    records = home.run(ROTATED)
    assert (directory / "rounds/000.hits").read_bytes() == first
    splits = EmbeddingStore.open(home.environment.store / parts.build(ROTATED).embedding).arrays().splits
    with Ledger.open(directory, read_header(directory / "trial.json")) as ledger:
        for record in records:
            classifier = Classifier.of_tensors(ledger.proxy(record))
            path = directory / f"rounds/{record.round:03d}.json"
            found = read_hits(path, record.fingerprint, record.round, record.metrics)
            assert set(found) == {"Test", "Validation", "Test Rotated"}
            for name, split in splits.items():
                if name != "pool":
                    predicted_N = classifier.probabilities(split.embeddings_ND).argmax(axis=1)
                    assert (found[split_title(name)].unpacked() == (predicted_N == split.labels_N)).all()


def test_a_fine_tune_keeps_them_too_and_sets_them_aside(tmp_path):
    (tmp_path / "trial").mkdir()
    stated = FineTuneHeader(fingerprint="a" * 16, trial="b" * 16, recipe=finetune(), store="store")
    ledger = FineTuneLedger.open(tmp_path / "trial", stated)
    metrics = {"Test Accuracy": float(RIGHT_N.mean())}
    record = ledger.publish(500, "chosen", metrics, {}, {"bias": np.zeros(2)}, {"Test": RIGHT_N})
    found = read_hits(ledger.path(500), record.fingerprint, 500, record.metrics)
    assert (found["Test"].unpacked() == RIGHT_N).all()
    ledger.path(500).write_text("{")
    FineTuneLedger.open(tmp_path / "trial", stated)
    assert not [*ledger.directory.glob("*.hits")]


def test_tasks_without_right_rows_have_no_hits():
    split = SplitArrays(np.zeros((4, 2), np.float16), np.eye(2, dtype=np.int8)[[0, 1, 0, 1]])
    assert not measure_splits(Even(), {"test": split}, tasks.create("multi_label")).hits


class Even:
    """A model that knows nothing."""

    num_classes = 2

    def probabilities(self, raw_BD: np.ndarray) -> np.ndarray:
        return np.full((len(raw_BD), 2), 0.5, np.float32)
