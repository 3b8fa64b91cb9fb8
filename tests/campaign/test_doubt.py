"""Rows that are asked again, and labels that count by their confidence."""

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from labelbench_ray.answers.events import Answer
from labelbench_ray.answers.log import AnswerLog
from labelbench_ray.campaign.batch_files import MANIFEST
from labelbench_ray.campaign.ingest import ingest_files
from labelbench_ray.campaign.label_studio import batch_of_tasks
from labelbench_ray.campaign.next_step import open_batch, open_rows
from labelbench_ray.campaign.page.tables import facts
from labelbench_ray.campaign.standing import read_standing
from labelbench_ray.campaign.status import Money, campaign_status, describe_status, worth_lines
from labelbench_ray.campaign.tool_files import check_tool
from labelbench_ray.campaign.words import describe_proposal
from labelbench_ray.config import Part
from labelbench_ray.errors import ConfigError
from labelbench_ray.report.statistics.forecast import Forecast
from tests.campaign.campaigns import Home, make_home, rows, truth

TEAM = ("ann", "ben", "eve")


@pytest.fixture
def home(tmp_path) -> Home:
    return make_home(tmp_path)


def other(label: str) -> str:
    return "red" if label == "dark" else "dark"


def eve_errs(name: str, row_id: str, asked: list[str]) -> bool:
    return name == "eve"


def eve_errs_at_times(name: str, row_id: str, asked: list[str]) -> bool:
    return name == "eve" and int(row_id[-6:-4]) % 4 < 2


def the_second_errs(name: str, row_id: str, asked: list[str]) -> bool:
    return name != asked[0]


def answer_all(
    home: Home, out: str, errs: Callable[[str, str, list[str]], bool] = eve_errs, team: Sequence[str] = TEAM
) -> None:
    """Everybody answers their file of a batch."""
    files = {name: home.folder / out / f"batch.{name}.csv" for name in team}
    listed = {name: rows(path.read_bytes()) for name, path in files.items()}
    asked: dict[str, list[str]] = {}
    for name in team:
        for row in listed[name]:
            asked.setdefault(row["row_id"], []).append(name)
    for name, path in files.items():
        lines = ["row_id,batch,label,annotator\n"]
        for row in listed[name]:
            row_id, label = row["row_id"], truth(row["row_id"])
            label = other(label) if errs(name, row_id, asked[row_id]) else label
            lines.append(f'"{row_id}",{row["batch"]},{label},{name}\n')
        path.write_text("".join(lines))
    assert ingest_files(home.campaign, [*files.values()]).ingested.rejected == ()


def propose(home: Home, out: str, budget: int = 12, **fields):
    return home.propose(out, budget, **{"annotators": TEAM, "overlap": 2, "max_answers": 3} | fields)


