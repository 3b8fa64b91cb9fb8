"""Money, shares and cost_curves by hand; the options that set prices."""

import numpy as np
import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from labelbench_ray.commands import cli
from labelbench_ray.config import FineTune, Part, digest
from labelbench_ray.costs import Cost, Prices
from labelbench_ray.exports.document import document
from labelbench_ray.ledger.finetunes import FineTuneHeader, FineTuneLedger
from labelbench_ray.ledger.state import TrialState
from labelbench_ray.ledger.trials import Failure, write_failure
from labelbench_ray.report import build, page, words
from labelbench_ray.report.cost_tables import cost_table, embedding_table, stage_table
from labelbench_ray.report.costs import Embedding, cost_curve

PRICES = Prices(label=0.5, cpu_hour=36.0, gpu_hour=360.0, currency="EUR")  # 0.01 a CPU second, 0.1 a GPU second
ROUND = {"select": Cost(1.0, 2.0), "fit": Cost(4.0, 3.0, 4.0)}  # 0.05 + 0.4
STORES = {"one": Cost(100.0, 300.0, 20.0, 4_000), "unread": Cost(1e9, 1e9)}


@pytest.fixture
def report(experiment):
    for seed in range(2):
        experiment.add("random", seed, [0.5, 0.6, 0.7], rounds=3, store="one", spent=ROUND)
        experiment.add("margin", seed, [0.5, 0.7, 0.8], rounds=3, store="one", spent=ROUND)
    experiment.add("margin", 2, [0.5], rounds=3, store="one", spent=ROUND)  # unfinished, but it read the store
    return build(experiment.write(), PRICES, STORES)


def test_a_strategy_s_costs_by_hand(report):
    (section,) = report.sections
    line = section.costs[1]
    assert (line.strategy, line.trials, line.labels) == ("margin", 2, 30)
    assert (line.rounds.wall, line.rounds.cpu, line.rounds.gpu) == (15.0, 15.0, 12.0)
    assert line.stages["fit"] == Cost(12.0, 9.0, 12.0)
    assert report.embeddings == {"one": Embedding(STORES["one"], trials=5)}
    assert line.embedding == Cost(20.0, 60.0, 4.0, 800)
    assert PRICES.money(line.spent, line.labels) == pytest.approx(30 * 0.5 + (15 + 60) * 0.01 + (12 + 4) * 0.1)


def test_the_course_by_hand(report):
    (section,) = report.sections
    found = cost_curve("margin", section.setting, section.main.labels, report.embeddings, PRICES)
    np.testing.assert_allclose(found.computing_T, 64 + 9 * np.array([1, 2, 3]))
    np.testing.assert_allclose(found.money_T, 1.0 + np.array([1, 2, 3]) * (5 + 0.45))


def tuned(folder, labels, cpu, recipe=None):
    recipe = recipe or FineTune()
    header = FineTuneHeader(fingerprint=digest(str(recipe)), trial=folder.name, recipe=recipe, store="one")
    FineTuneLedger.open(folder, header).publish(
        labels, "rows", {"Test Accuracy": 0.9}, {"fine-tune": Cost(cpu, cpu)}, {}
    )
    return header.fingerprint


def test_one_full_model_costs_what_those_that_were_trained_did(experiment):
    """A trial without a fine-tune, one at fewer labels and one of another recipe are not averaged in."""
    folders = [experiment.add("random", seed, [0.5, 0.6], rounds=2, spent=ROUND) for seed in range(3)]
    tuned(folders[0], 20, 60.0)
    tuned(folders[1], 20, 40.0)
    tuned(folders[1], 20, 999.0, FineTune(model=Part(name="lora")))
    tuned(folders[2], 10, 1.0)
    report = build(experiment.write(), PRICES)
    line = report.sections[0].costs[0]
    assert (line.tuned.labels, line.tuned.trials, line.finetune.cpu) == (20, 2, 50.0)
    assert "20 labels, of 2 trials" in page(report)


def test_failed_fine_tunes_are_reported_and_leave_the_trial_as_it_is(experiment):
    folder = experiment.add("random", 3, [0.5, 0.6], rounds=2, spent=ROUND)
    write_failure(folder / "finetune" / "0123456789abcdef", Failure(error="OutOfMemory: no\nroom", traceback=""))
    report = build(experiment.write(), PRICES)
    (run,) = report.runs
    assert (run.state, run.finetune_failures) == (TrialState.DONE, ("OutOfMemory: no room",))
    assert "random, seed 3: OutOfMemory: no room" in page(report)


