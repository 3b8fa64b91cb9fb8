"""The terminal's table, the JSON and the CSV."""

import csv
import io
import json

import numpy as np
import pytest
from rich.console import Console

from labelbench_ray.report import build, curves_csv, render, summarize, words
from labelbench_ray.report.statistics.paired import estimate


def printed(report, width=100):
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(render(report))
    return console.export_text()


def test_the_table_says_the_answer(planted):
    text = printed(build(planted()))
    for phrase in ("Use margin.", "92.0\u00a0% ± ", "not reached", "labels saved", "Worse than random."):
        assert phrase in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_any_width(planted, width):
    assert max(map(len, printed(build(planted()), width).splitlines())) <= width


def test_nothing_at_all(experiment):
    assert "no trial" in printed(build(experiment.write()))


@pytest.mark.parametrize("seeds", [1, 5])
def test_summary_is_strict_json(planted, seeds: int):
    json.loads(json.dumps(summarize(build(planted(seeds=seeds))), allow_nan=False))


def test_summary_holds_the_numbers(planted):
    (setting,) = summarize(build(planted()))["settings"]
    margin = setting["metrics"]["Test Accuracy"]["strategies"]["margin"]
    assert margin["saving"]["fraction"] == pytest.approx(0.5)
    assert margin["final"]["mean"] == pytest.approx(0.92)
    assert margin["final_difference"]["mean"] == pytest.approx(0.12)
    coreset = setting["metrics"]["Test Accuracy"]["strategies"]["coreset"]
    assert (coreset["saving"]["reached"], coreset["saving"]["fraction"]) == (False, None)
    assert setting["seconds"]["margin"] == {"fit": 5.0, "score": 2.5, "cpu": 6.25}


def test_every_point_is_in_the_csv(planted):
    rows = list(csv.DictReader(io.StringIO(curves_csv(build(planted())))))
    assert len(rows) == 4 * 5 * 5 * 2  # strategies, seeds, rounds, metrics
    assert rows[0] | {"value": ""} == {
        "setting": "digits",
        "strategy": "random",
        "seed": "0",
        "state": "done",
        "round": "0",
        "num_labeled": "10",
        "metric": "Test Accuracy",
        "value": "",
    }


def test_numbers_as_people_read_them():
    assert words.percent(0.90312) == "90.3\u00a0%"
    assert words.accuracy(estimate(np.array([0.899, 0.903, 0.907]))) == "90.3\u00a0% ± 1.0"
    assert words.signed(-0.04, 1) == "0.0"
    assert words.signed(-1.26, 1) == "\u22121.3"
    assert [words.p_value(value) for value in (0.0001, 0.004, 0.031, 1.0)] == [
        "p < 0.001",
        "p = 0.004",
        "p = 0.03",
        "p = 1.00",
    ]
    assert [words.seconds(value) for value in (0.421, 12.4, 200, 7500)] == [
        "0.42\u00a0s",
        "12\u00a0s",
        "3\u00a0min 20\u00a0s",
        "2\u00a0h 5\u00a0min",
    ]
    assert words.listed(["a", "b", "c"]) == "a, b and c"
    assert words.listed([]) == ""