def test_rows_whose_answers_leave_doubt_are_asked_again_of_somebody_else(home):
    first = propose(home, "b1").batch
    assert (first.again, first.max_answers, len(first.row_ids)) == ({}, 3, 12)
    answer_all(home, "b1")
    answers = {}
    for event in AnswerLog(home.campaign / "answers.parquet").read().to_pylist():
        answers.setdefault(event["row_id"], {})[event["annotator"]] = event["labels"][0]
    disputed = {row_id for row_id, by in answers.items() if len({*by.values()}) == 2}
    assert disputed
    proposal = propose(home, "b2")
    again = proposal.batch.again
    # 24 answers are bought; a quarter of them may go to rows that are asked again.
    assert len(again) == min(6, len(disputed))
    assert {*again} <= disputed
    assert all(name not in answers[row_id] for row_id, name in again.items())
    assert proposal.batch.answers_to_get <= 24
    assert proposal.batch.new_rows == 12 - -(-len(again) // 2)
    # Each is in the file of the one who is asked, and in no other.
    listed = {name: [r["row_id"].lstrip("'") for r in rows(home.files("b2")[f"batch.{name}.csv"])] for name in TEAM}
    assert {row_id: [name for name in TEAM if row_id in listed[name]] for row_id in again} == {
        row_id: [name] for row_id, name in again.items()
    }
    counts = Counter(row_id for name in TEAM for row_id in listed[name])
    assert {counts[row_id] for row_id in proposal.batch.row_ids if row_id not in again} == {2}
    manifest = json.loads(home.files("b2")[MANIFEST])
    assert (manifest["max_answers"], manifest["asked_again"]) == (3, len(again))
    assert not any(row_id in str(manifest) for row_id in again)
    assert propose(home, "b2").batch == proposal.batch


def test_a_third_answer_settles_a_row_and_none_gets_a_fourth(home):
    propose(home, "b1")
    answer_all(home, "b1")
    second = propose(home, "b2").batch
    standing = read_standing(home.campaign)
    assert {*standing.found.awaited} == {*second.again}
    assert {*second.again} <= {*open_rows(standing, standing.batches[1])}
    third = propose(home, "b3").batch
    assert not {*third.again} & {*second.again}, "their answers are still to come"
    answer_all(home, "b2")
    standing = read_standing(home.campaign)
    assert not {*standing.found.awaited} & {*second.again}
    assert {standing.found.labels[row_id] == (truth(row_id),) for row_id in second.again} == {True}
    last = propose(home, "b4", 6).batch
    assert not {*last.again} & {*second.again}
    answer_all(home, "b3")
    answer_all(home, "b4")
    assert open_batch(read_standing(home.campaign)) is None


def test_a_row_asked_of_somebody_who_left_goes_to_somebody_else(home):
    propose(home, "b1", annotators=TEAM[:2], max_answers=None)
    answer_all(home, "b1", the_second_errs, TEAM[:2])
    left = propose(home, "b2").batch
    assert {*left.again.values()} == {"eve"}
    same_team = propose(home, "b3", 4).batch
    assert not {*same_team.again} & {*left.again}, "eve may still answer"
    new_team = propose(home, "b4", annotators=("ann", "ben", "ida")).batch
    assert {*left.again} <= {*new_team.again}
    assert {*new_team.again.values()} == {"ida"}
    standing = read_standing(home.campaign)
    assert {name for row_id, name in standing.found.awaited.items() if row_id in new_team.again} == {"ida"}
    assert not {*open_rows(standing, standing.batches[1])} & {*new_team.again}, "these await ida's answers alone"
    answer_all(home, "b4", lambda *_: False, ("ann", "ben", "ida"))
    standing = read_standing(home.campaign)
    assert not {*standing.found.awaited} & {*new_team.again}
    assert {standing.found.labels[row_id] == (truth(row_id),) for row_id in left.again} == {True}
    assert not {*propose(home, "b5", 4, annotators=("ann", "ben", "ida", "kim")).batch.again} & {*new_team.again}


def test_a_pool_without_new_rows_can_be_asked_again_alone(home):
    propose(home, "b1", 40, annotators=TEAM[:2], max_answers=None)
    answer_all(home, "b1", lambda name, row_id, asked: name == "ben" and int(row_id[-6:-4]) < 9, TEAM[:2])
    with pytest.raises(ConfigError, match=r"--budget 6: .* have 0 left .* and 9 in doubt, .* each; give at most 5"):
        propose(home, "b2", 6)
    part = propose(home, "b2", 2).batch
    assert (len(part.again), part.new_rows, part.audit) == (4, 0, ())
    assert part == propose(home, "b2", 2).batch
    proposal = propose(home, "b3", 3)
    rest = proposal.batch
    assert {*rest.row_ids} == {*rest.again}
    assert len({*part.again, *rest.again}) == 9
    assert [row["row_id"].lstrip("'") for row in rows(home.files("b3")["batch.eve.csv"])] == [*rest.row_ids]
    assert any(
        "5 rows of 40, none of them new: all rows" in line for line in describe_proposal(proposal, home.campaign)
    )
    with pytest.raises(ConfigError, match="have 0 left for a batch; add rows to the pool, or export the labels"):
        propose(home, "b4", 1)
    answer_all(home, "b2", lambda *_: False)
    answer_all(home, "b3", lambda *_: False)
    assert len(read_standing(home.campaign).found.labels) == 40


def test_the_next_step_is_to_ask_again_where_no_new_row_is_left(home):
    propose(home, "b1", 40)
    answer_all(home, "b1", lambda name, row_id, asked: name == asked[0] and int(row_id[-6:-4]) < 9)
    status = campaign_status(home.campaign, home.folder / "store")
    assert "propose" in status.steps[0].command
    assert "--budget 5" in status.steps[0].command
    propose(home, "b2", 5)
    again = campaign_status(home.campaign, home.folder / "store")
    gains_RM = np.full((20, 2), 0.01)
    ahead = Forecast(np.array([50.0, 80.0]), np.full(2, 0.8), np.full(2, 0.7), np.full(2, 0.9), gains_RM, 1.0, 1, 1)
    lines = [*worth_lines(replace(again, forecast=ahead), Money("EUR", 0.1, 1000, 1))]
    assert lines[0].startswith("a batch of 40 rows costs 8.00 EUR"), "like the last batch that had new rows"


def test_the_next_batch_does_not_depend_on_the_order_of_answers(home, tmp_path):
    first = propose(home, "b1").batch
    events = []
    for place, row_id in enumerate(first.row_ids):
        for name in (TEAM[place % 3], TEAM[(place + 1) % 3]):
            label = other(truth(row_id)) if name == "eve" else truth(row_id)
            fields = {"answer_id": f"{row_id} {name}", "revision": "1", "tool": "test", "batch": first.id}
            events.append(Answer(row_id=row_id, annotator=name, labels=(label,), **fields))
    batches = []
    for seed in range(3):
        (home.campaign / "answers.parquet").unlink(missing_ok=True)
        (home.campaign / "batches" / "001.json").unlink(missing_ok=True)
        shuffled = random.Random(seed).sample(events, len(events))
        for part in (shuffled[:5], shuffled[5:]):
            AnswerLog(home.campaign / "answers.parquet").append(part)
        batches.append(propose(home, "b2").batch)
        for path in (home.folder / "b2").iterdir():
            path.unlink()
    assert batches[0].again
    assert batches[1:] == batches[:1] * 2


def test_rows_that_measure_are_asked_again_like_others_and_nothing_shows_which(home):
    first = propose(home, "b1", 10).batch
    answer_all(home, "b1", the_second_errs)
    second = propose(home, "b2", 20).batch
    assert len(first.audit) == 1
    assert {*second.again} == {*first.row_ids}
    assert second.new_rows == 15
    assert not {*second.audit} & {*first.audit}
    assert b"audit" not in b"".join(home.files("b2").values())


def test_without_doubt_nobody_is_asked_again(home):
    propose(home, "b1")
    answer_all(home, "b1", lambda *_: False)
    proposal = propose(home, "b2")
    assert proposal.batch.again == {}
    assert any("no row is asked again" in line for line in describe_proposal(proposal, home.campaign))


def test_the_default_writes_what_it_always_wrote(home):
    batch = home.propose("b1", annotators=TEAM, overlap=2, max_answers=2).batch
    stored = json.loads((home.campaign / "batches" / "000.json").read_text())
    assert not {"again", "max_answers"} & {*stored, *json.loads(home.files("b1")[MANIFEST])}
    assert "weight_by_confidence" not in json.loads((home.campaign / "campaign.json").read_text())
    assert batch == home.propose("b1", annotators=TEAM, overlap=2).batch


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"max_answers": 1}, "--max-answers 1: is below --overlap 2"),
        ({"max_answers": 4}, "--max-answers 4: each of the 3 annotators answers a row once; give at most 3"),
        ({"annotators": (), "overlap": 1}, "somebody who did not answer it, so they need names; give --annotators"),
    ],
)
def test_numbers_of_answers_that_cannot_be(home, fields, words):
    with pytest.raises(ConfigError, match=words):
        propose(home, "b1", **fields)
    assert not (home.campaign / "campaign.json").exists()


