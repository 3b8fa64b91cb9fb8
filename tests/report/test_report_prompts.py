"""Ten designs on prompts with a random two-layer model, tiny: selection, fine-tunes and the report."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from labelbench_ray.api.report import write_report
from labelbench_ray.api.run_plan import run_plan
from labelbench_ray.commands.finetune import finetune
from labelbench_ray.config import vary
from labelbench_ray.costs import ASSUMED
from labelbench_ray.environment import Environment
from labelbench_ray.planning import experiment, plan
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.report import render
from labelbench_ray.report.page.prompt_tables import (
    choice_table,
    coverage_table,
    overlap_table,
    prompt_tables,
    quality_table,
)
from labelbench_ray.report.sections import Report, build
from tests.full_trials import make_store
from tests.small_language_model import write_language_model

EXPERIMENT = Path(__file__).parents[2] / "experiments" / "sft.py"
TUNED = ("random", "task_round_robin")
"""The designs whose language models are fine-tuned here: each takes seconds."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("reasoning_gym")
    top = tmp_path_factory.mktemp("sft")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LABELBENCH_SFT_MODEL", str(write_language_model(top / "model")))
        found = experiment.load(f"{EXPERIMENT}:here", shrink=True)
    first = [trial for trial in found.trials if trial.seed == 0]
    assert len(first) == 10
    environment = Environment(top / "runs", top / "store", top, f"sqlite:///{top / 'mlflow.db'}", executor="local")
    console = Console(file=io.StringIO(), width=200)
    make_store(first[0], top / "store", top)  # in this process: a child that decodes imports transformers again
    assert run_plan(plan.plan(_only(found, first), environment), environment, console) == 0, console.file.getvalue()
    tuned = [trial for trial in first if trial.strategy.name in TUNED]
    assert finetune(plan.plan(_only(found, tuned), environment), environment, console) == 0, console.file.getvalue()
    again = plan.plan(_only(found, first), environment)
    assert not again.missing
    assert run_plan(again, environment, console) == 0
    write_report(again.folder, again.folder / "report.html", console, ASSUMED, environment.store)
    return again.folder


def _only(found: Experiment, trials: list) -> Experiment:
    return replace(found, trials=tuple(trials))


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    return build(folder)


def test_designs_share_one_setting_and_are_compared_by_their_fine_tuned_models(report: Report):
    (section,) = report.sections
    assert section.setting.recipe["first_batch"] == "the strategy"
    assert section.main is not None
    assert section.main.noun == "response likelihood"
    assert {row.strategy for row in section.main.rows} == set(TUNED)
    assert "No accuracy" not in section.verdict.headline


def test_the_terminal_heads_the_fine_tunes_with_the_likelihood(report: Report):
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(render(report))
    text = console.export_text()
    assert f"{report.sections[0].setting.metrics[0]}, beside the proxy's" in text
    assert "Test Accuracy, beside" not in text


def test_first_batches_that_differ_by_design_are_no_mistake(folder: Path, report: Report):
    """Designs choose all at once, so they share no first batch, which the caution "Not paired" is about."""
    (section,) = report.sections
    assert len({run.records[0].chosen for run in section.setting.compared}) > 1
    assert "Not paired" not in [each.title for each in section.cautions]
    page = (folder / "report.html").read_text()
    assert "Gains are paired by seed." in page
    assert "lucky" not in page


def test_quality_is_shown_by_prompts_and_by_response_tokens(report: Report):
    table = quality_table(report.sections[0].setting)
    assert [row[0].text for row in table.rows] == list(TUNED)
    assert all(row[1].text == "25" and float(row[2].text) > 25 for row in table.rows)
    assert all(0 <= float(row[3].text) < 1 < float(row[4].text) for row in table.rows)


def test_tasks_lengths_and_overlaps_of_all_ten_designs(report: Report):
    setting = report.sections[0].setting
    chosen = {row[0].text: row for row in choice_table(setting).rows}
    assert len(chosen) == 10
    assert chosen["task_round_robin"][2].text == "8.0"
    assert -1 <= float(chosen["mean_token_entropy"][4].text) <= 1
    assert chosen["random"][5].text == "–"  # noqa: RUF001
    covered = coverage_table(setting)
    assert len(covered.head) == 9
    robin = next(row for row in covered.rows if row[0].text == "task_round_robin")
    assert {cell.text.split()[0] for cell in robin[1:]} == {"12", "16"}
    overlaps = overlap_table(setting)
    places = {name: place for place, name in enumerate(overlaps.head)}
    matrix = {row[0].text: row for row in overlaps.rows}
    assert matrix["random"][places["coreset"]].text == matrix["coreset"][places["random"]].text


def test_shares_and_overlaps_are_heat_maps(folder: Path, report: Report):
    setting = report.sections[0].setting
    shades = [cell.shade for row in coverage_table(setting).rows for cell in row[1:]]
    assert any(cell.shade for row in overlap_table(setting).rows for cell in row)
    assert not any(cell.shade for row in choice_table(setting).rows for cell in row)
    assert all(shade is not None and 0 <= shade <= 1 for shade in shades)
    assert sum(shades) == pytest.approx(10), "each of the ten designs' shares add up"
    assert 'class="shade-' in (folder / "report.html").read_text()


def test_a_selection_that_is_the_same_with_every_seed_has_no_variance(report: Report):
    setting = report.sections[0].setting
    explained = {title: text for title, text, _ in prompt_tables(setting)}
    title = "How far designs choose the same prompts"
    assert "variance" not in explained[title], "there is one seed"
    second = [replace(run, trial=vary(run.trial, seed=1)) for run in setting.runs]
    others = [
        replace(run, records=(run.records[-1].model_copy(update={"chosen": (0,)}),))
        if run.strategy == "random"
        else run
        for run in second
    ]
    twice = {name: text for name, text, _ in prompt_tables(replace(setting, runs=(*setting.runs, *others)))}
    assert "mean_token_entropy" in twice[title]
    assert "random" not in twice[title]
    assert "the variance of that selection is 0, not small" in twice[title]


def test_the_page_has_the_tables(folder: Path):
    page = (folder / "report.html").read_text()
    for title in ("Quality by prompts and by response tokens", "Which prompts the designs choose", "by task"):
        assert title in page
