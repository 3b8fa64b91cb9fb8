"""Paths in an object store, against an S3 server on loopback."""

import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelbench_ray.errors import ConfigError
from labelbench_ray.storage.atomic import publish, publish_once, remove
from labelbench_ray.storage.remote import Remote, RemoteError, beside, on_this_machine, place
from tests.s3 import Fault, Server, client_settings, s3  # noqa: F401  a fixture

PURE = st.lists(st.from_regex(r"[a-z0-9._-]{1,8}", fullmatch=True).filter(lambda part: part.strip(".")), min_size=1)


@given(PURE, st.from_regex(r"\.[a-z]{1,4}", fullmatch=True))
def test_names_are_taken_apart_as_those_of_files(parts: list[str], suffix: str):
    ours, theirs = place("s3://b/" + "/".join(parts)), Path("/".join(parts))
    assert (ours.name, ours.stem, ours.suffix) == (theirs.name, theirs.stem, theirs.suffix)
    assert ours.with_suffix(suffix).name == theirs.with_suffix(suffix).name
    assert str(ours.parent / "x") == str(place(f"s3://b/{'/'.join(parts[:-1])}") / "x")
    assert pickle.loads(pickle.dumps(ours)) == ours  # noqa: S301  as it travels to workers


def test_a_local_place_is_a_path(tmp_path: Path):
    assert place(str(tmp_path)) == place(tmp_path.as_uri()) == tmp_path
    assert place("runs") == Path("runs").resolve()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("http://host/x", "schemes: file, s3"),
        ("s3:///x", "is not a path"),
        ("s3://bucket/x?y=1", "is not a path"),
        ("s3://key:secret@bucket/x", "must not hold credentials"),
        ("s3://bucket/a/../../b", "no '..'"),
    ],
)
def test_what_is_no_place_is_refused(text: str, says: str):
    with pytest.raises(ConfigError, match=says) as error:
        place(text)
    assert "secret@" not in str(error.value)


def test_names_cannot_leave_their_folder():
    with pytest.raises(ValueError, match=r"no '\.\.'"):
        place("s3://bucket/runs") / "../other"


def test_it_holds_what_was_put(s3: Server):  # noqa: F811
    folder = place(s3.uri("runs"))
    publish(folder / "a" / "rounds" / "000.json", b"one")
    publish(folder / "a" / "rounds" / "001.json", b"two")
    publish(folder / "b" / "trial.json", b"three")
    assert s3.keys() == ["runs/a/rounds/000.json", "runs/a/rounds/001.json", "runs/b/trial.json"]
    assert (folder / "a/rounds/001.json").read_bytes() == b"two"
    assert [str(path) for path in folder.iterdir()] == [s3.uri("runs", "a"), s3.uri("runs", "b")]
    assert [path.name for path in folder.glob("*/rounds/*.json")] == ["000.json", "001.json"]
    assert [path.parent.name for path in folder.glob("*/trial.json")] == ["b"]
    assert list(folder.glob("a/rounds/0*1.json")) == [folder / "a/rounds/001.json"]
    assert folder.is_dir()
    assert not folder.is_file()
    assert not (folder / "a/rou").exists(), "a name's beginning is no folder"
    (folder / "b/trial.json").unlink()
    assert not (folder / "b").exists()
    (folder / "b/trial.json").unlink(missing_ok=True)
    remove(folder / "a")
    assert s3.keys() == []


def test_the_empty_object_that_a_console_shows_as_a_folder_is_none_of_its_content(s3: Server):  # noqa: F811
    client = boto3.client("s3", **client_settings(s3.environment))
    for key in ("runs/", "runs/a/", "empty/"):
        client.put_object(Bucket=s3.bucket, Key=key, Body=b"")
    folder = place(s3.uri("runs"))
    publish(folder / "a" / "trial.json", b"{}")
    assert list(folder.iterdir()) == [folder / "a"]
    assert list((folder / "a").iterdir()) == [folder / "a" / "trial.json"]
    assert not place(s3.uri("empty")).is_dir()
    remove(folder)
    assert not (folder / "a/trial.json").exists()