def test_tools_that_cannot_ask_one_annotator_are_refused(home):
    with pytest.raises(ConfigError, match="--to argilla: Argilla decides who answers"):
        check_tool("argilla", home.campaign, home.request("b1", 6).campaign, max_answers=3)
    propose(home, "b1", classes=("dark", "red"))
    answer_all(home, "b1")
    propose(home, "b2")
    with pytest.raises(ConfigError, match=r"batch 1: asks \d rows again, each of one annotator"):
        batch_of_tasks(home.campaign, home.folder / "store", "title")


def test_status_and_page_state_how_many_and_why(home):
    propose(home, "b1", weight_by_confidence=True)
    answer_all(home, "b1")
    proposal = propose(home, "b2")
    assert any("of them have answers that leave doubt" in line for line in describe_proposal(proposal, home.campaign))
    status = campaign_status(home.campaign, home.folder / "store")
    count = len(proposal.batch.again)
    stated = (
        f"{count} times, for rows whose answers left doubt (disputed, or a label less likely than 90 %), up to 3 "
        f"answers a row; {count} of these answers are still to come"
    )
    lines = describe_status(status, Money("EUR"))
    assert f"asked again: {stated}" in lines
    assert dict(facts(status, Money("EUR")))["asked again"] == stated
    assert any("--max-answers 3" in step.command for step in status.steps)
    assert "count each label by its confidence" in dict(facts(status, Money("EUR")))["models"]


def test_models_count_labels_by_their_confidence_where_a_campaign_states_it(home):
    """Two campaigns with the same answers: only the weights differ."""
    models = []
    for name, weighs in (("equal", False), ("weighed", True)):
        place = Home(home.folder, name=f"{name}.campaign")
        first = place.propose(f"{name}1", 12, annotators=TEAM, overlap=3, weight_by_confidence=weighs).batch
        answer_all(place, f"{name}1", eve_errs_at_times)
        second = place.propose(f"{name}2", 6, annotators=TEAM, overlap=3).batch
        models.append((first.row_ids, second.labels, second.model))
        standing = read_standing(place.campaign)
        known = standing.knowledge()
        assert (known.weights_L is None) == (not weighs)
    assert models[0][:2] == models[1][:2]
    assert models[0][2] != models[1][2]
    assert known.weights_L is not None
    assert ((known.weights_L > 0) & (known.weights_L <= 1)).all()
    assert len(np.unique(known.weights_L)) > 1
    with pytest.raises(ConfigError, match=r"--weight-by-confidence no: .* began with yes, which stays"):
        place.propose("b3", 6, given=["weight_by_confidence"])


def test_a_trainer_that_does_not_weigh_labels_is_refused(home):
    with pytest.raises(ConfigError, match="--weight-by-confidence: the trainer der does not weigh labels; use"):
        propose(home, "b1", trainer=Part(name="der"), weight_by_confidence=True)
    assert not (home.campaign / "campaign.json").exists()
