"""Checkpoint files: of this fit and whole, or as good as none."""

import pytest
import torch

from labelbench_ray.trainers.engine import checkpoints
from labelbench_ray.trainers.engine.checkpoints import FileCheckpoints, NoCheckpoints

STATE = {"module": {"weight": torch.arange(3.0)}, "rng": {"state": {"inc": 2**100}}, "course": [1, 0.5, 0]}


@pytest.fixture
def kept(tmp_path) -> FileCheckpoints:
    return FileCheckpoints(tmp_path / "checkpoint.pt", "mine")


def test_the_last_state_comes_back(kept):
    assert kept.load() is None
    kept.save({"module": {}})
    kept.save(STATE)
    found = kept.load()
    assert torch.equal(found["module"].pop("weight"), STATE["module"]["weight"])
    assert found == STATE | {"module": {}}
    assert [path.name for path in kept.path.parent.iterdir()] == ["checkpoint.pt"]


def test_another_fit_s_is_not_read_and_is_replaced(kept):
    kept.save(STATE)
    other = FileCheckpoints(kept.path, "another")
    assert other.load() is None
    other.save({"module": {}})
    assert other.load() == {"module": {}}
    assert kept.load() is None


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_a_file_that_is_cut_short_is_as_good_as_none(kept, length: int):
    kept.save(STATE)
    kept.path.write_bytes(kept.path.read_bytes()[:length])
    assert kept.load() is None


@pytest.mark.parametrize("foreign", [[1, 2], torch.zeros(3), 7, {"identity": "another"}, {}])
def test_a_file_of_something_else_is_as_good_as_none(kept, foreign: object):
    torch.save(foreign, kept.path)
    assert kept.load() is None


class Evil:
    """Runs when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("code of a file ran",)


def test_no_code_of_a_file_runs(kept):
    torch.save({"identity": "mine", "state": Evil()}, kept.path)
    assert kept.load() is None


def test_a_place_that_does_not_answer_is_not_taken_for_one_without_a_checkpoint(kept, monkeypatch):
    kept.save(STATE)

    def down(path):
        raise OSError("the object store does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(type(kept.path), "read_bytes", down)
        with pytest.raises(OSError, match="does not answer"):
            kept.load()
    assert kept.load() is not None


def test_a_failed_write_leaves_the_last_state(kept, monkeypatch):
    kept.save({"module": {}})

    def full(path, data):
        raise OSError("no space left")

    monkeypatch.setattr(checkpoints, "publish", full)
    with pytest.raises(OSError, match="no space"):
        kept.save(STATE)
    assert kept.load() == {"module": {}}


def test_without_a_place_nothing_is_kept():
    none = NoCheckpoints()
    none.save(STATE)
    assert none.load() is None
