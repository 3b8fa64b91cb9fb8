"""What people named reaches a terminal and a page as text, never as commands to it."""

import io
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as draw
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from labelbench_ray import report
from labelbench_ray.commands import cli, status
from labelbench_ray.config import Part, Trial
from labelbench_ray.console.escaping import UNSAFE, SafeConsole, escaped
from labelbench_ray.console.progress import meter
from labelbench_ray.ledger.experiments import write_grid
from labelbench_ray.ledger.records import Entry, Grid
from labelbench_ray.ledger.trials import Failure, Header, Ledger, write_failure
from tests.test_ledger import publish

NASTY = "a\x1b[31mred\x1b]0;title\x07 \u202egnp.exe\u2066 \x9b2J \x7f [/bold] :smile: \u2028"
"""Colors, a window's title, a text that runs backwards, the C1 form of an escape, markup of rich's, a new line."""
characters = draw.text(draw.characters(codec=None), max_size=40)


def safe(width: int = 200) -> SafeConsole:
    return SafeConsole(file=io.StringIO(), width=width, force_terminal=True, color_system=None)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(console: Console) -> str:
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@given(characters)
def test_what_is_escaped_holds_nothing_unsafe_and_loses_nothing_else(text: str):
    assert not UNSAFE.search(escaped(text))
    codes = {each: f"\\x{ord(each):02x}" if ord(each) < 256 else f"\\u{ord(each):04x}" for each in text}
    assert "".join(codes[each] if UNSAFE.match(each) else each for each in text) == escaped(text)
    escaped(text).encode()  # a lone surrogate could not be written


def test_ordinary_text_stays():
    text = "Käse \u00e9 \u4e2d\u6587 \u0627\u0644\u0639\u0631\u0628\u064a\u0629 \U0001f600\tand\nlines \u00a0%"
    assert escaped(text) == text


def test_codes_are_those_of_python():
    assert escaped("\x1b[31m\u202e\x9b\x00\r") == "\\x1b[31m\\u202e\\x9b\\x00\\x0d"


@given(characters)
def test_no_way_of_printing_lets_a_character_through(text: str):
    console = safe()
    table = Table(text, "plain", caption=text)
    table.add_row(text, Text(text, style="bold"))
    table.add_row(Text.assemble((text, "red"), text), Padding(text, 1))
    console.print(text)
    console.print(text, markup=False, soft_wrap=True, highlight=False, style="red")
    console.print(Group(Text(text), table))
    assert not UNSAFE.search(printed(console).replace("\n", ""))


def test_a_bar_s_words_are_escaped():
    console = SafeConsole(file=Terminal(), width=200, force_terminal=True, color_system=None)
    with meter(console, f"embedding {NASTY}") as shown:
        shown.show(1, 2, f"decoding {NASTY}")
    text = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", printed(console)).replace("\r", "").replace("\n", "")
    assert not UNSAFE.search(text), "apart from the bar's own movements of the cursor"
    assert "\\x1b[31mred\\x1b]0;title" in text
    assert "]0;title" not in printed(console).replace("\\x1b]0;title", "")


def test_styles_stay_in_place_around_what_is_escaped():
    console = SafeConsole(file=io.StringIO(), width=80, force_terminal=True, color_system="standard")
    console.print(Text.assemble("plain ", ("b\x1bold", "bold"), " plain"))
    assert printed(console) == "plain \x1b[1mb\x1b[0m\x1b[1m\\x1b\x1b[0m\x1b[1mold\x1b[0m plain\n"


def test_brackets_in_names_are_no_markup():
    console = safe()
    console.print("path=[/data] [bold]x[/bold] :smile:")
    assert printed(console) == "path=[/data] [bold]x[/bold] :smile:\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An experiment in which a strategy's setting, a data set's and an error hold what a terminal would act on."""
    folder = tmp_path / "runs" / "study.study"
    entries = []
    for strategy in ("random", NASTY.replace("\n", "")):
        trial = Trial(
            dataset=Part.of("digits", path=NASTY), encoder="pixels", strategy=strategy, seed=0, rounds=4, budget=4
        )
        name = f"{len(entries)}" * 16
        entries.append(Entry(fingerprint=name, trial=trial))
        header = Header(fingerprint=name, trial=trial, store="s", compute="c", versions={})
        with Ledger.open(folder / name, header) as ledger:
            for number in range(3):
                publish(ledger, number)
        write_failure(folder / name, Failure(error=f"ValueError: {NASTY}", traceback=NASTY))
    write_grid(folder, Grid(experiment="study.study", entries=tuple(entries)))
    return folder


def test_status_and_report_print_names_as_text(folder: Path):
    for command in (["status", str(folder)], ["report", str(folder)]):
        said = CliRunner().invoke(cli.app, command)
        assert said.exit_code == 0, said.output
        assert not UNSAFE.search(said.output.replace("\n", "")), command
    console = safe()
    console.print(status.table(status.read(folder)))
    console.print(report.render(report.build(folder)))
    assert "\\x1b[31mred" in printed(console)
    assert not UNSAFE.search(printed(console).replace("\n", ""))


def test_the_page_holds_names_as_text(folder: Path):
    text = report.page(report.build(folder))
    assert not UNSAFE.search(text.replace("\n", ""))
    assert "\\x1b[31mred" in text


def test_an_error_names_what_it_refuses_as_text(monkeypatch: pytest.MonkeyPatch, capsys: Any):
    monkeypatch.setattr(sys, "argv", ["labelbench", "plan", f"no/{NASTY}.py"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert not UNSAFE.search(said.replace("\n", ""))
    assert "\\x1b[31mred" in said
