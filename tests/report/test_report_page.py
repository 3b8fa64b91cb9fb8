"""The page: well formed, self-contained, the same each time, sensible for every grid."""

import html
import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from labelbench_ray.costs import Cost
from labelbench_ray.report import build, page, write
from labelbench_ray.report.page.rendering import ASSETS

VOID = {"meta", "br", "link", "img", "input", "hr"}
RELEASED = {
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}
RISING = [0.5, 0.6, 0.7, 0.75, 0.8]


class Checker(HTMLParser):
    """Tags that close in order, ids that occur once, references that exist."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.references, self.texts = [], [], [], []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)
        self._note(attributes)

    def handle_startendtag(self, tag, attributes):
        self._note(attributes)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts.append(data.strip())

    def _note(self, attributes):
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            elif name.endswith("href"):
                self.references.append(value)
            elif value and "url(" in value:
                self.references += re.findall(r"url\((.*?)\)", value)


def check(text):
    checker = Checker()
    checker.feed(text)
    assert not checker.open
    assert len(checker.ids) == len(set(checker.ids))
    assert all(reference.startswith("#") and reference[1:] in checker.ids for reference in checker.references)
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)  # its hash may hold any two letters
    text = re.sub(r"<!--.*?-->|<script>.*?</script>", "", text, flags=re.DOTALL)  # the vendored licence and scripts
    assert "http" not in text
    assert "//" not in re.sub(r"\s", "", text)
    assert "nan" not in {word.lower() for word in re.findall(r"\w+", " ".join(checker.texts))}
    assert "inf" not in re.findall(r"\w+", " ".join(checker.texts))
    return checker


def test_a_full_grid(planted, tmp_path):
    report = build(planted(), stores={"store": Cost(wall=214.0, cpu=400.0)})
    write(report, tmp_path / "new" / "report.html")
    text = (tmp_path / "new" / "report.html").read_text()
    texts = check(text).texts
    assert {"Use margin.", "margin", "50\u00a0%", "not reached", "none", "baseline"} <= set(texts)
    assert "3\u00a0min 34\u00a0s" in text
    assert text.count('<svg role="img" aria-label="') == 7


def test_the_same_ledger_gives_the_same_page(planted):
    folder = planted()
    assert page(build(folder)) == page(build(folder))


@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize("strategies", [("random",), ("margin",), ("margin", "entropy"), ("random", "margin")])
def test_small_grids(planted, strategies, seeds):
    check(page(build(planted(strategies=strategies, seeds=seeds))))


def test_an_empty_grid(experiment):
    assert "The grid has no trials." in check(page(build(experiment.write()))).texts


def test_nothing_finished(experiment):
    experiment.plan("random", 0)
    experiment.add("margin", 0, [], error="ValueError: no")
    texts = check(page(build(experiment.write()))).texts
    assert {"Nothing to compare yet.", "planned", "ValueError: no"} <= set(texts)


def test_one_round(experiment):
    for seed in range(3):
        for strategy in ("random", "margin"):
            experiment.add(strategy, seed, [0.5], rounds=1)
    check(page(build(experiment.write())))


def test_two_settings(experiment):
    for budget in (10, 20):
        for seed in range(3):
            experiment.add("random", seed, RISING, budget=budget)
            experiment.add(
                "margin", seed, [value + 0.1 * (place > 0) for place, value in enumerate(RISING)], budget=budget
            )
    texts = check(page(build(experiment.write()))).texts
    assert texts.count("budget 10") == 2  # in the overview and above its section


def test_many_strategies_and_wicked_names(experiment):
    for number in range(20):
        part = {"name": "badge", "settings": {"note": f"<script>$\\x{number}$</script> & a long name"}}
        experiment.add(part if number else "random", 0, RISING)
    text = page(build(experiment.write()))
    check(text)
    assert text.count("<script>") == 2  # ours


def test_a_browser_uses_nothing_but_the_page_s_own_style_and_scripts(planted):
    text = page(build(planted()))
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', text)
    hashes = {
        tag: " ".join(
            f"'sha256-{b64encode(sha256(each.encode()).digest()).decode()}'"
            for each in re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        )
        for tag in ("style", "script")
    }
    assert html.unescape(policy).split("; ") == [
        "default-src 'none'",
        f"style-src {hashes['style']}",
        f"script-src {hashes['script']}",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    shown = re.sub(r"<(script|style)>.*?</\1>", "", text, flags=re.DOTALL)
    assert not re.search(r"<[^<>]*\s(style|on\w+)=", shown), "a policy by hash forbids them"
    assert text.index("Content-Security-Policy") < text.index("<style>")


def test_what_is_vendored_is_what_was_released():
    """uPlot 1.6.32 as npm has it: `npm pack uplot@1.6.32`, folder `dist`."""
    assert {name: sha256((ASSETS / name).read_bytes()).hexdigest() for name in RELEASED} == RELEASED
    assert "MIT" in (ASSETS / "uPlot.LICENSE").read_text()


def test_our_script_asks_the_network_for_nothing():
    script = (ASSETS / "script.js").read_text()
    assert not re.search(r"https?:|fetch|XMLHttp|WebSocket|import\b|sendBeacon|innerHTML|eval\b|\.src\b", script)


def test_no_name_ends_the_data(experiment):
    for strategy in ("random", {"name": "badge", "settings": {"note": "</script><script>alert(1)</script>"}}):
        experiment.add(strategy, 0, RISING)
    text = page(build(experiment.write()))
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert "</script><script>alert(1)</script>" in json.loads(data)["strategies"]["1"]
    assert text.count("<script") == 3
