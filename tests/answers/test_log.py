"""The log holds each event once, and the same bytes for the same events however they came."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelbench_ray.answers.events import SCHEMA, from_table, to_table
from labelbench_ray.answers.log import AnswerLog, Appended, content_hash, merged
from labelbench_ray.errors import DamagedError, DataError, OtherVersionError
from tests.answers.samples import answer, crowd, interleaved


@pytest.fixture
def log(tmp_path: Path) -> AnswerLog:
    return AnswerLog(tmp_path / "campaign" / "answers.parquet")


def test_a_log_that_does_not_exist_is_empty(log: AnswerLog) -> None:
    assert log.read().equals(SCHEMA.empty_table())
    assert log.content_hash() == content_hash(SCHEMA.empty_table())


def test_events_are_appended_once(log: AnswerLog) -> None:
    everything = crowd(60)
    events = everything[:50]
    assert log.append(events) == Appended(50, 0)
    data, time = log.path.read_bytes(), log.path.stat().st_mtime_ns
    assert log.append(reversed(events)) == Appended(0, 50)
    assert (log.path.read_bytes(), log.path.stat().st_mtime_ns) == (data, time)
    more = everything[45:]
    assert log.append([*more, *more]) == Appended(10, 20)
    assert sorted(map(repr, from_table(log.read()))) == sorted(map(repr, everything))


@pytest.mark.parametrize("seed", range(3))
def test_any_interleaving_gives_the_same_bytes(seed: int, tmp_path: Path) -> None:
    events = crowd(500)
    straight, mixed = AnswerLog(tmp_path / "a.parquet"), AnswerLog(tmp_path / "b.parquet")
    straight.append(events)
    for group in interleaved(events, seed):
        mixed.append(group)
    assert mixed.path.read_bytes() == straight.path.read_bytes()
    assert mixed.content_hash() == straight.content_hash()


@given(st.permutations(crowd(8)), st.integers(0, 8))
def test_merging_is_commutative_and_idempotent(events: list, cut: int) -> None:
    expected = merged(to_table(crowd(8)))
    one, other = to_table(events[:cut]), to_table(events[cut:])
    assert merged(one, other, one).equals(expected)
    assert content_hash(merged(other, one)) == content_hash(expected)


def test_of_the_sources_of_an_event_the_smallest_stays(log: AnswerLog) -> None:
    event = answer("7", "ann", "cat")
    log.append([replace(event, source_sha256="b")])
    before = log.content_hash()
    log.append([replace(event, source_sha256="c"), replace(event, source_sha256="a")])
    assert log.read().column("source_sha256").to_pylist() == ["a"]
    assert log.content_hash() == before, "where an event was read is not what it states"


@pytest.mark.parametrize(
    ("changed", "stated"),
    [
        ({"labels": ("dog",)}, "labels ['cat'] and ['dog']"),
        ({"seconds": None}, "seconds 2.0 and None"),
        ({"row_id": "8"}, "row_id '7' and '8'"),
        ({"batch": "b", "gold": True}, "batch '' and 'b', gold False and True"),
    ],
)
def test_two_contents_of_one_revision_are_refused_by_name(log: AnswerLog, changed: dict, stated: str) -> None:
    event = answer("7", "ann", "cat")
    log.append([event])
    before = log.path.read_bytes()
    with pytest.raises(DataError) as error:
        log.append([answer("9", "ann", "cat"), replace(event, **changed)])
    assert stated in str(error.value)
    assert "'7/ann' of 'test', revision '2026-05-01T00:00:00.000000+00:00'" in str(error.value)
    assert log.path.read_bytes() == before
    assert content_hash(to_table([event])) != content_hash(to_table([replace(event, **changed)]))


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_seconds_that_cannot_be_are_refused(log: AnswerLog, seconds: float) -> None:
    with pytest.raises(DataError, match="seconds of work; it must be a number of at least 0"):
        log.append([answer("7", "ann", "cat", seconds=seconds)])


def test_the_content_hash_distinguishes_lists_and_gaps() -> None:
    events = [answer("7", "ann", label) for label in (None, "", "a|b", "ab", "a")]
    assert len({content_hash(to_table([event])) for event in events}) == len(events)
    one, other = answer("1", "a", "x"), answer("2", "a", "y")
    chunked = pa.concat_tables([to_table([one]), to_table([other])])
    assert content_hash(chunked) == content_hash(to_table([one, other]))
    assert content_hash(to_table([answer("0", "", "z"), one, other]).slice(1)) == content_hash(chunked)


@pytest.mark.parametrize("spoil", [lambda data: data[:-9], lambda data: b"", lambda data: data.replace(b"ann", b"bob")])
def test_a_damaged_log_is_refused(log: AnswerLog, spoil) -> None:
    log.append([answer("7", "ann", "cat")])
    spoiled = spoil(log.path.read_bytes())
    log.path.write_bytes(spoiled)
    with pytest.raises(DamagedError, match=r"answers\.parquet: .*; restore it from a copy"):
        log.append([answer("8", "ann", "cat")])
    assert log.path.read_bytes() == spoiled


def test_a_log_that_was_written_again_elsewhere_is_refused(log: AnswerLog) -> None:
    log.append([answer("7", "ann", "cat")])
    changed = log.read().set_column(1, SCHEMA.field(1), [["bob"]])
    pq.write_table(changed.cast(SCHEMA), log.path)
    with pytest.raises(DamagedError, match="its hash does not match its content"):
        log.read()
    pq.write_table(changed.drop_columns(["gold"]), log.path)
    with pytest.raises(DamagedError, match="its columns are row_id, annotator"):
        log.read()
    pq.write_table(changed.replace_schema_metadata({"format": "2"}), log.path)
    with pytest.raises(OtherVersionError, match="this version reads 1; nothing is wrong with the file"):
        log.read()
