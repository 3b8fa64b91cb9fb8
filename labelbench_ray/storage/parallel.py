"""Many files read at once: from an object store, each is waited for most of the time."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

READERS = 16
Item = TypeVar("Item")
Value = TypeVar("Value")


def read_each(read: Callable[[Item], Value], items: Iterable[Item]) -> list[Value]:
    """`read` of every item, in their order."""
    with ThreadPoolExecutor(READERS) as readers:
        return list(readers.map(read, items))
