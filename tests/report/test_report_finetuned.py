"""Fine-tuned accuracies by budget: by hand, and as shown on the page, the terminal and in JSON."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from labelbench_ray.config import FineTune
from labelbench_ray.exports.document import document
from labelbench_ray.ledger.finetunes import FineTuneHeader, FineTuneLedger
from labelbench_ray.report import page, render
from labelbench_ray.report.curves import read
from labelbench_ray.report.fidelity import CORRELATION
from labelbench_ray.report.finetuned import finetuned
from labelbench_ray.report.sections import compose
from labelbench_ray.report.threshold import GAP, OVERLAP
from tests.report.test_report_across import RECIPE, interval, point, with_finetunes
from tests.report.test_report_page import check

PROXY = [[0.50, 0.60, 0.70], [0.52, 0.64, 0.70], [0.51, 0.62, 0.73]]
FULL = [0.55, 0.60, 0.62]
OTHER = "lora, supervised"


def points(run):
    """On 10 labels; on 15, between two rounds; and on 30 for the first seed and another recipe alone."""
    seed = run.trial.seed
    fidelity = {OVERLAP: 0.3, CORRELATION: 0.5, GAP: 0.05}
    last = (point(30, 0.9, 60.0, recipe=OTHER),) if seed == 0 else ()
    return (point(10, FULL[seed], 30.0, **fidelity), point(15, 0.7, 30.0), *last)


@pytest.fixture
def tuned(experiment):
    """Three seeds by proxy and by the full model in every round."""
    for seed, accuracies in enumerate(PROXY):
        experiment.add("margin", seed, accuracies, rounds=3)
        experiment.add("margin", seed, accuracies, rounds=3, proxy="full_model")
        experiment.add("margin", seed, accuracies, rounds=3, trainer="warm_start")
    return with_finetunes(read(experiment.write()), points)


def setting(tuned):
    """The one with the linear proxy from scratch."""
    return next(
        each for each in tuned.settings if (each.trial.proxy.name, each.trial.trainer.name) == ("linear", "supervised")
    )


def test_means_and_paired_differences_by_hand(tuned):
    first, between, other = finetuned(setting(tuned))
    assert [(each.recipe, each.labels) for each in (first, between, other)] == [(RECIPE, 10), (RECIPE, 15), (OTHER, 30)]
    assert (first.accuracy.low, first.accuracy.high) == pytest.approx(interval(FULL))
    assert first.proxy.value == pytest.approx(0.51)
    gains = [full - proxy[0] for full, proxy in zip(FULL, PROXY, strict=True)]
    assert (first.gain.low, first.gain.high) == pytest.approx(interval(gains))
    assert (between.accuracy.value, between.proxy, between.gain) == (pytest.approx(0.7), None, None)
    assert (other.accuracy.seeds, other.proxy.value) == (1, pytest.approx(0.70))


def test_a_full_model_without_a_test_accuracy_is_left_out(tuned):
    nameless = with_finetunes(tuned, lambda run: (point(10, None, 1.0),))
    assert finetuned(setting(nameless)) == ()


def with_hits(experiment, seeds=3, rows=40):
    """Fine-tunes on disk whose hits of test rows, like those of the rounds, are kept."""
    rng, kept = np.random.default_rng(0), []
    hard_N = rng.random(rows)
    for seed in range(seeds):
        proxy_TN, full_N = hard_N + rng.random((2, rows)) < [[1.1], [1.2]], hard_N + rng.random(rows) < 1.4
        folder = experiment.add("margin", seed, proxy_TN.mean(axis=1).tolist(), rounds=2, hits=proxy_TN)
        header = FineTuneHeader(fingerprint="f" * 16, trial=folder.name, recipe=FineTune(), store="store")
        metrics = {"Test Accuracy": float(full_N.mean())}
        FineTuneLedger.open(folder, header).publish(
            20, "c", metrics, {}, {"b": np.zeros(1, np.float32)}, {"Test": full_N}
        )
        kept.append((full_N, proxy_TN[1]))
    return experiment.write(), np.array(kept, np.float64)


def test_intervals_include_the_test_rows_of_fine_tunes(experiment):
    """By hand: seeds and rows, less what both have."""
    folder, hits_S2N = with_hits(experiment)
    (found,) = finetuned(read(folder).settings[0])
    for each, values_SN in ((found.accuracy, hits_S2N[:, 0]), (found.gain, hits_S2N[:, 0] - hits_S2N[:, 1])):
        seeds, rows = values_SN.shape
        rest_SN = values_SN - values_SN.mean(axis=0) - values_SN.mean(axis=1, keepdims=True) + values_SN.mean()
        rest = np.square(rest_SN).sum() / ((seeds - 1) * (rows - 1)) / (seeds * rows)
        added = max(values_SN.mean(axis=0).var(ddof=1) / rows - rest, 0)
        assert each.value == pytest.approx(values_SN.mean())
        assert (each.test_rows, each.row_error) == (rows, pytest.approx(added**0.5))
    assert found.accuracy.row_error > 0
    assert found.proxy.test_rows == 40
    assert found.intervals == "Intervals include the noise of 40 test rows."
    report = compose(read(folder))
    assert found.intervals in printed(report)
    assert found.intervals in " ".join(check(page(report)).texts)


def test_without_hits_of_one_fine_tune_they_are_over_seeds_only(experiment):
    folder, hits_S2N = with_hits(experiment)
    next(folder.glob("*/finetune/*/000020.hits")).unlink()
    (found,) = finetuned(read(folder).settings[0])
    assert (found.accuracy.low, found.accuracy.high) == pytest.approx(interval(hits_S2N[:, 0].mean(axis=1).tolist()))
    assert found.gain.test_rows == 0
    assert found.intervals == (
        "Intervals are over seeds only: 1 of 3 trials did not record which rows are right (older versions did not)."
    )


def test_damaged_hits_of_a_fine_tune_are_named(experiment):
    folder, _ = with_hits(experiment)
    path = next(folder.glob("*/finetune/*/000020.hits"))
    path.write_bytes(path.read_bytes()[:-1])
    (found,) = finetuned(read(folder).settings[0])
    assert found.intervals.startswith(f"Intervals are over seeds only: {path}: is not a file of hits")


def printed(report, width=120):
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(render(report))
    return console.export_text()


def test_the_terminal_shows_accuracies_and_ratios(tuned):
    text = printed(compose(tuned))
    for phrase in (
        f"Fine-tuned: {RECIPE}",
        f"Fine-tuned: {OTHER}",
        "Test Accuracy, beside the proxy's",
        "proxy linear",
        "59.0\u00a0% ± ",
        "Compute time of the rounds, full_model ÷ linear: ",
        "its fine-tune alone: ",
    ):
        assert phrase in text
    assert max(map(len, printed(compose(tuned), 60).splitlines())) <= 60


def test_without_fine_tunes_nothing_is_shown(planted):
    report = compose(read(planted()))
    assert "Fine-tuned" not in printed(report)
    assert "Fine-tuned full models" not in check(page(report)).texts
    assert document(report)["settings"][0]["finetunes"] == []


def test_the_page_has_a_table_for_each_recipe(tuned):
    texts = check(page(compose(tuned))).texts
    assert "Fine-tuned full models" in texts
    assert {RECIPE, OTHER, "full model less proxy"} <= set(texts)


def test_the_summary_is_strict_json_with_all_that_is_known(tuned):
    found = json.loads(json.dumps(document(compose(tuned)), allow_nan=False))
    (mine,) = [each for each in found["settings"] if each["recipe"] == setting(tuned).recipe]
    first, between, _ = mine["finetunes"]
    assert (first["labels"], first["accuracy"]["value"]) == (10, pytest.approx(0.59))
    assert (between["labels"], between["proxy"], between["gain"]) == (15, None, None)
    (fidelity,) = [each for each in found["fidelity"] if each["setting"] == setting(tuned).recipe]
    assert fidelity["lines"][0]["overlap"]["value"] == pytest.approx(0.3)
    assert found["fidelity_threshold"] is None
    assert found["continual"][0]["fit"]["value"] == pytest.approx(1.0)
    assert found["continual"][0]["accuracy"]["value"] == 0
    parts = {(part["field"], part["level"]) for part in found["contributions"][0]["parts"]}
    assert parts == {("proxy", "full_model"), ("trainer", "warm_start")}
    assert [each["setting"]["trainer"] for each in found["selection_via_proxy"]] == ["supervised", "warm_start"]
