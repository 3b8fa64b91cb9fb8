"""The display of progress at several widths and on several kinds of terminals, without Ray."""

import io
import re
import sys
import time
from types import SimpleNamespace

import pytest
from rich.console import Console

from labelbench_ray.console import progress
from labelbench_ray.console.progress import Line, Meter, layout, meter
from tests.terminals import DOTS, screen_after

WIDTHS = (1, 10, 20, 40, 80, 200)
WORDS = "12 of 40 trials done, 2 running; rounds"


class Terminal(io.StringIO):
    """What is written to a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def written(self) -> bytes:
        """As the screen gets it: a terminal's driver adds the return."""
        return self.getvalue().replace("\n", "\r\n").encode()


def console(width: int, **environment: str) -> Console:
    return Console(file=Terminal(), width=width, _environ={"TERM": "xterm"} | environment)


def drawn(console: Console, shown: Meter) -> str:
    """A meter's line as text."""
    with console.capture() as captured:
        console.print(Line(shown), end="")
    return re.sub(r"\x1b\[[\d;]*m", "", captured.get())


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("total", [None, 400, 1_234_567])
@pytest.mark.parametrize("words", ["", "checking", WORDS, "prüfe 数据集 " * 9])
def test_a_meter_is_one_line_whatever_the_width(width: int, total: float | None, words: str):
    shown = Meter(console(width), words, total)
    text = drawn(shown.console, shown)
    assert text.count("\n") <= 1
    assert len(text.strip("\n")) <= width


def test_the_words_give_way_to_the_numbers():
    seen = {width: drawn(console(width), Meter(console(width), WORDS, 400, 120)).strip() for width in (20, 40, 80, 200)}
    assert seen[20].endswith("… 120/400")
    assert seen[40].endswith("120/400 0 s")
    assert re.search(rf"{WORDS} [━╸╺]{{25}} 120/400 0 s$", seen[80])
    assert re.search(rf"{WORDS} [━╸╺]{{40}} 120/400 0 s$", seen[200])
    assert layout(80, len(WORDS), 7, 3)[1] > layout(64, len(WORDS), 7, 3)[1] >= progress.SHORTEST_BAR


def test_the_total_is_in_the_first_frame_and_nothing_stays():
    terminal = console(80)
    with meter(terminal, "embedding, rows", 780):
        pass
    assert "0/780" in terminal.file.getvalue()
    screen = screen_after([terminal.file.written()], 80)
    assert not "".join(screen.display).strip()
    assert not screen.cursor.hidden


def test_lines_that_are_printed_meanwhile_stay_above():
    terminal = console(40)
    with meter(terminal, "embedding, rows", 780) as shown:
        terminal.print("a line")
        shown.show(300, 780, "embedding, rows")
        terminal.print("another")
    kept = [line.strip() for line in screen_after([terminal.file.written()], 40).display if line.strip()]
    assert kept == ["a line", "another"]


def test_the_time_left_is_known_once_a_unit_is_done(monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    shown = Meter(console(80), "starting workers, rounds", 10)
    now = 107.0
    assert shown.time == "7 s"
    shown.show(0, 10, "1 running; rounds")  # what came before was starting up
    now = 109.0
    shown.show(1, 10, "1 running; rounds")
    assert shown.time == "18 s left"
    now = 110.0
    assert shown.time == "17 s left", "it is counted down between reports"
    shown.show(2, 10, "1 running; rounds")
    assert shown.time == "8 s left", "from the first unit on, workers do not start up any more"


def test_a_terminal_that_cannot_draw_a_line_anew_gets_each_phase_as_a_line():
    dumb = console(40, TERM="dumb")
    with meter(dumb, "embedding, rows", 780) as shown:
        shown.show(300, 780, "embedding, rows")
    assert dumb.file.getvalue() == "embedding, rows\n"


def test_no_color_leaves_the_line_without_colors():
    plain = console(40, NO_COLOR="1")
    with meter(plain, "embedding, rows", 780):
        pass
    assert any(dot in plain.file.getvalue() for dot in DOTS)
    assert not re.search(r"\x1b\[3\dm", plain.file.getvalue())


@pytest.mark.parametrize("environment", [{}, {"FORCE_COLOR": "1"}])
def test_a_log_gets_a_line_now_and_then_and_nothing_else(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]):
    log = Console(file=io.StringIO(), width=120, _environ={"TERM": "xterm"} | environment)
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with meter(log, "embedding, rows", 2_000_000) as shown:
        for done in (0, 500_000, 1_000_000):
            now += 6.0
            shown.show(done, 2_000_000, "embedding, rows")
    assert log.file.getvalue() == "embedding, rows: 500,000 of 2,000,000, 18 s left\n"


class Displayed:
    """What a notebook shows: an output that is replaced."""

    def __init__(self) -> None:
        self.outputs: list[list[str]] = []

    def display(self, data: dict[str, str], raw: bool, display_id: bool) -> "Displayed":
        assert raw
        assert display_id
        self.outputs.append([data["text/plain"]])
        return self

    def update(self, data: dict[str, str], raw: bool) -> None:
        assert raw
        self.outputs[-1].append(data["text/plain"])


def test_in_a_notebook_one_output_is_replaced_and_empty_at_the_end(monkeypatch: pytest.MonkeyPatch):
    notebook = Displayed()
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=notebook.display))
    monkeypatch.setattr(progress, "NOTEBOOK_SECONDS", 0.0)
    here = Console(file=io.StringIO(), force_jupyter=True)
    with meter(here, "starting", 4) as shown:
        shown.show(0, 4, "running; rounds")
        shown.show(2, 4, "running; rounds")
        monkeypatch.setattr(progress, "NOTEBOOK_SECONDS", 60.0)
        shown.show(3, 4, "running; rounds")
    with meter(here, "writing"):
        pass
    ((*texts,),) = notebook.outputs
    assert texts[:3] == ["", "starting", "running; rounds: 0 of 4"]
    assert re.fullmatch(r"running; rounds: 2 of 4, \d+ s left", texts[3])
    assert texts[4:] == ["", "writing", ""]


def test_a_quiet_console_shows_nothing_in_a_notebook(monkeypatch: pytest.MonkeyPatch):
    notebook = Displayed()
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=notebook.display))
    with meter(Console(force_jupyter=True, quiet=True), "starting", 4) as shown:
        shown.show(2, 4, "running; rounds")
    assert notebook.outputs == []
