"""Files that earlier versions wrote are read by this one: `tests/fixtures/<commit>/`, which are never written again.

`be79322`: an experiment of five trials on the digits, of which one was stopped, one failed after a damaged round was
set aside, one wants augmented views; three were fine-tuned, one of those failed later. `recorded/` is its runs folder,
`embedded/` its store.
"""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from labelbench_ray import report
from labelbench_ray.commands import cli, status
from labelbench_ray.config import Trial
from labelbench_ray.embeddings.augmented import augmented_pairs, read_view_manifest
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.environment import Environment
from labelbench_ray.ledger.experiments import read_grid
from labelbench_ray.ledger.finetunes import read_finetune_records, read_recipe
from labelbench_ray.ledger.state import TrialState
from labelbench_ray.ledger.trials import Ledger, read_failure, read_history
from labelbench_ray.planning import plan
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.storage.quarantine import read_quarantine_note, set_asides
from labelbench_ray.tracking.runs import read_tracked_run
from labelbench_ray.trial import parts

FIXTURES = Path(__file__).parent / "fixtures"
RANDOM, STOPPED, MARGIN, FAILED, VIEWS = (
    "cc7c1e562583af99",
    "dc6f2e850c4fc30c",
    "d6bceac0bf55531c",
    "e62dd556640264e5",
    "f6a8cab7d4987b92",
)
TUNED, STORE, AUGMENTATION = "bdbc2b33e7b5774d", "0135cb9a518d4718", "6f600fc64767ac64"


@pytest.fixture
def frozen(tmp_path: Path) -> Iterator[Path]:
    """A copy of the files, which must be the same bytes afterwards."""
    shutil.copytree(FIXTURES / "be79322", tmp_path / "frozen")
    before = hashes(tmp_path / "frozen")
    yield tmp_path / "frozen"
    after = hashes(tmp_path / "frozen")
    assert {name: after.get(name) for name in before} == before, "reading changed a file"


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def experiment(frozen: Path) -> Path:
    return frozen / "recorded" / "frozen.frozen"


def test_the_ledgers_are_read(frozen: Path):
    folder = experiment(frozen)
    grid = read_grid(folder)
    assert (grid.experiment, len(grid.entries)) == ("frozen.frozen", 5)
    histories = {entry.fingerprint: read_history(folder / entry.fingerprint) for entry in grid.entries}
    assert {name: len(history.records) for name, history in histories.items()} == {
        RANDOM: 2,
        STOPPED: 1,
        MARGIN: 2,
        FAILED: 1,
        VIEWS: 2,
    }
    first = histories[RANDOM].records[0]
    assert (first.chosen[:4], first.labels[:4]) == ((1, 38, 31, 93), (3, 8, 0, 9))
    assert first.metrics["Test Accuracy"] == pytest.approx(0.5466666667)
    assert histories[RANDOM].header.versions["labelbench-ray"] == "0.1.0"
    assert str(histories[STOPPED].stopped).startswith("stopped early after 1 of 2 rounds")
    failure = histories[FAILED].failure
    assert failure is not None
    assert failure.error == "OSError: [Errno 28] No space left on device"
    for name, history in histories.items():
        for record in history.records:
            assert Ledger(folder / name, history.header).proxy(record)


def test_what_was_set_aside_is_read(frozen: Path):
    directory = experiment(frozen) / FAILED
    (name,) = set_asides(directory)
    why = read_quarantine_note(directory, name)
    assert (why.files, "is no JSON" in why.reason) == (("rounds/001.json", "rounds/001.safetensors"), True)


def test_the_fine_tunes_are_read(frozen: Path):
    directory = experiment(frozen) / MARGIN / "finetune" / TUNED
    assert read_recipe(directory).budgets == (12, 24)
    assert sorted(read_finetune_records(directory)) == [12, 24]
    assert read_failure(directory) is not None
    assert len(read_tracked_run(directory).measured) == 2
    assert len(read_tracked_run(experiment(frozen) / RANDOM).measured) == 2


