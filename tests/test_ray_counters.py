"""What is counted for Ray's metrics: each row, rejected row, round and failure once, and only where Ray runs."""

from collections import Counter
from collections.abc import Iterator

import pytest

from labelbench_ray.cluster import metrics
from labelbench_ray.console.events import Event, Events
from labelbench_ray.embeddings.embed import EmbeddedShard
from labelbench_ray.embeddings.shards import ShardEntry

Counts = Counter[tuple[str, str]]
"""By name and experiment."""


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counts]:
    """What counters of Ray's interface get."""
    found: Counts = Counter()

    class Recorded:
        def __init__(self, name: str, description: str, tag_keys: tuple[str, ...]) -> None:
            assert description
            self.name, self.tag_keys = name, tag_keys

        def inc(self, value: int, tags: dict[str, str]) -> None:
            assert value > 0  # Ray refuses others
            assert tuple(tags) == self.tag_keys
            found[self.name, tags.get("experiment", "")] += value

    monkeypatch.setattr(metrics, "Counter", Recorded)
    metrics._counter.cache_clear()
    yield found
    metrics._counter.cache_clear()


def shard(rows: int, *rejects: str) -> EmbeddedShard:
    entry = ShardEntry(split="pool", number=0, rows=rows, sha256="0" * 64)
    return EmbeddedShard(entry, 8, "cpu", dict.fromkeys(rejects, "cut short"), 100)


def test_rows_and_rejects_of_each_shard(counts: Counts):
    for each in (shard(10), shard(7, "a", "b")):
        metrics.count_shard(each)
    assert counts == {("labelbench_rows_embedded", ""): 17, ("labelbench_rows_rejected", ""): 2}


def test_rounds_and_failures_by_experiment_while_ray_runs(counts: Counts):
    events = Events("alice--study")
    events.log(Event.ROUND_RECORDED, round=0)
    with metrics.events_counted():
        for number in range(3):
            events.log(Event.ROUND_RECORDED, round=number)
        events.log(Event.TRIAL_FAILED, error="OSError")
        events.log(Event.TRIAL_DONE)
        Events("bob--study").log(Event.ROUND_RECORDED, round=0)
    events.log(Event.ROUND_RECORDED, round=3)
    assert counts == {
        ("labelbench_rounds_finished", "alice--study"): 3,
        ("labelbench_rounds_finished", "bob--study"): 1,
        ("labelbench_trials_failed", "alice--study"): 1,
    }


def test_a_client_of_the_cluster_counts_nothing(counts: Counts, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(metrics.client, "is_connected", lambda: True)
    metrics.count_shard(shard(10))
    assert not counts
