"""Locks in an object store: one holder at a time, freed by its end, taken over from the dead."""

import threading
import time

import pytest

from labelbench_ray.storage import lease
from labelbench_ray.storage.locks import held, locked
from labelbench_ray.storage.remote import place
from tests.s3 import Fault, Server, s3  # noqa: F401  a fixture


@pytest.fixture
def path(s3: Server, monkeypatch):  # noqa: F811
    monkeypatch.setattr(lease, "LEASE_SECONDS", 1.5)
    monkeypatch.setattr(lease, "POLL_SECONDS", 0.05)
    return place(s3.uri("trial", "lock"))


def test_one_of_many_holds_it_at_a_time(path, monkeypatch):
    monkeypatch.setattr(lease, "LEASE_SECONDS", 30.0)  # a busy machine may not renew it in 1.5 s
    inside, most, entered = [], [], []

    def work(number: int) -> None:
        with locked(path):
            inside.append(number)
            most.append(len(inside))
            entered.append(number)
            time.sleep(0.05)
            inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(entered) == list(range(5))
    assert max(most) == 1


def test_a_holder_that_lives_keeps_it_beyond_a_lease(path):
    taken = threading.Event()

    def wait() -> None:
        with locked(path):
            taken.set()

    with locked(path):
        assert held(path)
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not taken.wait(3 * lease.LEASE_SECONDS)
    assert taken.wait(60)
    waiting.join()
    assert not held(path)


def test_a_dead_holder_s_lease_is_taken_over(path):
    path.create(lease._state("dead", 7))
    assert held(path), "it may be alive"
    start = time.monotonic()
    with locked(path):
        assert time.monotonic() - start > lease.LEASE_SECONDS, "it may be alive"
    assert not held(path)


def test_a_lease_that_is_no_longer_renewed_is_not_shown_as_held(path):
    path.create(lease._state("dead", 7))
    time.sleep(2 * lease.LEASE_SECONDS + 1)  # the store's clock counts whole seconds
    assert not held(path)


def test_a_lock_that_cannot_be_read_is_taken_over(path):
    path.create(b"{")
    with locked(path):
        pass


def test_a_holder_that_lost_it_leaves_it_to_the_next(path):
    with locked(path):
        _, version = path.read_version()
        path.swap(lease._state("another", 0), version)
        time.sleep(2 * lease.LEASE_SECONDS / 3)
    assert lease._owner_and_holder(path.read_bytes())[0] == "another"


def test_it_is_ours_though_the_answer_to_our_put_was_lost(path, s3: Server, monkeypatch):  # noqa: F811
    put = type(path).create
    lost = []

    def create(self, data):
        put(self, data)
        if not lost:
            lost.append(data)
            raise FileExistsError("as a second try of the same put is answered")

    monkeypatch.setattr(type(path), "create", create)
    monkeypatch.setattr(lease, "LEASE_SECONDS", 30.0)  # longer than a busy machine takes to answer
    start = time.monotonic()
    with locked(path):
        assert time.monotonic() - start < lease.LEASE_SECONDS


def test_a_store_that_does_not_answer_for_a_moment_does_not_end_a_lease(path, s3: Server):  # noqa: F811
    with locked(path):
        s3.faults.append(Fault(lambda verb, name: verb == "PUT", status=503, times=1))
        time.sleep(lease.LEASE_SECONDS)
        assert s3.met
    assert not held(path)