def test_an_object_is_dated_by_the_store(s3: Server):  # noqa: F811
    path = place(s3.uri("x"))
    publish(path, b"")
    assert isinstance(path, Remote)
    assert abs(path.modified() - datetime.now(UTC)) < timedelta(seconds=10)


def test_a_thousand_names_are_all_listed(s3: Server):  # noqa: F811
    folder = place(s3.uri("many"))
    s3.fill("many", 1005)  # a page of the protocol holds a thousand
    assert [path.name for path in folder.iterdir()] == [f"{number:04d}" for number in range(1005)]


def test_what_is_not_there_is_said_as_of_files(s3: Server):  # noqa: F811
    with pytest.raises(FileNotFoundError, match=r"s3://pools-\w+/none: there is no such object"):
        place(s3.uri("none")).read_bytes()
    with pytest.raises(FileNotFoundError, match="no such bucket"):
        publish(place("s3://elsewhere/x"), b"")


def test_it_is_published_once(s3: Server, tmp_path: Path):  # noqa: F811
    for folder in (place(s3.uri("once")), tmp_path):
        path = folder / "000.json"
        publish_once(path, b"first")
        publish_once(path, b"first")
        with pytest.raises(FileExistsError):
            publish_once(path, b"second")
        assert path.read_bytes() == b"first"


def test_one_of_two_versions_is_put(s3: Server):  # noqa: F811
    path = place(s3.uri("version"))
    assert isinstance(path, Remote)
    first = path.create(b"1")
    second = path.swap(b"2", first)
    with pytest.raises(FileExistsError):
        path.swap(b"3", first)
    assert path.read_version() == (b"2", second)


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 503}, {"status": 429}, {"cut": True}, {"seconds": 1.3}])
@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_a_fault_that_passes_is_waited_out(s3: Server, fault: dict, method: str):  # noqa: F811
    path = place(s3.uri("x"))
    data = bytes(range(256)) * 4096
    if method == "GET":
        publish(path, data)
    s3.faults.append(Fault(lambda verb, name: verb == method and name.endswith("/x"), times=2, **fault))
    if method == "PUT":
        publish(path, data)
    assert path.read_bytes() == data
    assert len(s3.met) == 2


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 503}, {"cut": True}])
def test_a_put_that_is_cut_replaces_nothing(s3: Server, fault: dict):  # noqa: F811
    path = place(s3.uri("x"))
    publish(path, b"before")
    s3.faults.append(Fault(lambda verb, name: verb == "PUT", **fault))
    with pytest.raises(RemoteError, match=r"s3://pools-\w+/x: .*check the address"):
        publish(path, bytes(100_000))
    assert len(s3.met) > 2, "it was tried again"
    s3.faults.clear()
    assert path.read_bytes() == b"before"


def test_a_refusal_is_reported_at_once_without_the_credentials(s3: Server):  # noqa: F811
    s3.faults.append(Fault(lambda verb, name: True, status=403))
    with pytest.raises(RemoteError, match="check the address, the credentials") as error:
        place(s3.uri("x")).read_bytes()
    assert len(s3.met) == 1
    assert s3.environment["AWS_SECRET_ACCESS_KEY"] not in str(error.value)


def test_a_machine_keeps_arrays_beside_a_local_folder_and_in_its_cache_for_a_remote_one(tmp_path, monkeypatch):
    monkeypatch.setenv("LABELBENCH_CACHE", str(tmp_path / "cache"))
    local, remote = place(str(tmp_path / "store")), place("s3://b/store")
    assert on_this_machine(local) == local
    assert on_this_machine(remote).parent == tmp_path / "cache"
    assert on_this_machine(remote) != on_this_machine(place("s3://b/other"))
    assert beside(local) == local
    assert beside(remote) == Path.cwd()
