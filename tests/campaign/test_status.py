"""The status: numbers by hand, the accuracy on the audit rows, a forecast once there is a curve."""

import itertools

import numpy as np
import pytest

from labelbench_ray.campaign.doubt import WEIGHED
from labelbench_ray.campaign.ingest import ingest_files
from labelbench_ray.campaign.standing import chooser_of, curve, learned, predictions, read_standing
from labelbench_ray.campaign.status import Money, campaign_status, describe_status
from labelbench_ray.report.statistics.stopping import cohens_kappa, overall_uncertainty
from tests.campaign.campaigns import Home, make_home, truth, write_photos


@pytest.fixture
def home(tmp_path) -> Home:
    return make_home(tmp_path)


def status(home: Home, **money: float) -> str:
    found = campaign_status(home.campaign, home.folder / "store")
    return "\n".join(describe_status(found, Money("EUR", **money)))


def answer(home: Home, row_ids, **options) -> None:
    home.answer({row_id: truth(row_id) for row_id in row_ids}, **options)


def test_without_answers(home):
    home.propose("b1", 10)
    text = status(home)
    assert "asked: 10 rows in 1 batch, of which 1 only measure the model" in text
    assert "rows: 10 without an answer" in text
    assert "answers: 0 (" in text
    assert "accuracy of the model: unknown; no audit row has a label yet" in text
    assert f"next: label the rest of {home.folder / 'b1'}" in text


def test_models_that_weigh_labels_are_stated_before_one_is_measured(home):
    home.propose("b1", 10, weight_by_confidence=True)
    text = status(home)
    assert "accuracy of the model: unknown" in text
    assert f"models: {WEIGHED}" in text


def test_numbers_and_money(home):
    batch = home.propose("b1", 10).batch
    answer(home, batch.row_ids[:8])
    home.answer(dict.fromkeys(batch.row_ids[:2], "dark"), "ben")
    text = status(home, price=0.5)
    dark = sum(truth(row_id) == "dark" for row_id in batch.row_ids[:8])
    assert "rows: " in text
    assert "at 0.5 EUR each: 5.00 EUR" in text
    assert "answers: 10 by 2 annotators" in text
    assert "agreement: " in text
    assert f"dark {dark}" in text or "disputed" in text


def test_accuracy_is_that_of_the_model_on_the_answered_audit_rows(home):
    for number, budget in enumerate((20, 12)):
        answer(home, home.propose(f"b{number}", budget, reserve=10).batch.row_ids)
    standing = read_standing(home.campaign)
    chooser = chooser_of(standing, home.folder / "store")
    (*_, last) = curve(standing, chooser, learned(standing, chooser))
    known = standing.knowledge()
    model = chooser.model(known, 2)
    audit = [row_id for batch in standing.batches for row_id in batch.audit]
    predicted, _ = predictions(chooser, model, standing.rows.places(audit))
    right = np.mean([known.classes[label] == truth(row_id) for label, row_id in zip(predicted, audit, strict=True)])
    assert last.estimate.answered == len(audit) == 3
    assert last.estimate.accuracy == pytest.approx(right)
    assert not {*known.labeled_L.tolist()} & {*standing.rows.places(standing.reserve).tolist()}
    assert "95 % interval" in status(home)


def test_a_forecast_after_four_measured_batches(home):
    """Of 100 photos; 34 rows of the reserve have labels before a batch asks for them, every third a wrong one."""
    write_photos(home.folder, 60, 40)
    answer(home, home.propose("b0", 8, reserve=50).batch.row_ids)
    for place, row_id in enumerate(read_standing(home.campaign).reserve[1:35]):
        home.answer({row_id: ("dark", "red")[(truth(row_id) == "red") ^ (place % 3 == 0)]})
    for number in range(1, 4):
        answer(home, home.propose(f"b{number}", 8).batch.row_ids)
    text = status(home)
    assert "From 38 answers" in text
    assert "90 % band" in text
    assert "of the last 2 forecasts" in text
    assert "the next 1,000 labels bring about" in text
    assert "a batch of 8 rows costs 4.00 EUR" in status(home, price=0.5, use=1000, harm=1)


def test_a_few_audit_answers_forecast_nothing(home):
    for number in range(4):
        answer(home, home.propose(f"b{number}", 8, reserve=10).batch.row_ids)
    text = status(home, price=0.5, use=1000, harm=1)
    assert "forecast: not known yet: 4 audit rows have a label, " in text
    assert "a forecast needs 30 of them, 10 errors and 10 correct ones" in text
    assert "costs" not in text
    assert "band" not in text


def test_embeddings_that_are_elsewhere_leave_the_rest(home):
    answer(home, home.propose("b1", 10).batch.row_ids)
    lines = describe_status(campaign_status(home.campaign, home.folder / "elsewhere"), Money("EUR"))
    assert any("the embeddings are not here" in line for line in lines)
    assert any("10 with a label" in line for line in lines)


def test_ingested_files_count_the_same(home):
    batch = home.propose("b1", 10).batch
    path = home.folder / "all.csv"
    path.write_text("row_id,label\n" + "".join(f"{row_id},{truth(row_id)}\n" for row_id in batch.row_ids))
    ingest_files(home.campaign, [path])
    assert "rows: 10 with a label" in status(home)


def test_criteria_wait_for_batches_and_then_state_their_values(home):
    answer(home, home.propose("b0", 8, reserve=4).batch.row_ids)
    text = status(home)
    assert "stabilizing predictions: not known yet; it compares 4 models in a row" in text
    assert "classification change: not known yet; it compares the models of two batches; 1 so far" in text
    assert "overall uncertainty: 0." in text
    for number in range(1, 4):
        answer(home, home.propose(f"b{number}", 8).batch.row_ids)
    found = campaign_status(home.campaign, home.folder / "store")
    kappa, change, uncertainty = found.criteria
    chooser = chooser_of(found.standing, home.folder / "store")
    models = [each.model for each in learned(found.standing, chooser)]
    rows_ND = chooser.embedded.pool.embeddings_ND
    before_N, now_N = (each.probabilities(rows_ND).argmax(axis=1) for each in models[-2:])
    labeled = [*found.standing.found.labels]
    assert {*labeled} & {*found.standing.reserve}  # rows that measure have labels, too
    open_N = np.setdiff1d(np.arange(40), found.standing.rows.places(labeled))
    assert change.value == pytest.approx((before_N != now_N)[open_N].mean())
    predictions_TN = [each.probabilities(rows_ND).argmax(axis=1) for each in models]
    pairs = itertools.pairwise(predictions_TN)
    assert kappa.value == pytest.approx(np.mean([cohens_kappa(*pair) for pair in pairs]))
    assert uncertainty.value == pytest.approx(overall_uncertainty(models[-1].probabilities(rows_ND[open_N])), abs=1e-6)
    assert f"classification change: {change.value:.4f} (the share of rows" in status(home)
    assert status(home).count("would stop") + status(home).count("would go on") == 3


def test_criteria_about_rows_without_a_label_have_no_value_once_there_is_none(home):
    for number in range(2):
        answer(home, home.propose(f"b{number}", 20, reserve=4).batch.row_ids)
    text = status(home)
    assert "classification change: not known yet; every row has a label" in text
    assert "overall uncertainty: not known yet; every row has a label" in text
    assert "would stop" not in text


def test_criteria_need_no_audit_rows(home):
    answer(home, home.propose("b0", 8, reserve=0).batch.row_ids)
    text = status(home)
    assert "unknown; the campaign has no audit rows" in text
    assert "overall uncertainty: 0." in text
