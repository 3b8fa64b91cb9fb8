"""The terminal's table and the JSON."""

import io
import json
import re

import numpy as np
import pytest
from rich.console import Console

from labelbench_ray.exports.document import document
from labelbench_ray.report import build, page, render, strategy_lines, words
from labelbench_ray.report.statistics.paired import estimate
from labelbench_ray.report.statistics.savings import saving
from tests.report.conftest import CURVES


def printed(report, width=100):
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(render(report))
    return console.export_text()


def test_the_table_says_the_answer(planted):
    text = printed(build(planted()))
    for phrase in ("Use margin.", "92.0\u00a0% ± ", "none", "labels saved", "Worse than random."):
        assert phrase in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_any_width(planted, width):
    assert max(map(len, printed(build(planted()), width).splitlines())) <= width


def lines(text, names):
    """The table's lines of these strategies."""
    return [line for line in text.splitlines() if line.split(" ", 1)[0] in names]


def test_one_line_a_strategy_at_80_columns_by_the_gain(planted):
    found = lines(printed(build(planted()), 80).replace("\u00a0", " "), CURVES)
    assert [line.split()[0] for line in found] == ["margin", "entropy", "random", "coreset"]
    assert re.fullmatch(r"entropy +85\.0+ % ± \S+ +\+\S+ \[\+\S+, \+\S+\] +< 0\.001 +20 % \[\d+, \d+\] *", found[1])
    assert re.fullmatch(r"random +80\.0\S* % ± \S+ +\u2013 +\u2013 +\u2013 *", found[2])
    assert found[3].split()[-1] == "none"


def test_long_names_of_strategies_keep_to_one_line_where_they_fit(experiment):
    names = ("random", "uncertainty_herding", "most_likely_positive")
    for place, strategy in enumerate(names):
        for seed in range(5):
            experiment.add(strategy, seed, [0.5, 0.6, 0.7, 0.75, 0.8 + 0.02 * place + 0.001 * seed**place])
    text = printed(build(experiment.write()), 80)
    assert [line.split()[0] for line in lines(text, names)] == list(reversed(names))


def test_without_a_baseline_there_are_no_empty_columns(planted):
    text = printed(build(planted(strategies=("margin", "entropy"))), 80)
    assert "gain over" not in text
    assert "labels saved" not in text
    assert [line.split()[:3] for line in lines(text, ("margin", "entropy"))[:2]] == [
        ["margin", "5", "92.0"],
        ["entropy", "5", "85.0"],
    ]


def test_a_wider_terminal_shows_more(planted):
    report = build(planted())
    wide, narrow = (printed(report, width) for width in (160, 80))
    assert "gain at the end" in wide
    assert "gain at the end" not in narrow
    assert len(lines(wide, CURVES)) == len(lines(narrow, CURVES)) == 4


def test_savings_in_brackets():
    labels_T = np.array([10.0, 20.0, 30.0])
    random_ST = np.array([[0.5, 0.6, 0.7]] * 3) + np.array([[0.0], [0.01], [0.02]])
    noise_ST = np.array([[0.0, 0.02, -0.01], [0.01, -0.02, 0.01], [-0.01, 0.01, 0.02]])
    found = saving(labels_T, random_ST + noise_ST, random_ST)
    assert (found.fraction, found.part(found.high_labels)) == (pytest.approx(0.02, abs=0.02), float("-inf"))
    assert re.fullmatch(r"\d %\ \[none, \d+\]", strategy_lines.saved(found).replace("\u00a0", " "))
    assert strategy_lines.saved(saving(labels_T, random_ST - 0.3, random_ST)) == "none"
    assert strategy_lines.saved(saving(labels_T, random_ST + 0.3, random_ST)) == "\u226567\u00a0%"
    assert strategy_lines.saved(saving(labels_T, random_ST[:, ::-1], random_ST[:, ::-1])) == "nothing to save"


def test_without_a_baseline_the_pairs_are_shown(planted, experiment):
    text = printed(build(planted(strategies=("margin", "entropy", "coreset"))))
    assert "less strategy" in text
    assert "p after Holm over all" in text
    assert "Strategies against each other" in page(build(experiment.folder))


def test_with_a_baseline_pairs_are_not_shown(planted, experiment):
    assert "less strategy" not in printed(build(planted()))
    assert "Strategies against each other" not in page(build(experiment.folder))


def test_nothing_at_all(experiment):
    assert "no trial" in printed(build(experiment.write()))


@pytest.mark.parametrize("seeds", [1, 5])
def test_the_document_is_strict_json(planted, seeds: int):
    json.loads(json.dumps(document(build(planted(seeds=seeds))), allow_nan=False))


def test_the_document_holds_the_numbers(planted):
    found = document(build(planted()))
    rows = {row["strategy"]: row for row in found["savings"] if row["decides"]}
    assert rows["margin"]["saved"] == pytest.approx(0.5)
    assert rows["margin"]["final"] == pytest.approx(0.92)
    assert rows["margin"]["final_gain"] == pytest.approx(0.12)
    assert (rows["coreset"]["reached"], rows["coreset"]["saved"]) == (False, None)
    (setting,) = found["settings"]
    costs = {cost["strategy"]: cost for cost in setting["costs"]}
    assert costs["margin"]["stages"]["fit"]["wall"] == 5.0
    assert costs["margin"]["rounds"]["cpu"] == 6.25


def test_numbers_as_people_read_them():
    assert words.percent(0.90312) == "90.3\u00a0%"
    assert words.accuracy(estimate(np.array([0.899, 0.903, 0.907]))) == "90.3\u00a0% ± 1.0"
    small = [0.00411, 0.00412, 0.00413]  # likelihoods of whole answers
    assert words.accuracy(estimate(np.array(small))) == "0.412\u00a0% ± 0.002"
    assert words.points(estimate(np.array(small) - 0.004)) == "+0.012 (+0.010 to +0.014)"
    assert words.accuracy(estimate(np.array(small[:1]))) == "0.411\u00a0%"
    assert words.accuracy(estimate(np.array([0.5, 0.5, 0.5]))) == "50.00\u00a0% ± 0.00"
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
