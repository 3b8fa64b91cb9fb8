"""A campaign asks for the rows that the trial with the same answers asks for; its file states the batch, too."""

from pathlib import Path

import numpy as np
import pytest

from labelbench_ray.campaign.choosing import Chooser, Knowledge, where_alone
from labelbench_ray.campaign.propose import Request, propose
from labelbench_ray.campaign.record import read_batches
from labelbench_ray.config import Part, vary
from labelbench_ray.plugins import build
from labelbench_ray.strategies import PACKAGE, Strategy, names
from labelbench_ray.trial import parts
from tests.campaign.campaigns import Home as CampaignHome
from tests.campaign.campaigns import InProcess, campaign_of
from tests.oracles.campaigns import CLASSES, TRIAL, make_campaign, truth
from tests.oracles.campaigns import Campaign as Trials
from tests.samples import make_embedded


@pytest.mark.parametrize("strategy", ["margin", "coreset", "badge", "class_balanced(strategy=margin)"])
def test_rows_and_files_are_those_of_the_trial_with_the_same_answers(tmp_path: Path, strategy: str):
    part = Part.of("class_balanced", strategy=Part.of("margin")) if "(" in strategy else Part(name=strategy)
    home = make_campaign(tmp_path)
    trial = vary(TRIAL, strategy=part, first_batch="typiclust", trainer="logistic")
    people = Trials(home, trial)
    campaign = campaign_of(trial, CLASSES, tmp_path)
    folder = tmp_path / "runs" / "texts.campaign"
    answers = CampaignHome(tmp_path, name="texts.campaign")
    for number in range(trial.rounds):
        assert people.step()
        out = tmp_path / f"b{number}"
        request = Request(campaign, frozenset(), trial.budget, trial.strategy, out, reserve=0)
        batch = propose(folder, request, home.environment, InProcess(), lambda done, total: None).batch
        assert [row["row_id"] for row in people.batch()] == [*batch.row_ids]
        assert without_batch((out / "batch.csv").read_text(), batch.id) == (people.directory / "batch.csv").read_text()
        people.answer()
        answers.answer({row_id: truth(row_id) for row_id in batch.row_ids})
    assert people.step() == ""
    recorded = [record.proxy for record in people.records]
    assert [batch.model for batch in read_batches(folder, campaign.model_copy())] == ["", *recorded[:-1]]


def without_batch(written: str, batch: str) -> str:
    """The file without the column that states the batch."""
    header, *rows = written.splitlines(keepends=True)
    assert all(f",{batch}," in row for row in rows)
    return "".join([header.replace(",batch,", ","), *(row.replace(f",{batch},", ",") for row in rows)])


def known(embedded, labeled: list[int], pending: list[int], closed: list[int]) -> Knowledge:
    ids = np.array(labeled, np.int64)
    labels = embedded.pool.labels_N[ids]
    return Knowledge(embedded.classes, ids, labels, np.array(pending, np.int64), np.array(closed, np.int64))


@pytest.mark.parametrize("strategy", ["margin", "coreset", "typiclust", "badge", "alfa_mix", "uncertainty_herding"])
def test_rows_that_await_a_label_and_rows_that_measure_are_never_chosen(strategy: str):
    embedded = make_embedded()
    chooser = Chooser(parts.build(vary(TRIAL, strategy=strategy, trainer="logistic")), embedded)
    here = known(embedded, [0, 1, 2, 3, 4, 5], [*range(6, 40)], [*range(40, 70)])
    model = chooser.model(here, 1)
    chosen = chooser.choose(here, model, 1, 50)
    assert sorted(chosen.tolist()) == [*range(70, 120)]


def test_rows_that_await_a_label_count_as_centers():
    embedded = make_embedded()
    chooser = Chooser(parts.build(vary(TRIAL, strategy="coreset", trainer="logistic")), embedded)
    pending = [10, 20, 30, 40]
    awaiting = known(embedded, [0, 1, 2], pending, [])
    view = chooser.view(awaiting, chooser.model(awaiting, 1), chooser.built.strategy)
    assert sorted(view.labeled_L.tolist()) == [0, 1, 2, *pending]
    answered = known(embedded, [0, 1, 2, *pending], [], [])
    model = chooser.model(awaiting, 1)
    assert (chooser.choose(awaiting, model, 1, 9) == chooser.choose(answered, model, 1, 9)).all()


def test_a_strategy_that_reads_labels_sees_those_that_people_gave_alone():
    embedded = make_embedded()
    chooser = Chooser(parts.build(vary(TRIAL, strategy="alfa_mix", trainer="logistic")), embedded)
    here = known(embedded, [0, 1, 2], [10, 20], [])
    view = chooser.view(here, chooser.model(here, 1), chooser.built.strategy)
    assert view.labeled_L.tolist() == [0, 1, 2]
    assert view.labels_L.tolist() == embedded.pool.labels_N[:3].tolist()


@pytest.mark.parametrize("name", names())
def test_strategies_that_state_to_read_places_alone_do(name: str):
    """With other labels on the same rows they choose the same rows."""
    strategy = _built(name)
    if strategy is None or not strategy.labels_as_places:
        return
    embedded = make_embedded()
    chooser = Chooser(parts.build(vary(TRIAL, strategy=name, trainer="logistic")), embedded)
    here = known(embedded, [*range(12)], [], [])
    model = chooser.model(here, 1)
    other = Knowledge(here.classes, here.labeled_L, (here.labels_L + 1) % 3, here.pending_P, here.closed_C)
    assert where_alone(strategy)
    assert (chooser.choose(here, model, 1, 8) == chooser.choose(other, model, 1, 8)).all()


def _built(name: str) -> Strategy | None:
    try:
        return build(Strategy, PACKAGE, Part(name=name))
    except ValueError:
        return None
