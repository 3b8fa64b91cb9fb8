"""The report of trials with several labels a row: mAP decides, and is named, everywhere."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from labelbench_ray import tasks
from labelbench_ray.exports.document import document
from labelbench_ray.ledger.records import RoundRecord, Traits
from labelbench_ray.report import build, render
from labelbench_ray.report.page import page
from labelbench_ray.storage.checksummed import from_checked_json, to_checked_json

TASK = tasks.create("multi_label")
RANDOM, MARGIN = (0.50, 0.60, 0.65, 0.70), (0.50, 0.65, 0.70, 0.72)


@pytest.fixture
def studied(experiment) -> Path:
    """Margin saves labels by mAP; by accuracy, which is recorded too, it is worse."""
    for strategy, curve in (("random", RANDOM), ("margin", MARGIN)):
        for seed in range(5):
            reached = [value + 0.002 * (seed % 3) + 0.001 * (strategy == "margin") * (seed % 2) for value in curve]
            add(experiment, strategy, seed, reached)
    return experiment.write()


def add(experiment, strategy: str, seed: int, reached: list[float]) -> None:
    folder = experiment.add(strategy, seed, [0.9 - value / 10 for value in reached], traits=Traits(metrics=TASK.shown))
    for number, value in enumerate(reached):
        path = folder / "rounds" / f"{number:03d}.json"
        record = from_checked_json(RoundRecord, path)
        metrics = record.metrics | {"Test mAP": value, "Pool mAP": value - 0.01}
        path.write_bytes(to_checked_json(record.model_copy(update={"metrics": metrics})))


def printed(folder: Path) -> str:
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(render(build(folder)))
    return console.export_text()


def test_the_terminal_compares_by_map(studied):
    text = printed(studied)
    assert "Use margin." in text
    assert "final mAP" in text
    assert "By mean test mAP over the learning curve" in text
    assert "It reaches random's highest mean mAP (70" in text
    assert "accuracy" not in text.lower()


def test_the_page_names_map_and_draws_it_first(studied):
    text = page(build(studied))
    shown = re.sub(r"<[^>]+>", " ", re.sub(r"<(style|script|title|desc).*?</\1>", " ", text, flags=re.DOTALL))
    shown = shown.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    assert "Labels saved at the highest mean mAP of random" in shown
    assert "the highest of the baseline's mean mAP values" in shown
    assert shown.index("Test mAP") < shown.index("Pool mAP")
    assert not re.search("accurac", shown.replace("Labeling Accuracy", ""), re.IGNORECASE)


def test_savings_and_curves_are_of_map(studied):
    report = build(studied)
    assert report.sections[0].main is not None
    assert report.sections[0].main.metric == "Test mAP"
    found = json.loads(json.dumps(document(report), allow_nan=False))
    assert {row["metric"] for row in found["savings"] if row["decides"]} == {"Test mAP"}
    assert "Test Accuracy" not in {row["metric"] for row in found["savings"]}
    assert "Test mAP" in found["rounds"][0]
