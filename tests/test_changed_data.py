"""Data that changed after an experiment was run: every command refuses, and what was made is marked."""

from pathlib import Path

import pytest

from labelbench_ray import report
from labelbench_ray.api.run_plan import note_grid
from labelbench_ray.commands import status
from labelbench_ray.config import Part, Trial
from labelbench_ray.errors import ChangedDataError
from labelbench_ray.ledger.data_notes import FILE, read_notes
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.plan import Plan, plan
from tests.full_trials import Home, make_home, make_store
from tests.test_origin import flip, write_folder

TRIAL = Trial(
    dataset=Part.of("image_folder", path="shots"),
    encoder="pixels",
    strategy="random",
    trainer="logistic",
    seed=0,
    rounds=2,
    budget=5,
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An experiment of one trial, which is done."""
    home = make_home(tmp_path, tmp_path / "store")
    write_folder(tmp_path)
    make_store(TRIAL, home.environment.store, tmp_path)
    note_grid(planned(home))
    home.run(TRIAL)
    return home


def planned(home: Home) -> Plan:
    return plan(Experiment("tests.grid", (TRIAL,)), home.environment)


def test_a_finished_experiment_looks_at_its_data_again(home):
    assert planned(home).missing == ()
    path = home.environment.data_root / "shots/train/dark/004.png"
    flip(path)
    with pytest.raises(ChangedDataError, match=r"1 row with other content \('train/dark/004.png'\)"):
        planned(home)
    flip(path)
    assert planned(home).missing == ()


def test_report_and_status_mark_what_was_made_from_other_data(home):
    assert status.cautions(status.read(home.folder)) == []
    assert not (home.folder / FILE).exists(), "nothing is known that is worth a note"
    path = home.environment.data_root / "shots/train/dark/004.png"
    flip(path)
    with pytest.raises(ChangedDataError):
        planned(home)
    (mark,) = status.cautions(status.read(home.folder))
    assert mark.startswith("1 trial was made from other data: pool: 1 row with other content ('train/dark/004.png')")
    assert "(noticed 20" in mark
    (section,) = report.build(home.folder).sections
    assert section.cautions[0].title == "The data have changed"
    assert "'train/dark/004.png'" in section.cautions[0].text
    assert section.setting.runs[0].records, "the results are still read"
    flip(path)
    planned(home)
    assert status.cautions(status.read(home.folder)) == []
    (section,) = report.build(home.folder).sections
    assert "The data have changed" not in {caution.title for caution in section.cautions}


def test_data_that_are_gone_are_no_change(home):
    (home.environment.data_root / "shots").rename(home.environment.data_root / "elsewhere")
    (store,) = planned(home).stores
    assert "is not there" in store.to_be_provided[0]
    assert status.cautions(status.read(home.folder)) == []


@pytest.mark.parametrize("content", [b"", b"[]", b'{"stores": {"x": {"changed": 3}}}'])
def test_notes_that_cannot_be_read_are_written_anew(home, content: bytes):
    (home.folder / FILE).write_bytes(content)
    assert read_notes(home.folder).stores == {}
    flip(home.environment.data_root / "shots/train/dark/004.png")
    with pytest.raises(ChangedDataError):
        planned(home)
    assert read_notes(home.folder).stores