def test_what_is_not_known_is_not_counted_and_said(experiment):
    experiment.add("random", 0, [0.5, 0.6, 0.7], rounds=3, store="elsewhere", spent=ROUND)
    report = build(experiment.write(), PRICES, STORES)
    assert report.embeddings == {}
    assert report.sections[0].costs[0].embedding == Cost()
    assert "not counted" in page(report)
    assert "What embedding costs" not in page(report)


def test_the_tables(report):
    (section,) = report.sections
    table = cost_table(report, section)
    texts = dict(zip(table.head, (cell.text for cell in table.rows[1]), strict=True))
    assert texts["label cost"] == "15.00\u00a0EUR"
    assert texts["compute cost"] == "2.35\u00a0EUR"
    assert texts["total cost"] == "17.35\u00a0EUR"
    assert texts["share of the embedding"] == "1\u00a0min 4\u00a0s"
    assert "full model at the end" not in texts
    stage = dict(zip(stage_table(section).head, stage_table(section).rows[1], strict=True))
    assert stage["fit"].text == "12\u00a0s"
    assert stage["fit"].note == "9.00\u00a0s CPU, 12\u00a0s GPU"
    (embedding,) = embedding_table(report).rows
    assert [cell.text for cell in embedding][-3:] == ["5.00\u00a0EUR", "5", "1.00\u00a0EUR"]


def test_columns_without_anything_are_left_out(experiment):
    experiment.add("random", 0, [0.5, 0.6], rounds=2)
    report = build(experiment.write())
    head = cost_table(report, report.sections[0]).head
    assert not {"GPU time", "share of the embedding", "full model at the end"} & set(head)


def test_records_without_stages_still_cost(experiment):
    old = {"fit": Cost(2.0, 3.0)}
    experiment.add("random", 0, [0.5, 0.6], rounds=2, spent=old)
    report = build(experiment.write(), PRICES)
    assert report.sections[0].costs[0].rounds.cpu == 6.0
    assert document(report)["settings"][0]["costs"][0]["money"] == pytest.approx(20 * 0.5 + 0.06)


def test_the_page_states_the_prices_and_that_they_are_assumed(report):
    text = page(report)
    for phrase in ("0.5\u00a0EUR a\nlabel", "36\u00a0EUR an hour", "360\u00a0EUR an hour", "Prices are assumptions"):
        assert phrase in text
    assert "against money" in text


def test_money_and_sizes_as_people_read_them():
    assert [words.money(value, "USD") for value in (0, 0.004, 0.5, 12.3, 1204.4)] == [
        "0.00\u00a0USD",
        "less than 0.01\u00a0USD",
        "0.50\u00a0USD",
        "12.30\u00a0USD",
        "1,204\u00a0USD",
    ]
    assert [words.size(value) for value in (7, 999, 14_240, 3_400_000, 512_000_000_000)] == [
        "7\u00a0B",
        "999\u00a0B",
        "14.2\u00a0kB",
        "3.4\u00a0MB",
        "512\u00a0GB",
    ]
    assert [words.times(value) for value in (0.344, 5.04, 182.4, 2500)] == ["0.34", "5.0", "182", "2,500"]


@pytest.fixture
def folder(experiment):
    for seed in range(2):
        experiment.add("random", seed, [0.5, 0.6], rounds=2)
    return experiment.write()


def invoke(folder, *options, env=None):
    command = ["report", str(folder), "--store", str(folder / "store"), *options]
    return CliRunner().invoke(cli.app, command, env=env)


def test_prices_are_options_and_variables(folder):
    assert invoke(folder, "--price-per-label", "2", "--currency", "CHF").exit_code == 0
    assert "2\u00a0CHF a\nlabel" in (folder / "report.html").read_text()
    assert invoke(folder, env={"LABELBENCH_PRICE_PER_GPU_HOUR": "7.5"}).exit_code == 0
    assert "7.5\u00a0USD an hour of a GPU" in (folder / "report.html").read_text()
    assert "Prices are assumptions" in (folder / "report.html").read_text()


@pytest.mark.parametrize("option", ["--price-per-label", "--price-per-cpu-hour", "--price-per-gpu-hour"])
def test_bad_prices_are_refused(folder, option):
    refused = invoke(folder, option, "-0.1")
    assert refused.exit_code == 2
    assert option in refused.output
    assert invoke(folder, option, "cheap").exit_code == 2
    assert isinstance(invoke(folder, option, "nan").exception, ValidationError)  # `main` prints it in one line
    assert not (folder / "report.html").exists()


def test_a_store_that_cannot_be_read_is_reported_and_left_out(folder):
    (folder / "store" / "broken").mkdir(parents=True)
    (folder / "store" / "broken" / "manifest.json").write_text("{")
    assert invoke(folder).exit_code == 0
