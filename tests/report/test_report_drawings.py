"""What the page draws: ticks that state what they mark, labels that keep apart, looks that differ, sorted forests."""

import re
import shutil
import subprocess
from html import unescape

import numpy as np
import pytest

from labelbench_ray.report import build, page
from labelbench_ray.report.page.palette import styles
from labelbench_ray.report.page.scales import ticks
from labelbench_ray.report.page.svg import apart
from tests.report.conftest import CURVES

CHROMIUM = shutil.which("chromium")


@pytest.mark.parametrize(
    ("low", "high", "most", "whole", "texts"),
    [
        (2.0, 15.0, 6, False, ["2.5", "5.0", "7.5", "10.0", "12.5", "15.0"]),
        (2, 15, 6, True, ["5", "10", "15"]),
        (30, 300, 6, True, ["50", "100", "150", "200", "250", "300"]),
        (500, 12_000, 6, True, ["2,000", "4,000", "6,000", "8,000", "10,000", "12,000"]),
        (0, 0.003, 4, False, ["0.000", "0.001", "0.002", "0.003"]),
        (-1.1, 4.4, 6, False, ["\u22121", "0", "1", "2", "3", "4"]),
        (1, 3, 6, True, ["1", "2", "3"]),
    ],
)
def test_ticks(low, high, most, whole, texts):
    assert [tick.text for tick in ticks(low, high, most, whole=whole)] == texts


def test_the_text_of_a_tick_is_its_value():
    rng = np.random.default_rng(0)
    for _ in range(300):
        low, span = rng.normal() * 10 ** rng.uniform(-3, 5), 10 ** rng.uniform(-4, 6)
        found = ticks(low, low + span, 6)
        assert 2 <= len(found) <= 7
        for tick in found:
            stated = float(tick.text.replace(",", "").replace("\u2212", "-"))
            assert stated == pytest.approx(tick.value, rel=1e-9, abs=1e-9 * span)
            assert low - 1e-9 * span <= tick.value <= low + span * (1 + 1e-9)


def test_labels_keep_apart_in_their_order_and_near_what_they_want():
    rng = np.random.default_rng(0)
    for count in range(1, 15):
        wanted = rng.uniform(0, 200, count).tolist()
        found = apart(wanted, 14, 0, 200)
        order = np.argsort(wanted, kind="stable")
        assert np.all(np.diff(np.array(found)[order]) >= 14 - 1e-9)
        assert min(found) >= 0
        assert max(found) <= 200 + 1e-9
    assert apart([10, 100, 50], 14, 0, 200) == [10, 100, 50]
    assert apart([50, 50, 50], 10, 0, 200) == [40, 50, 60]
    assert apart([0, 0], 10, 0, 200) == [0, 10]
    assert apart([], 10, 0, 200) == []


def test_looks_are_distinct():
    names = [f"s{number}" for number in range(256)]
    looks = styles(["baseline", *names], "baseline")
    drawn = {(look.color, look.dash, look.marker) for look in looks.values()}
    assert len(drawn) == 257
    assert len({(looks[name].color, looks[name].dash) for name in names[:32]}) == 32
    assert len({looks[name].color for name in names[:8]}) == 8


def series(text, figure):
    """The strategies in color and those in gray, of one figure."""
    drawing, *_ = re.findall(rf'<svg [^>]*data-figure="{re.escape(figure)}".*?</svg>', text, re.DOTALL)
    curves = re.findall(r'<g class="curve [\w-]+( on)?".*?class="end">(.*?)</text>', drawing, re.DOTALL)
    return [name for on, name in curves if on], [name for on, name in curves if not on]


def test_of_many_strategies_the_best_five_and_the_baseline_are_in_color(experiment):
    for number in range(12):
        part = {"name": "badge", "settings": {"batch": number}} if number else "random"
        for seed in range(3):
            gain = 0.01 * number + 0.001 * seed * (number % 3)
            experiment.add(part, seed, [0.5, 0.6 + gain, 0.7 + gain, 0.75 + gain, 0.8 + gain])
    text = page(build(experiment.write()))
    for figure in ("1.0.value", "1.0.gain"):
        shown, gray = series(text, figure)
        baseline = ["random"] if figure == "1.0.value" else []
        assert set(shown) == {*baseline, *(f"badge(batch={number})" for number in range(7, 12))}
        assert len(gray) == 6
    assert "In color: the 5 best strategies\nand random; the others are gray." in text


def test_the_forest_comes_first_sorted_by_the_gain(planted):
    text = page(build(planted()))
    assert text.index("Gain over random") < text.index("Learning curves") < text.index("Labels saved at")
    (forest, *_) = re.findall(r'<table class="sortable forest-table">(.*?)</table>', text, re.DOTALL)
    names = re.findall(r'<th scope="row">(\w+)', forest)
    assert names == ["margin", "entropy", "random", "coreset"]
    assert re.findall(r'<svg class="forest (\w+)"', forest) == ["better", "better", "baseline", "worse"]
    places = [float(place) for place in re.findall(r'<circle cx="([\d.]+)%"', forest)]
    assert places == sorted(places, reverse=True)


def test_without_a_baseline_the_page_compares_pairs(planted):
    text = page(build(planted(strategies=("margin", "entropy", "coreset"))))
    assert text.index("Strategies against each other") < text.index("Learning curves")
    assert '<table class="sortable forest-table">' not in text
    assert "gain over" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)


def test_an_interval_that_runs_out_of_the_forest_is_marked(experiment):
    for seed, (random, margin) in enumerate([(0.2, 0.9), (0.8, 0.1), (0.5, 0.6)]):
        experiment.add("random", seed, [0.5, random], rounds=2)
        experiment.add("margin", seed, [0.5, margin], rounds=2)
    text = page(build(experiment.write()))
    (forest, *_) = re.findall(r'<table class="sortable forest-table">(.*?)</table>', text, re.DOTALL)
    assert forest.count('class="beyond"') == 2
    for x1, x2 in re.findall(r'<line x1="([\d.]+)%" x2="([\d.]+)%"', forest):
        assert 0 <= float(x1) <= float(x2) <= 100


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_a_browser_runs_the_script_under_the_page_s_policy(planted, tmp_path):
    assert CHROMIUM
    path = tmp_path / "report.html"
    path.write_text(page(build(planted())))
    line = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    options = ["--virtual-time-budget=2000", "--enable-logging=stderr", "--dump-dom", path.as_uri()]
    ended = subprocess.run([*line, *options], capture_output=True, text=True, check=True, timeout=120)
    assert "Content Security Policy" not in ended.stderr
    assert "Uncaught" not in ended.stderr
    shown = unescape(ended.stdout)
    assert '<html lang="en" class="script">' in shown
    assert shown.count('role="button"') == len(CURVES)
    assert '<button type="button" title="Sort">labels saved</button>' in shown
