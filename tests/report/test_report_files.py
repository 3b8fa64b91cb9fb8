"""The tables beside a page: written with it, linked from it, and read by spreadsheets."""

import csv
import io
import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
from rich.console import Console

from labelbench_ray.api.report import HOLDS, write_report, write_tables
from labelbench_ray.costs import ASSUMED
from labelbench_ray.ledger.experiments import read_grid, write_grid
from labelbench_ray.report import build, page
from labelbench_ray.report.curves import read


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))


def linked(text: str) -> list[str]:
    return [unquote(unescape(each)) for each in re.findall(r'<a href="(tables/[^"]+)"', text)]


@pytest.mark.parametrize("place", ["runs/report.html", "elsewhere/my report.html"])
def test_the_page_links_its_tables(planted, tmp_path: Path, place: str):
    folder, path = planted(), tmp_path / place
    write_report(folder, path, Console(quiet=True), ASSUMED, tmp_path / "no store")
    files = linked(path.read_text("utf-8"))
    assert [name.rsplit(".", 2)[1] for name in files] == list(HOLDS)
    assert all((path.parent / name).is_file() for name in files)
    trials = rows(path.parent / "tables/test.grid.trials.csv")
    assert {(row["strategy"], row["seed"]) for row in trials} >= {("margin", "0"), ("random", "4")}
    savings = rows(path.parent / "tables/test.grid.savings.csv")
    (margin,) = (row for row in savings if row["strategy"] == "margin" and row["decides"] == "true")
    assert float(margin["saved"]) == pytest.approx(0.5)
    assert len(rows(path.parent / "tables/test.grid.rounds.csv")) == 4 * 5 * 5


def test_an_experiment_without_trials_has_tables_without_rows(experiment, tmp_path: Path):
    write_report(experiment.write(), tmp_path / "report.html", Console(quiet=True), ASSUMED, tmp_path)
    assert rows(tmp_path / "tables/test.grid.rounds.csv") == []


def test_a_name_that_leaves_the_folder_writes_nothing(planted, tmp_path: Path):
    folder = planted(strategies=("random",), seeds=1)
    write_grid(folder, read_grid(folder).model_copy(update={"experiment": "../../outside"}))
    assert write_tables(read(folder), tmp_path / "page") == {}
    assert not (tmp_path / "page").exists()


def test_a_page_without_tables_links_none(planted):
    assert linked(page(build(planted(strategies=("random",), seeds=1)))) == []
