"""Rows of data sets of prompts: how they are read, and how they become splits."""

from typing import Protocol, runtime_checkable

from labelbench_ray.datasets import Rows, Table


@runtime_checkable
class RespondedTable(Table, Protocol):
    """A table of prompts, which knows the responses that are written. They are read where they are paid for."""

    def responses(self, rows: Rows) -> list[str | None]:
        """The response to each of these prompts, in this order; None for one that is not written."""
        ...

    def where_to_write(self) -> str:
        """Where missing responses belong, in words: a file and its columns."""
        ...

    def score(self, rows: Rows, answers: list[str]) -> list[float]:
        """How right answers to these prompts are, 0 .. 1."""
        ...