def test_the_store_and_its_view_are_read(frozen: Path):
    store = EmbeddingStore.open(frozen / "embedded" / STORE)
    assert store.manifest.content == "11abc72c0e9f5b73"
    assert {split: store.manifest.count(split) for split in ("pool", "validation", "test")} == {
        "pool": 150,
        "validation": 150,
        "test": 150,
    }
    assert len(set(store.row_ids())) == 150
    assert store.arrays().pool.embeddings_ND.shape == (150, 48)
    assert read_view_manifest(store, AUGMENTATION, 0).content == "17da27623e8e770c"
    (pairs_N2D,) = augmented_pairs(store, AUGMENTATION, 1)
    assert pairs_N2D.shape == (150, 2, 48)
    assert np.isfinite(pairs_N2D).all()


def test_the_status_is_as_it_was(frozen: Path):
    read = status.read(experiment(frozen))
    assert {each.fingerprint: (each.state, each.rounds_done) for each in read.trials} == {
        RANDOM: (TrialState.DONE, 2),
        STOPPED: (TrialState.STOPPED_EARLY, 1),
        MARGIN: (TrialState.DONE, 2),
        FAILED: (TrialState.FAILED, 1),
        VIEWS: (TrialState.DONE, 2),
    }
    assert status.cautions(read) == [], "all rounds were made by the versions that the headers state"


def test_the_commands_status_and_report_read_it(frozen: Path):
    said = CliRunner().invoke(cli.app, ["status", str(frozen / "recorded")])
    assert said.exit_code == 0, said.output
    assert "3 done, 1 failed, 1 stopped early; 8 of 10 rounds recorded" in said.output
    page = frozen / "page.html"
    said = CliRunner().invoke(
        cli.app,
        ["report", str(frozen / "recorded"), "--out", str(page), "--store", str(frozen / "embedded")],
    )
    assert said.exit_code == 0, said.output
    assert page.stat().st_size > 10_000
    assert "several versions" not in said.output


def test_the_report_has_its_numbers(frozen: Path):
    built = report.build(experiment(frozen))
    runs = [run for section in built.sections for run in section.setting.runs]
    assert [sorted(records) for run in runs for records in run.finetunes.values()] == [[12, 24], [12, 24]]
    assert {run.fingerprint for section in built.sections for run in section.setting.compared} >= {RANDOM, MARGIN}


def name_as_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fingerprints and keys are as they were then: they may change with a plug-in's version, reading may not."""
    entries = read_grid(experiment(FIXTURES / "be79322")).entries
    names = {recipe(entry.trial): entry.fingerprint for entry in entries}
    build = parts.build

    def built(trial: Trial) -> parts.Parts:
        made = build(trial)
        vars(made).update(fingerprint=names[recipe(trial)], embedding=STORE)  # its cached properties
        if made.tuning:
            vars(made.tuning).update(fingerprint=TUNED)
        return made

    monkeypatch.setattr(parts, "build", built)


def recipe(trial: Trial) -> str:
    return trial.model_dump_json(exclude={"finetune"})


def test_a_plan_counts_what_is_done(frozen: Path, monkeypatch: pytest.MonkeyPatch):
    name_as_then(monkeypatch)
    entries = read_grid(experiment(frozen)).entries
    environment = Environment(
        runs=frozen / "recorded", store=frozen / "embedded", data_root=frozen, tracking_uri="", address=None
    )
    planned = plan.plan(Experiment("frozen.frozen", tuple(entry.trial for entry in entries)), environment)
    done = {each.parts.fingerprint: each.rounds_done for each in planned.trials}
    assert done == {RANDOM: 2, STOPPED: 1, MARGIN: 2, FAILED: 1, VIEWS: 2}
    missing = {each.parts.fingerprint: each.missing for each in planned.tunings}
    assert missing == {RANDOM: (), STOPPED: (12, 24), MARGIN: (), FAILED: (12, 24)}
    (store,) = planned.stores
    assert store.content == "11abc72c0e9f5b73"


def test_a_trial_goes_on_after_what_is_recorded(frozen: Path):
    directory = frozen / "copy"
    shutil.copytree(experiment(frozen) / FAILED, directory)
    header = read_history(directory).header
    newer = header.model_copy(update={"versions": header.versions | {"torch": "9.9"}})
    with Ledger.open(directory, newer) as ledger:
        (first,) = ledger.records()
        chosen = np.setdiff1d(np.arange(24), first.chosen)[:12]
        ledger.publish(1, chosen, chosen % 10, 24, {}, {}, {"bias": np.zeros(2)})
    history = read_history(directory)
    assert history.header.versions == header.versions, "it states the code that began the trial"
    assert [record.versions.get("torch") for record in history.records] == [None, "9.9"]
