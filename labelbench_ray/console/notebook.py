"""A line of progress in a notebook: one output, replaced while it changes. It needs no widgets."""

import importlib
from collections.abc import Callable
from functools import lru_cache

from rich.console import Console


@lru_cache(maxsize=1)
def notebook_line(console: Console) -> Callable[[str], None]:
    """What replaces the text of a line in the cell that runs: one line for all that this console shows.

    For processes that IPython runs in.
    """
    display = importlib.import_module("IPython.display").display
    handle = display({"text/plain": ""}, raw=True, display_id=True)

    def show(text: str) -> None:
        handle.update({"text/plain": text}, raw=True)

    return show
