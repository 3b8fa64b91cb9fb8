"""One report on several experiments."""

import numpy as np
import pytest
from click.testing import CliRunner

from labelbench_ray.commands import cli
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.experiments import write_grid
from labelbench_ray.ledger.records import Entry, Grid
from labelbench_ray.report import build
from tests.report.conftest import CURVES, Experiment


def written(folder, name, strategies, seeds=5, **fields):
    """An experiment of these strategies, seeds wobbling alike in all experiments."""
    experiment = Experiment(folder / name)
    for strategy in strategies:
        wobble = 0.002 * np.random.default_rng(len(strategy)).normal(size=(seeds, 5))
        for seed in range(seeds):
            experiment.add(strategy, seed, (CURVES[strategy] + 0.01 * seed + wobble[seed]).tolist(), **fields)
    write_grid(experiment.folder, Grid(experiment=name, entries=tuple(experiment.entries)))
    return experiment


def numbers(report):
    (section,) = report.sections
    return {
        row.strategy: (row.final.value, row.difference and row.difference.area_adjusted) for row in section.main.rows
    }


def test_two_experiments_give_the_numbers_of_one(tmp_path):
    first = written(tmp_path, "monday.grid", ["random", "margin"])
    second = written(tmp_path, "friday.grid", ["entropy"])
    one = written(tmp_path / "all", "one.grid", ["random", "margin", "entropy"])
    together = build([first.folder, second.folder])
    assert numbers(together) == numbers(build(one.folder))
    assert together.experiment == "monday.grid and friday.grid"
    assert together.sections[0].verdict.choice == "margin"


def test_a_trial_of_both_counts_once(tmp_path):
    first = written(tmp_path, "monday.grid", ["random", "margin"])
    second = written(tmp_path, "friday.grid", ["random", "entropy"])
    (section,) = build([first.folder, second.folder]).sections
    assert len(section.setting.runs) == 3 * 5


def test_other_first_batches_are_not_ranked_together(tmp_path):
    first = written(tmp_path, "monday.grid", ["random"])
    second = written(tmp_path, "friday.grid", ["margin"], first_batch="coreset")
    sections = build([first.folder, second.folder]).sections
    assert [{row.strategy for row in section.main.rows} for section in sections] == [{"margin"}, {"random"}]


def test_other_embeddings_are_stated(tmp_path):
    first = written(tmp_path, "monday.grid", ["random"])
    second = written(tmp_path, "friday.grid", ["margin"], store="another")
    (section,) = build([first.folder, second.folder]).sections
    assert "Different embeddings" in {caution.title for caution in section.cautions}


def test_two_trials_of_one_seed_are_refused(tmp_path):
    first = written(tmp_path, "monday.grid", ["random"])
    second = written(tmp_path, "friday.grid", ["random"])
    renamed = tuple(Entry(fingerprint=f"v2-{each.fingerprint[:8]}", trial=each.trial) for each in second.entries)
    write_grid(second.folder, Grid(experiment="friday.grid", entries=renamed))
    with pytest.raises(ConfigError, match=r"random, seed 0, is in .* different trials of one recipe"):
        build([first.folder, second.folder])


def test_the_command_writes_one_page(tmp_path):
    for name, strategies in (("monday.grid", ["random"]), ("friday.grid", ["margin"])):
        written(tmp_path, name, strategies)
    places = [str(tmp_path / "monday.grid"), str(tmp_path / "friday.grid")]
    done = CliRunner().invoke(cli.app, ["report", *places])
    assert done.exit_code == 0, done.output
    assert f"report: {tmp_path / 'comparison.html'}" in done.output.replace("\n", "")
    assert "monday.grid and friday.grid" in (tmp_path / "comparison.html").read_text("utf-8")
    named = CliRunner().invoke(cli.app, ["report", *places, "--out", str(tmp_path / "mine.html")])
    assert (named.exit_code, (tmp_path / "mine.html").is_file()) == (0, True)
    below = CliRunner().invoke(cli.app, ["report", str(tmp_path)])
    assert below.exit_code == 0
    assert all((tmp_path / name / "report.html").is_file() for name in ("monday.grid", "friday.grid"))
