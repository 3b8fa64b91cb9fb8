"""A newer version's files are left alone by this one, whatever their kind. Curves of several versions are marked."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from labelbench_ray import report
from labelbench_ray.commands import cli, status
from labelbench_ray.config import digest
from labelbench_ray.embeddings.augmented import read_view_manifest
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.errors import DamagedError, LedgerError, OtherVersionError, StoreError
from labelbench_ray.ledger.experiments import read_grid
from labelbench_ray.ledger.finetunes import FineTuneHeader, FineTuneLedger, read_finetune_records, read_recipe
from labelbench_ray.ledger.provenance import describe, provenances
from labelbench_ray.ledger.stopped import read_stopped
from labelbench_ray.ledger.trials import Header, Ledger, read_failure, read_header, read_history, read_record
from labelbench_ray.storage.quarantine import read_quarantine_note
from labelbench_ray.storage.versions import versions
from tests.test_frozen_files import (
    AUGMENTATION,
    FAILED,
    FIXTURES,
    MARGIN,
    RANDOM,
    STOPPED,
    STORE,
    TUNED,
    hashes,
    name_as_then,
)

RUNS = "recorded/frozen.frozen"
WHY = next((FIXTURES / "be79322" / RUNS / FAILED / "quarantine").iterdir()).name
NEWER = "9.0.0"


def _open_store(path: Path) -> object:
    return EmbeddingStore.open(path.parent)


def _open_view(path: Path) -> object:
    store = path.parent.parent.parent.parent
    return read_view_manifest(EmbeddingStore.open(store), AUGMENTATION, 0)


KINDS = {
    "trial": (f"{RUNS}/{MARGIN}/trial.json", read_header),
    "round": (f"{RUNS}/{MARGIN}/rounds/001.json", lambda path: read_record(path.parent.parent, 1)),
    "grid": (f"{RUNS}/experiment.json", lambda path: read_grid(path.parent)),
    "failure": (f"{RUNS}/{FAILED}/failure.json", lambda path: read_failure(path.parent)),
    "stopped": (f"{RUNS}/{STOPPED}/stopped.json", lambda path: read_stopped(path.parent)),
    "fine-tune": (f"{RUNS}/{MARGIN}/finetune/{TUNED}/finetune.json", lambda path: read_recipe(path.parent)),
    "point": (f"{RUNS}/{MARGIN}/finetune/{TUNED}/000012.json", lambda path: read_finetune_records(path.parent)),
    "quarantine": (
        f"{RUNS}/{FAILED}/quarantine/{WHY}/why.json",
        lambda path: read_quarantine_note(path.parent.parent.parent, WHY),
    ),
    "store": (f"embedded/{STORE}/manifest.json", _open_store),
    "view": (f"embedded/{STORE}/views/{AUGMENTATION}/0/manifest.json", _open_view),
}
CHANGES = {
    "unknown field": {"colour": "red"},
    "unknown field, stated version": {"colour": "red", "versions": {"labelbench-ray": NEWER}},
    "unknown format": {"format": 2},
    "unknown format, nothing else as known": {"format": 2, "fingerprint": None, "versions": {"labelbench-ray": NEWER}},
}


@pytest.fixture
def frozen(tmp_path: Path) -> Path:
    return shutil.copytree(FIXTURES / "be79322", tmp_path / "frozen")


def rewrite(path: Path, change: dict) -> None:
    """Alter a file, and give it the checksum that fits where it has one."""
    content = json.loads(path.read_text())
    has_checksum = content.pop("checksum", None) is not None
    content |= change
    path.write_text(json.dumps(content | ({"checksum": digest(content)} if has_checksum else {})))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_of_a_newer_version_is_named_with_the_fix_and_not_called_damaged(frozen: Path, kind: str, change: str):
    file, read = KINDS[kind]
    read(frozen / file)
    rewrite(frozen / file, CHANGES[change])
    with pytest.raises(OtherVersionError) as raised:
        read(frozen / file)
    assert not isinstance(raised.value, DamagedError), "a writer would set it aside"
    text = str(raised.value)
    assert text.startswith(f"{frozen / file}: was written by ")
    assert ("'colour'" if "colour" in CHANGES[change] else "format 2, this version reads 1") in text
    stated = json.loads((frozen / file).read_text()).get("versions", {}).get("labelbench-ray")
    assert stated in (None, NEWER, "0.1.0")
    assert (f"version of labelbench_ray ({stated}; this is" if stated else "labelbench_ray (this is") in text
    fix = f"install that version (pip install labelbench-ray=={stated})" if stated else "install that version,"
    place = "--store" if kind in ("store", "view") else "--runs"
    assert fix in text
    assert text.endswith(f"or use another {place}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", [{"colour": "red", "fingerprint": 3, "time": "x", "rule": 3, "shards": 3}])
def test_a_file_that_would_not_fit_without_its_unknown_fields_is_damaged(frozen: Path, kind: str, change: dict):
    file, read = KINDS[kind]
    content = json.loads((frozen / file).read_text())
    required = {
        "failure": "error",
        "grid": "entries",
        "point": "model",
        "fine-tune": "store",
        "round": "proxy",
        "quarantine": "reason",
    }
    rewrite(frozen / file, {"colour": "red"} | {name: 3 for name in change if name in content})
    if kind in required:
        rewrite(frozen / file, {required[kind]: 3})
    with pytest.raises((DamagedError, StoreError)):
        read(frozen / file)


def test_a_wrong_checksum_is_damage_whatever_fields_there_are(frozen: Path):
    path = frozen / KINDS["round"][0]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"colour": "red"}))
    with pytest.raises(DamagedError, match="checksum does not match"):
        read_record(path.parent.parent, 1)


def test_an_unknown_field_is_named_however_deep_it_lies(frozen: Path):
    path = frozen / KINDS["trial"][0]
    content = json.loads(path.read_text())
    content["trial"]["finetune"]["model"]["colour"] = "red"
    content["trial"]["task"] = "ranking"
    path.write_text(json.dumps(content))
    with pytest.raises(OtherVersionError, match=r"does not know .*'trial\.task'.*'trial\.finetune\.model\.colour'"):
        read_header(path)


@pytest.mark.parametrize("version", ["0.2.0; rm -rf /", "\x1b[31m", "9" * 100, 3, ""])
def test_a_stated_version_that_is_none_is_not_repeated(frozen: Path, version: object):
    path = frozen / KINDS["trial"][0]
    rewrite(path, {"colour": "red", "versions": {"labelbench-ray": version}})
    with pytest.raises(LedgerError) as raised:
        read_header(path)
    assert "pip install" not in str(raised.value)


@pytest.mark.parametrize("kind", ["trial", "round"])
def test_a_writer_leaves_a_trial_of_a_newer_version_as_it_is(frozen: Path, kind: str):
    file, _ = KINDS[kind]
    rewrite(frozen / file, {"colour": "red"})
    directory = frozen / "/".join(file.split("/")[:3])
    before = hashes(frozen)
    header = Header.model_validate_json((FIXTURES / "be79322" / RUNS / directory.name / "trial.json").read_bytes())
    with pytest.raises(OtherVersionError), Ledger.open(directory, header):
        pytest.fail("it was opened")
    assert {name: hash for name, hash in hashes(frozen).items() if not name.endswith("/lock")} == {
        name: hash for name, hash in before.items() if not name.endswith("/lock")
    }


@pytest.mark.parametrize("kind", ["fine-tune", "point"])
def test_a_writer_leaves_a_fine_tune_of_a_newer_version_as_it_is(frozen: Path, kind: str):
    trial = frozen / RUNS / MARGIN
    header = FineTuneHeader.model_validate_json((trial / "finetune" / TUNED / "finetune.json").read_bytes())
    rewrite(frozen / KINDS[kind][0], {"colour": "red"})
    before = hashes(frozen)
    with pytest.raises(OtherVersionError):
        FineTuneLedger.open(trial, header)
    assert hashes(frozen) == before


EXPERIMENT = """
from labelbench_ray.config import Trial
from labelbench_ray.ledger.experiments import read_grid
from pathlib import Path

