"""Trials whose ledger and embeddings lie in an object store that fails now and then."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.embeddings.embed import EmbeddingJob, found_shards
from labelbench_ray.embeddings.shards import ShardId
from labelbench_ray.errors import LedgerError
from labelbench_ray.ledger.records import COSTS
from labelbench_ray.ledger.trials import read_history
from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.remote import Remote, RemoteError, place
from labelbench_ray.trial import parts
from labelbench_ray.trial.assembly import SelectionJob
from labelbench_ray.trial.place import Place
from tests.full_trials import make_store
from tests.s3 import Fault, Server, s3  # noqa: F401  a fixture
from tests.samples import write_images

TRIAL = Trial(
    dataset=Part.of("digits", max_rows=200),
    encoder=Part(name="pixels"),
    strategy=Part(name="margin"),
    trainer=Part(name="logistic"),
    seed=0,
    rounds=4,
    budget=10,
)


@dataclass(frozen=True)
class Home:
    """A trial here, and the same one in the object store."""

    here: SelectionJob
    there: SelectionJob


@pytest.fixture
def home(s3: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:  # noqa: F811
    monkeypatch.setenv("LABELBENCH_CACHE", str(tmp_path / "cache"))
    built = parts.build(TRIAL)
    make_store(TRIAL, tmp_path / "store", tmp_path)
    for path in (tmp_path / "store").rglob("*"):
        if path.is_file() and path.name != "lock" and "arrays" not in path.parts:
            publish(place(s3.uri(str(path.relative_to(tmp_path)))), path.read_bytes())
    remote = SelectionJob(
        TRIAL, place(s3.uri("runs", built.fingerprint)), Place(place(s3.uri("store", built.embedding)), tmp_path)
    )
    local = SelectionJob(TRIAL, tmp_path / built.fingerprint, Place(tmp_path / "store" / built.embedding, tmp_path))
    return Home(local, remote)


def numbers(directory: Path) -> list[dict]:
    return [record.model_dump(exclude=COSTS) for record in read_history(directory).records]


def record(number: int, fault: Fault) -> Fault:
    """The fault, for puts of a round's record."""
    return Fault(lambda verb, key: verb == "PUT" and key.endswith(f"rounds/{number:03d}.json"), **vars_of(fault))


def vars_of(fault: Fault) -> dict:
    return {name: getattr(fault, name) for name in ("status", "seconds", "cut", "times")}


def everything(method: str, key: str) -> bool:
    return True


def test_a_trial_in_an_object_store_is_the_one_on_a_disk(home: Home):
    assert list(home.here.steps()) == list(home.there.steps()) == [1, 2, 3, 4]
    assert numbers(home.there.directory) == numbers(home.here.directory)
    assert list(home.there.steps()) == [], "it is done"


def test_data_and_embeddings_may_lie_there_too(
    s3: Server,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """What tests/faults/nodes.py does with nodes that share no disk, in this process."""
    monkeypatch.setenv("LABELBENCH_CACHE", str(tmp_path / "cache"))
    trial = vary(TRIAL, dataset=Part.of("image_folder", path="images"), rounds=2)
    write_images(tmp_path / "data" / "images", {"train": 60, "validation": 20, "test": 20})
    for path in tmp_path.rglob("*.png"):
        publish(place(s3.uri(str(path.relative_to(tmp_path)))), path.read_bytes())
    found = []
    for root in (tmp_path, place(s3.uri())):
        make_store(trial, root / "store", root / "data")
        job = SelectionJob(trial, root / "runs", Place(root / "store" / parts.build(trial).embedding, root / "data"))
        list(job.steps())
        found.append(numbers(job.directory))
    assert found[0] == found[1]
    assert len(found[0]) == 2
    assert s3.keys("store")


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 503}, {"cut": True}, {"seconds": 1.3}])
def test_a_fault_that_passes_changes_nothing(home: Home, s3: Server, fault: dict):  # noqa: F811
    list(home.here.steps())
    s3.faults += [record(1, Fault(everything, times=2, **fault)), Fault(everything, times=1, **fault)]
    assert list(home.there.steps()) == [1, 2, 3, 4]
    assert len(s3.met) == 3
    assert numbers(home.there.directory) == numbers(home.here.directory)


def test_a_store_that_goes_on_failing_fails_the_trial_which_goes_on_later(home: Home, s3: Server):  # noqa: F811
    list(home.here.steps())
    s3.faults.append(record(2, Fault(everything, status=503)))
    with pytest.raises(RemoteError, match=r"rounds/002.json: .*check the address"):
        list(home.there.steps())
    assert len(s3.met) > 2, "it was tried again"
    history = read_history(home.there.directory)
    assert history.failure
    assert "002.json" in history.failure.error
    assert len(history.records) == 2
    s3.faults.clear()
    assert list(home.there.steps()) == [3, 4]
    assert numbers(home.there.directory) == numbers(home.here.directory)


def test_a_store_that_does_not_answer_is_not_taken_for_a_damaged_one(home: Home, s3: Server):  # noqa: F811
    shards = home.there.place.store / "shards"
    before = s3.keys("store")
    s3.faults.append(Fault(lambda verb, key: verb == "GET" and "/shards/" in key, status=503))
    with pytest.raises(RemoteError, match="check the address"):
        found_shards(EmbeddingJob(parts.build(TRIAL).encoder, shards.parent, "recipe", "cpu", 64), [ShardId("pool", 0)])
    with pytest.raises(RemoteError, match="check the address"):
        list(home.there.steps())
    s3.faults.clear()
    assert s3.keys("store") == before, "nothing was deleted or set aside"
    assert list(home.there.steps()) == [1, 2, 3, 4]


def test_a_round_that_another_run_recorded_meanwhile_is_never_overwritten(home: Home, s3: Server):  # noqa: F811
    steps = home.there.steps()
    next(steps)
    theirs = home.there.directory / "rounds" / "001.json"
    assert isinstance(theirs, Remote)
    theirs.create(b"another run's, whose lease began when ours was lost")
    (theirs.parent / "001.safetensors").create(b"another run's proxy")
    with pytest.raises(LedgerError, match=r"rounds/001.json: another run recorded this round while"):
        next(steps)
    assert theirs.read_bytes().startswith(b"another run's")
    assert (theirs.parent / "001.safetensors").read_bytes() == b"another run's proxy", "its record states its hash"
