"""CPU seconds of a call in this process, and by how much its private memory grows during it."""

import ctypes
import time
from collections.abc import Callable
from threading import Event, Thread

import pyarrow as pa
from processes import status_kib

SECONDS_BETWEEN = 0.002


class Watch(Thread):
    """Samples this process's private memory: anonymous pages (`RssAnon`), none of memory-mapped files."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak_kib = status_kib("RssAnon")
        self.cpu_seconds = 0.0
        """What the samples themselves took."""
        self._ended = Event()

    def run(self) -> None:
        """Sample until the end is asked for."""
        while not self._ended.wait(SECONDS_BETWEEN):
            self.peak_kib = max(self.peak_kib, status_kib("RssAnon"))
        self.cpu_seconds = time.thread_time()

    def end(self) -> None:
        """Sample a last time."""
        self.peak_kib = max(self.peak_kib, status_kib("RssAnon"))
        self._ended.set()
        self.join()


def release() -> None:
    """Give back what earlier work left behind, which would hide as much of what the next call takes."""
    pa.default_memory_pool().release_unused()
    ctypes.CDLL(None).malloc_trim(0)


def used(call: Callable[[], object]) -> dict[str, float]:
    """CPU seconds of this process, and the growth of its private memory at its peak in MiB, over one call."""
    release()
    watch = Watch()
    before, start = watch.peak_kib, time.process_time()
    watch.start()
    kept = call()
    watch.end()
    del kept  # until now: what a call returns is part of what it takes
    cpu = time.process_time() - start - watch.cpu_seconds
    return {"cpu_seconds": max(0.0, cpu), "extra_mib": max(0, watch.peak_kib - before) / 2**10}