def frozen() -> list[Trial]:
    return [entry.trial for entry in read_grid(Path({folder!r})).entries]
"""


@pytest.fixture
def commands(frozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that read an experiment, which plans under the fingerprints of the frozen files."""
    file = tmp_path / "frozen.py"
    file.write_text(EXPERIMENT.format(folder=str(FIXTURES / "be79322" / RUNS)))
    places = ["--runs", str(frozen / "recorded"), "--store", str(frozen / "embedded"), "--tracking-uri", "unused"]
    name_as_then(monkeypatch)
    planning = [[command, str(file), *places] for command in ("plan", "embed", "run", "finetune")]
    return [["status", str(frozen / "recorded")], ["report", str(frozen / "recorded"), "--store", places[3]], *planning]


DO_NOT_READ = {
    "fine-tune": ("status",),
    "point": ("status",),
    "store": ("status", "report"),
    "view": ("status", "report"),
}
"""Commands that need nothing of such a file; a report leaves out what a store took where that cannot be read."""


@pytest.mark.parametrize(
    "kind", ["trial", "round", "grid", "failure", "stopped", "fine-tune", "point", "store", "view"]
)
def test_every_command_ends_with_status_2_and_one_line_and_writes_nothing(
    frozen: Path,
    commands: list[list[str]],
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    CliRunner().invoke(cli.app, next(command for command in commands if command[0] == "plan"))  # adopts the store
    rewrite(frozen / KINDS[kind][0], {"colour": "red"})
    before = hashes(frozen)
    for command in commands:
        if command[0] in DO_NOT_READ.get(kind, ()):
            continue
        monkeypatch.setattr(sys, "argv", ["labelbench", *command])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        assert ended.value.code == 2, (command, said)
        assert "was written by another version of labelbench_ray" in said.err.replace("\n", " "), command
        after = {name: hash for name, hash in hashes(frozen).items() if not name.endswith("events.jsonl")}
        assert after == {name: before[name] for name in after}, command


def test_a_report_counts_no_store_of_a_newer_version_and_names_it(frozen: Path):
    rewrite(frozen / KINDS["store"][0], {"colour": "red"})
    command = ["report", str(frozen / "recorded"), "--store", str(frozen / "embedded")]
    said = CliRunner().invoke(cli.app, [*command, "--out", str(frozen / "page.html")])
    assert said.exit_code == 0
    assert "not counted: " in said.output
    assert "was written by another version" in said.output


# A curve made by several versions.

TORCH = {"labelbench-ray": "0.1.0", "torch": "2.13.0", "numpy": "2.4.0", "mlflow": "3.1"}


def test_what_this_version_records_states_its_versions(frozen: Path, tmp_path: Path):
    header = read_header(frozen / RUNS / MARGIN / "trial.json").model_copy(update={"versions": versions()})
    with Ledger.open(tmp_path / "trial", header) as ledger:
        record = ledger.publish(0, np.arange(12), np.arange(12) % 10, 12, {}, {}, {"bias": np.zeros(2)})
    assert record.versions == versions()
    assert {"labelbench-ray", "numpy", "torch", "ray"} <= set(read_record(tmp_path / "trial", 0).versions)


def mixed(frozen: Path, trial: str, number: int, stated: dict[str, str]) -> None:
    rewrite(frozen / RUNS / trial / "rounds" / f"{number:03d}.json", {"versions": stated})


def test_a_curve_that_one_version_made_is_not_marked(frozen: Path):
    mixed(frozen, MARGIN, 0, TORCH)
    mixed(frozen, MARGIN, 1, TORCH | {"mlflow": "9.9", "commit": "other"})
    history = read_history(frozen / RUNS / MARGIN)
    assert describe(provenances(history.header, history.records)) == ""


def test_a_curve_of_several_versions_names_them_in_status_and_report(frozen: Path):
    mixed(frozen, MARGIN, 0, TORCH)
    mixed(frozen, MARGIN, 1, TORCH | {"torch": "2.14.1"})
    text = (
        "round 0 was made by labelbench_ray 0.1.0 with torch 2.13.0, the others by labelbench_ray 0.1.0 with "
        "torch 2.14.1: numbers may differ in the last bits"
    )
    read = status.read(frozen / RUNS)
    assert {each.fingerprint: each.versions for each in read.trials if each.versions} == {MARGIN: text}
    assert status.cautions(read) == [f"margin, seed 0: {text}"]
    said = CliRunner().invoke(cli.app, ["status", str(frozen / "recorded")])
    assert f"margin, seed 0: {text}" in said.output
    built = report.build(frozen / RUNS)
    found = {each.title: each.text for section in built.sections for each in section.cautions}
    assert "torch 2.13.0" in found["Made by several versions"]
    assert "margin, seed 0: round 0 was made by" in found["Made by several versions"]


def test_trials_of_different_versions_are_marked_in_the_report(frozen: Path):
    for number in range(2):
        mixed(frozen, MARGIN, number, TORCH | {"labelbench-ray": "0.0.9"})
        mixed(frozen, RANDOM, number, TORCH)
    built = report.build(frozen / RUNS)
    (text,) = {
        each.text for section in built.sections for each in section.cautions if each.title == "Made by several versions"
    }
    assert "2 records by labelbench_ray 0.0.9" in text
    assert "Within one trial" not in text


def test_spans_of_rounds_read_well(frozen: Path):
    header = read_header(frozen / RUNS / MARGIN / "trial.json").model_copy(update={"versions": TORCH})
    record = read_record(frozen / RUNS / MARGIN, 0)
    others = TORCH | {"labelbench-ray": "0.2.0"}
    stated: list[dict[str, str]] = [{}, {}, {}, others, {}, others, others]
    records = [record.model_copy(update={"round": number, "versions": each}) for number, each in enumerate(stated)]
    assert describe(provenances(header, records)) == (
        "rounds 0 to 2 and 4 were made by labelbench_ray 0.1.0, the others by labelbench_ray 0.2.0: "
        "numbers may differ in the last bits"
    )
    third = record.model_copy(update={"round": 7, "versions": TORCH | {"labelbench-ray": "0.3.0"}})
    assert "round 7" not in describe(provenances(header, [*records, third]))
    assert ", rounds 3 and 5 to 6 by labelbench_ray 0.2.0, the others by labelbench_ray 0.3.0" in describe(
        provenances(header, [*records, third])
    )
