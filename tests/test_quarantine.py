"""What cannot be used is set aside by a run, with the reason, and run again to the same; nothing is ever deleted."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray.config import FineTune, digest
from labelbench_ray.costs import Cost
from labelbench_ray.errors import DamagedError, LedgerError
from labelbench_ray.ledger.finetunes import FineTuneHeader, FineTuneLedger, read_finetune_records
from labelbench_ray.ledger.hits import read_hits
from labelbench_ray.ledger.trials import read_history
from labelbench_ray.storage import quarantine as quarantine_module
from labelbench_ray.storage.quarantine import read_quarantine_note, set_aside, set_asides
from tests.memory_trials import chosen_and_measured, numbers, run


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    run(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path, undisturbed: Path) -> Path:
    """A copy of it."""
    (tmp_path / "trial" / "rounds").mkdir(parents=True)
    for path in [undisturbed / "trial.json", *(undisturbed / "rounds").iterdir()]:
        (tmp_path / "trial" / path.relative_to(undisturbed)).write_bytes(path.read_bytes())
    return tmp_path / "trial"


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 4
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def nest(path: Path) -> None:
    path.write_bytes(b"[" * 200_000)


def of_another_trial(path: Path) -> None:
    content = {key: value for key, value in json.loads(path.read_text()).items() if key != "checksum"}
    content["fingerprint"] = "e" * 16
    path.write_text(json.dumps(content | {"checksum": digest(content)}))


def of_another_round(path: Path) -> None:
    path.write_bytes(path.with_name("000.json").read_bytes())


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("001.json", cut_short),
        ("001.json", flip_a_bit),
        ("001.json", empty),
        ("001.json", nest),
        ("001.json", of_another_trial),
        ("001.json", of_another_round),
        ("001.safetensors", cut_short),
        ("001.safetensors", flip_a_bit),
    ],
)
def test_a_round_that_cannot_be_used_is_set_aside_with_those_after_it_and_run_again(
    folder, undisturbed, name: str, damage: Callable[[Path], None]
):
    damage(folder / "rounds" / name)
    before = {path.name: path.read_bytes() for path in (folder / "rounds").iterdir()}
    assert numbers(run(folder)) == [1, 2, 3]
    assert chosen_and_measured(folder) == chosen_and_measured(undisturbed)
    for proxy in (undisturbed / "rounds").glob("*.safetensors"):
        assert (folder / "rounds" / proxy.name).read_bytes() == proxy.read_bytes()
    (when,) = set_asides(folder)
    assert abs(int(when) - time.time()) < 60
    why = read_quarantine_note(folder, when)
    assert name in why.reason
    moved = folder / "quarantine" / when
    assert {path.name: path.read_bytes() for path in (moved / "rounds").iterdir()} == {
        name: data for name, data in before.items() if not name.startswith("000")
    }
    assert sorted(why.files) == sorted(f"rounds/{name}" for name in before if not name.startswith("000"))


@pytest.mark.parametrize("damage", [cut_short, flip_a_bit, empty, nest, Path.unlink])
def test_hits_that_cannot_be_used_cost_no_round(folder, damage: Callable[[Path], None]):
    """Rounds do not depend on them: reports refuse them by name, and intervals are over seeds only."""
    path = folder / "rounds" / "001.hits"
    damage(path)
    there = path.exists() and path.read_bytes()
    assert run(folder) == []
    assert set_asides(folder) == ()
    assert (path.exists() and path.read_bytes()) == there
    record = read_history(folder).records[1]
    if there is False:
        assert read_hits(path, record.fingerprint, 1, record.metrics) == {}
    else:
        with pytest.raises(DamagedError, match=r"001\.hits: .*delete it: intervals are then over seeds only"):
            read_hits(path, record.fingerprint, 1, record.metrics)


def test_hits_of_rounds_that_are_run_again_are_the_same(folder, undisturbed):
    cut_short(folder / "rounds" / "001.json")
    run(folder)
    for path in (undisturbed / "rounds").glob("*.hits"):
        assert (folder / "rounds" / path.name).read_bytes() == path.read_bytes()


def test_a_missing_round_sets_aside_those_after_the_gap(folder, undisturbed):
    (folder / "rounds" / "001.json").unlink()
    assert numbers(run(folder)) == [1, 2, 3]
    assert chosen_and_measured(folder) == chosen_and_measured(undisturbed)
    assert "round 1 is missing" in read_quarantine_note(folder, set_asides(folder)[0]).reason


def test_readers_refuse_by_name_and_move_nothing(folder):
    flip_a_bit(folder / "rounds" / "001.json")
    with pytest.raises(LedgerError, match=r"001\.json: .*`labelbench run` sets it and the rounds after it aside"):
        read_history(folder)
    assert not (folder / "quarantine").exists()


@pytest.mark.parametrize("damage", [cut_short, empty, Path.unlink, nest])
def test_with_a_header_that_cannot_be_read_the_whole_trial_is_run_again(folder, undisturbed, damage):
    damage(folder / "trial.json")
    assert numbers(run(folder)) == [0, 1, 2, 3]
    assert chosen_and_measured(folder) == chosen_and_measured(undisturbed)
    (when,) = set_asides(folder)
    assert len(list((folder / "quarantine" / when / "rounds").iterdir())) == 12, (
        "four rounds: records, proxies and hits"
    )


def test_a_header_of_another_store_is_refused_and_nothing_is_set_aside(folder):
    path = folder / "trial.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"store": "another"}))
    with pytest.raises(LedgerError, match="store is 'another'"):
        run(folder)
    assert not (folder / "quarantine").exists()


def test_a_sound_trial_has_no_quarantine(folder):
    assert run(folder) == []
    assert set_asides(folder) == ()


@pytest.mark.parametrize("dies_at", range(1, 8))
def test_a_process_that_dies_while_it_sets_aside_is_taken_up_again(folder, undisturbed, monkeypatch, dies_at: int):
    flip_a_bit(folder / "rounds" / "001.json")
    left = iter(range(dies_at))
    publish = quarantine_module.publish

    def dying(path: Path, data: bytes) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        publish(path, data)

    with monkeypatch.context() as deadly:
        deadly.setattr(quarantine_module, "publish", dying)
        try:
            run(folder)
        except KeyboardInterrupt:
            pass
        else:
            assert dies_at == 7  # the reason and six files
    run(folder)
    assert chosen_and_measured(folder) == chosen_and_measured(undisturbed)


def test_damage_twice_in_a_second_fills_two_folders(tmp_path):
    for content in (b"one", b"two"):
        (tmp_path / "record.json").write_bytes(content)
        set_aside(tmp_path, [tmp_path / "record.json", tmp_path / "absent"], "damaged")
    found = set_asides(tmp_path)
    assert [(tmp_path / "quarantine" / name / "record.json").read_bytes() for name in found] == [b"one", b"two"]
    assert read_quarantine_note(tmp_path, found[0]).files == ("record.json",)


POINTS = FineTuneHeader(fingerprint="f" * 16, trial="a" * 16, recipe=FineTune(), store="s")


def make_points(folder: Path) -> FineTuneLedger:
    points = FineTuneLedger.open(folder, POINTS)
    for labels in (500, 1000):
        points.publish(labels, "bought", {"Test Accuracy": 0.5}, {"fit": Cost(1, 1)}, {"bias": np.ones(2)})
    return points


@pytest.mark.parametrize("damage", [cut_short, flip_a_bit, empty])
def test_a_damaged_point_alone_is_set_aside(tmp_path, damage):
    points = make_points(tmp_path)
    damage(points.path(500))
    assert list(read_finetune_records(FineTuneLedger.open(tmp_path, POINTS).directory)) == [1000]
    (when,) = set_asides(points.directory)
    assert set(read_quarantine_note(points.directory, when).files) == {"000500.json", "000500.safetensors"}


@pytest.mark.parametrize("damage", [flip_a_bit, Path.unlink])
def test_a_point_whose_model_is_damaged_is_set_aside_with_it(tmp_path, damage):
    points = make_points(tmp_path)
    damage(points.path(500).with_suffix(".safetensors"))
    assert set(read_finetune_records(FineTuneLedger.open(tmp_path, POINTS).directory)) == {1000}
    (when,) = set_asides(points.directory)
    assert "000500.safetensors" in read_quarantine_note(points.directory, when).reason


@pytest.mark.parametrize("damage", [cut_short, empty, Path.unlink])
def test_with_its_header_all_points_are_set_aside(tmp_path, damage):
    points = make_points(tmp_path)
    damage(points.directory / "finetune.json")
    assert read_finetune_records(FineTuneLedger.open(tmp_path, POINTS).directory) == {}
    (when,) = set_asides(points.directory)
    assert len(list((points.directory / "quarantine" / when).glob("*.safetensors"))) == 2
