"""`labelbench registry check --reproduce`: one trial is run again, and its rows, labels and metrics are compared."""

from dataclasses import replace

import pytest
from click.testing import CliRunner

from benchmarks.synthetic_ledgers import write_ledgers
from labelbench_ray.api.reproduce import TOLERANCE, first_difference, sampled, tolerance
from labelbench_ray.api.run import run
from labelbench_ray.commands.cli import app
from labelbench_ray.config import Part, Trial, grid
from labelbench_ray.ledger.origin import machine
from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.registry.check import Checked, Tier, check
from labelbench_ray.registry.pack import pack
from labelbench_ray.registry.trials import RegistryTrial
from labelbench_ray.trial import parts

TRIAL = Trial(
    dataset=Part.of("digits", max_rows=200),
    encoder="pixels",
    strategy="margin",
    seed=1,
    rounds=2,
    budget=10,
    trainer=Part.of("supervised", epochs=2),
)


def test_a_trial_that_chooses_the_same_rows_again_is_reproduced(tmp_path):
    places = {"store": tmp_path / "store", "data_root": tmp_path / "data"}
    outcome = run([TRIAL], name="a", runs=tmp_path / "runs", executor="local", progress=False, **places)
    assert outcome.done
    packed = pack([outcome.folder], tmp_path / "P", tmp_path / "store", "")
    words = ["registry", "check", *map(str, packed.paths), "--reproduce"]
    tiers = ["--tiers", str(tmp_path / "owner.tiers.parquet")]
    words += [*tiers, "--store", str(tmp_path / "store"), "--data-root", str(tmp_path / "data")]
    ended = CliRunner().invoke(app, words, standalone_mode=False)
    assert ended.exception is None, ended.output
    assert "P: 1 trial: 1 reproduced" in ended.output
    (found,) = check(packed.paths)
    assert {*found.tiers.values()} == {Tier.CHECKED}
    for command, expected in ((["registry", "check"], "1 trial: 1 reproduced"), (["leaderboard"], "wrote")):
        page = ["--out", str(tmp_path / "page.html")] if command == ["leaderboard"] else []
        later = CliRunner().invoke(app, [*command, *map(str, packed.paths), *tiers, *page], standalone_mode=False)
        assert later.exception is None, later.output
        assert expected in later.output
    assert "1 reproduced, 174 imported" in (tmp_path / "page.html").read_text()
    assert found.checked[0].submission.machine in ("", machine())


@pytest.fixture(scope="module")
def submission(tmp_path_factory) -> Checked:
    """Six trials with made-up numbers, as a submission."""
    folder = tmp_path_factory.mktemp("packed")
    base = Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=3, budget=4)
    trials = grid(base, strategy=["random", "margin"], seed=range(3))
    write_ledgers(folder / "runs" / "a.b", trials, lambda trial: parts.build(trial).fingerprint)
    (found,) = check(pack([folder / "runs" / "a.b"], folder / "P", folder / "store", "").paths)
    return found


def with_round(trial: RegistryTrial, number: int, **fields: object) -> RegistryTrial:
    """The trial with other values in one of its rounds."""
    records = [*trial.records]
    records[number] = RoundRecord.model_validate(records[number].model_dump() | fields)
    return replace(trial, records=tuple(records))


def test_rows_labels_and_metrics_must_all_come_out_the_same(submission):
    trial = submission.checked[0]
    last = trial.records[2]
    assert first_difference(trial, trial, 0) == ""
    first, second, *others = last.chosen
    rows = with_round(trial, 2, chosen=(first, 1_000_000, *others))
    assert f"round 2, row 2: its ledger states row {second}, here it chooses 1000000" in first_difference(
        trial, rows, 0
    )
    label = last.labels[0]
    labels = with_round(trial, 2, labels=("x", *last.labels[1:]))
    expected = f"round 2, label of row {first}: its ledger states {label}, here it is x"
    assert expected in first_difference(trial, labels, 0)
    forged = with_round(trial, 2, metrics=last.metrics | {"Test Accuracy": last.metrics["Test Accuracy"] + 0.1})
    for allowed in (0, TOLERANCE):
        difference = first_difference(forged, trial, allowed)
        assert difference.startswith(f"trial {trial.fingerprint}, round 2, Test Accuracy: its ledger states ")
        assert f"here it is {last.metrics['Test Accuracy']!r}" in difference
    fewer = with_round(trial, 2, metrics={name: 1.0 for name in last.metrics if name != "Test Loss"})
    assert "Test Loss: its ledger states" in first_difference(trial, fewer, 2)


def test_the_last_bits_of_metrics_may_differ_on_another_compute_path(submission):
    trial = submission.checked[0]
    record = trial.records[1]
    close = with_round(trial, 1, metrics={name: value * (1 + 1e-6) for name, value in record.metrics.items()})
    assert "round 1, " in first_difference(trial, close, 0)
    assert first_difference(trial, close, TOLERANCE) == ""
    here = replace(trial, submission=trial.submission.model_copy(update={"machine": machine()}))
    assert tolerance(here, here) == 0
    elsewhere = replace(trial, submission=trial.submission.model_copy(update={"machine": "another"}))
    assert tolerance(elsewhere, here) == TOLERANCE
    for fields in ({"compute": "another"}, {"store": "f" * 16}):
        assert tolerance(here, replace(here, header=here.header.model_copy(update=fields))) == TOLERANCE
    assert tolerance(here, with_round(here, 1, versions={"numpy": "0.1"})) == TOLERANCE


def test_no_file_of_a_submission_decides_which_trial_is_run_again(submission):
    for number, trial in enumerate(submission.checked):
        assert sampled(submission, lambda count, number=number: number if count == 6 else -1) is trial
    assert len({sampled(submission).fingerprint for _ in range(100)}) > 1
