"""The display of progress on a terminal, without Ray."""

import io

import pytest
from rich.console import Console

from labelbench_ray.progress import meter

WIDTHS = (20, 40, 80, 200)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_bar_is_drawn_before_its_total_is_known_and_after(width: int):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=width)
    with meter(console, "starting workers") as shown:
        shown.bar.refresh()
        shown.show(3, 24, "rounds")
        shown.bar.refresh()
    assert "start" in screen.getvalue()
