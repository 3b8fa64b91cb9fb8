"""What README states about the quickstart is what the quickstart prints; README stays a page."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from labelbench_ray import strategies
from labelbench_ray.api.run_plan import run_plan
from labelbench_ray.environment import Environment
from labelbench_ray.planning import experiment, plan

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
MOST_LINES = 150
MINUS = "\N{MINUS SIGN}"
NUMBER = re.compile(rf"(?<![\w.])[+{MINUS}]?\d+(?:\.\d+)?")
TOLERANCE = 0.3
"""Of every number of the table, in points or percent: processors round differently, and choices may differ with it."""


@pytest.mark.parametrize("page", ["README.md", "docs/install.md", "docs/quickstart.md"])
def test_pages_that_make_an_environment_state_how_its_command_is_found(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    assert re.search(r"make (setup|quickstart)", text)
    assert "`. .venv/bin/activate`" in text


def table(printed: str) -> dict[str, list[float]]:
    """The numbers of each strategy's line."""
    lines = re.findall(r"^(margin|confidence|entropy|random) +(\d.*)$", printed, re.MULTILINE)
    return {name: [float(each.replace(MINUS, "-")) for each in NUMBER.findall(rest)] for name, rest in lines}


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `make quickstart` prints; without Ray, which changes no number."""
    folder = tmp_path_factory.mktemp("quickstart")
    here = Environment(folder / "runs", folder / "store", folder / "data", "http://127.0.0.1:9", executor="local")
    console = Console(file=io.StringIO(), width=110)
    planned = plan.plan(experiment.load(str(ROOT / "experiments" / "quickstart.py")), here)
    assert run_plan(planned, here, console) == 0
    return console.file.getvalue()


def test_the_table_of_the_quickstart(printed: str) -> None:
    stated, found = table(README), table(printed)
    assert list(stated) == list(found), "sorted by the gain over random"
    assert len(stated) == 4
    for name, numbers in stated.items():
        assert numbers == pytest.approx(found[name], abs=TOLERANCE), name


def answer(printed: str) -> str:
    """What precedes the table, whatever the width that it was printed at."""
    (found,) = re.findall(r"^digits  (Use .*?)^strategy ", printed, re.MULTILINE | re.DOTALL)
    return " ".join(found.split())


def test_the_answer_of_the_quickstart(printed: str) -> None:
    stated, found = answer(README), answer(printed)
    assert NUMBER.sub("0", stated) == NUMBER.sub("0", found)
    for number, other in zip(NUMBER.findall(stated), NUMBER.findall(found), strict=True):
        assert float(number) == pytest.approx(float(other), rel=0.02, abs=TOLERANCE)


def test_the_number_of_strategies() -> None:
    numbers = re.findall(r"query strategies for pools \| (\d+)|shows the (\d+) that come along", README)
    assert [int(one or other) for one, other in numbers] == [len(strategies.names())] * 2


def test_it_is_a_page() -> None:
    assert len(README.splitlines()) <= MOST_LINES
