"""What a process with several threads spends, on its CPU and on a device."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from labelbench_ray.costs import Cost


class DeviceTime:
    """What a process with several threads spent since the last lap; laps of all threads add up to the total."""

    def __init__(self, gpu: bool) -> None:
        self._gpu = gpu
        self._lock = threading.Lock()
        self._cpu = time.process_time()
        self._seconds = self._since = 0.0
        self._inside = 0

    @contextmanager
    def on_device(self) -> Iterator[None]:
        """Count the time inside as time of the GPU; what several threads spend inside at once counts once."""
        with self._lock:
            self._count()
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._count()
                self._inside -= 1

    def _count(self) -> None:
        now = time.perf_counter()
        self._seconds += (now - self._since) * (self._inside > 0)
        self._since = now

    def lap(self) -> Cost:
        """Starts anew."""
        with self._lock:
            self._count()
            before, self._cpu = self._cpu, time.process_time()
            seconds, self._seconds = self._seconds, 0.0
            return Cost(cpu=self._cpu - before, gpu=seconds * self._gpu)
