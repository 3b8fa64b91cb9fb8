"""Sound folders and ESC-50's layout: files in class folders or listed with folds; what is wrong is named."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from labelbench_ray.config import Trial
from labelbench_ray.datasets import Modality
from labelbench_ray.datasets.esc50 import Esc50
from labelbench_ray.datasets.sound_folder import SoundFolder
from labelbench_ray.errors import DataError, NotProvidedError
from labelbench_ray.plugins import Part
from tests.full_trials import make_home, make_store
from tests.sounds import encoded, tone, write_esc50, write_sounds


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_a_sound_folder(tmp_path: Path, kind: str):
    write_sounds(tmp_path / "calls", kind=kind)
    (tmp_path / "calls/train/low/notes.txt").write_text("hello")
    (tmp_path / "calls/train/low/cover.png").write_bytes(b"png")
    dataset = SoundFolder(path="calls")
    source = dataset.open(tmp_path)
    assert source.classes == ("high", "low", "middle")
    assert {name: len(split) for name, split in source.splits.items()} == {"pool": 24, "validation": 3, "test": 3}
    assert dataset.modality() is Modality.AUDIO
    records = source.splits["pool"].read(0, 2)
    assert records.payloads[0][:4] == (b"RIFF" if kind == "wav" else b"fLaC")
    assert {each.why for each in source.findings.ignored} == {"not the suffix of a sound that can be decoded"}


def test_a_folder_without_sounds_is_refused_in_the_words_of_sounds(tmp_path: Path):
    (tmp_path / "calls/train/low").mkdir(parents=True)
    (tmp_path / "calls/train/low/a.mp3").write_bytes(b"x")
    with pytest.raises(DataError, match=r"no sounds in its class folders \(looked for \.flac \.wav; found \.mp3"):
        SoundFolder(path="calls").open(tmp_path)
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat/a.wav").write_bytes(encoded(tone(440)))
    with pytest.raises(DataError, match="no class folders; a sound folder has one folder for each class"):
        SoundFolder(path="flat", train=".").open(tmp_path)


def test_a_trial_on_sounds_learns_and_rejects_with_reasons(tmp_path: Path):
    home = make_home(tmp_path, tmp_path / "store")
    write_sounds(home.environment.data_root / "calls", 60)
    low = home.environment.data_root / "calls/train/low"
    (low / "cut.wav").write_bytes(encoded(tone(440))[:20])
    (low / "silent.wav").write_bytes(encoded(np.zeros(4000)))
    trial = Trial(
        dataset=Part.of("sound_folder", path="calls"),
        encoder="spectra",
        strategy="margin",
        trainer="logistic",
        seed=0,
        rounds=2,
        budget=9,
    )
    make_store(trial, home.environment.store, tmp_path)
    done = home.run(trial)
    rejects = pq.read_table(next((tmp_path / "store").glob("*/rejects.parquet"))).to_pylist()
    assert {row["row_id"]: row["reason"] for row in rejects}["train/low/silent.wav"] == "silent: every sample is 0"
    assert len(rejects) == 2
    assert done[-1].metrics["Test Accuracy"] == 1


def test_esc50(tmp_path: Path):
    write_esc50(tmp_path / "esc50")
    source = Esc50().open(tmp_path)
    assert source.classes == ("kind_0", "kind_1", "kind_2", "kind_3")
    assert {name: len(split) for name, split in source.splits.items()} == {"pool": 48, "validation": 16, "test": 16}
    for name, folds in {"pool": "123", "validation": "4", "test": "5"}.items():
        records = source.splits[name].read(0, 99)
        assert {row_id.split("/")[1][0] for row_id in records.row_ids} == {*folds}
        numbers = [int(row_id.removesuffix(".wav").rsplit("-", 1)[1]) for row_id in records.row_ids]
        assert records.labels_B.tolist() == numbers
        assert source.splits[name].labels().tolist() == numbers
    assert source.findings.origins["pool"] == "folds 1 and 2 and 3 of esc50.csv"


def test_esc50_with_other_folds_and_esc10(tmp_path: Path):
    write_esc50(tmp_path / "esc50")
    source = Esc50(test_fold=1, validation_fold=2, only_esc10=True).open(tmp_path)
    assert source.classes == ("kind_0", "kind_2")
    assert {row_id.split("/")[1][0] for row_id in source.splits["test"].read(0, 99).row_ids} == {"1"}
    assert source.findings.notes == ("40 files of audio/ are not in ESC-10",)
    assert source.signature != Esc50(test_fold=1, validation_fold=2).open(tmp_path).signature
    with pytest.raises(ValueError, match="test_fold and validation_fold are both 3"):
        Esc50(test_fold=3, validation_fold=3)


def test_esc50_that_is_not_there(tmp_path: Path):
    with pytest.raises(NotProvidedError, match=r"esc50\.csv"):
        Esc50().open(tmp_path)


def edited(change: Callable[[list[dict[str, str]]], None]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "meta/esc50.csv"
        rows = list(csv.DictReader(path.open(newline="")))
        change(rows)
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    return edit


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (edited(lambda rows: rows[3].update(fold="6")), r"esc50\.csv, line 5: fold '6'; it must be one of 1 \.\. 5"),
        (
            edited(lambda rows: rows[0].update(filename="../a.wav")),
            r"line 2: filename '\.\./a\.wav'; it must be",
        ),
        (edited(lambda rows: rows[0].update(category="")), "line 2: no category"),
        (edited(lambda rows: rows[0].update(esc10="yes")), "line 2: esc10 'yes'; it must be True or False"),
        (
            edited(lambda rows: rows[1].update(filename=rows[0]["filename"])),
            "line 3: .* stands in line 2, too",
        ),
        (
            edited(lambda rows: rows[1].update(target="9")),
            "line 3: target '9' for the category 'kind_0', ",
        ),
        (edited(lambda rows: [row.pop("fold") for row in rows]), r"no column 'fold'; its header is filename,fold"),
        (lambda folder: (folder / "audio/1-1000-A-0.wav").unlink(), r"1 of 80 recordings are not in audio/, the first"),
        (lambda folder: (folder / "meta/esc50.csv").write_text("filename,fold,target,category,esc10\n"), "and no rows"),
        (lambda folder: (folder / "meta/esc50.csv").write_bytes(b"\xff\xfe"), "not UTF-8"),
    ],
    ids=["fold", "path", "category", "esc10", "twice", "target", "column", "lost", "empty", "bytes"],
)
def test_what_is_wrong_in_the_listing_is_named(tmp_path: Path, spoil: Callable[[Path], None], message: str):
    write_esc50(tmp_path / "esc50")
    spoil(tmp_path / "esc50")
    with pytest.raises(DataError, match=message) as caught:
        Esc50().open(tmp_path)
    assert "\n" not in str(caught.value)
