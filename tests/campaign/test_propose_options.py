"""Proposing batches: options that a campaign or a batch began with, the last rows, and the words for several people."""

import pytest

from labelbench_ray.answers.events import Answer, Status
from labelbench_ray.answers.log import AnswerLog
from labelbench_ray.campaign.words import describe_proposal
from labelbench_ray.config import Part
from labelbench_ray.errors import ConfigError
from tests.campaign.campaigns import Home, make_home, rows, write_photos


@pytest.fixture
def home(tmp_path) -> Home:
    return make_home(tmp_path)


def test_rows_that_measure_can_be_asked_for_when_the_strategy_has_none_left(home):
    first = home.propose("b1", 30, reserve=8)
    assert len(first.batch.audit) == 3
    with pytest.raises(ConfigError, match="have 10 left for a batch; give at most that many"):
        home.propose("b2", 11)
    second = home.propose("b2", 7)
    assert len(second.batch.audit) == 2
    last = home.propose("b3", 3)
    assert last.batch.audit == last.batch.row_ids
    asked = [row_id for batch in home.batches for row_id in batch.row_ids]
    assert (len(asked), len({*asked})) == (40, 40)
    with pytest.raises(ConfigError, match="have 0 left for a batch; add rows to the pool"):
        home.propose("b4", 1)


def test_a_small_budget_can_go_to_a_row_in_doubt_alone(home):
    """Four answers are bought, and a quarter of them takes the only row."""
    team = {"annotators": ("ann", "ben", "eve", "kim", "zoe"), "overlap": 4, "max_answers": 5, "reserve": 2}
    first = home.propose("b1", 1, **team).batch
    for name, label in zip(("ann", "ben", "eve", "kim"), ("dark", "dark", "red", "red"), strict=True):
        home.answer(dict.fromkeys(first.row_ids, label), name)
    second = home.propose("b2", 1, **team).batch
    assert (second.again, second.row_ids) == ({first.row_ids[0]: "zoe"}, first.row_ids)
    assert home.propose("b2", 1, **team).batch == second
    assert not {*home.propose("b3", 1, **team).batch.row_ids} & {*first.row_ids}


def test_a_skipped_row_awaits_nothing(home):
    first = home.propose("b1")
    skipped = Answer(
        row_id=first.batch.row_ids[0],
        annotator="ann",
        labels=None,
        status=Status.SKIPPED,
        tool="test",
        answer_id="1",
        revision="1",
    )
    AnswerLog(home.campaign / "answers.parquet").append([skipped])
    assert home.propose("b2").pending == 5


@pytest.mark.parametrize(
    ("given", "fields", "words"),
    [
        (["first_batch"], {"first_batch": Part(name="random")}, "--first-batch random: .* began with typiclust"),
        ([], {"reserve": 0}, "--audit-reserve 0: .* began with 4, which stays"),
    ],
)
def test_what_a_campaign_began_with_stays(home, given, fields, words):
    home.propose("b1")
    write_photos(home.folder, 40, first=40)
    with pytest.raises(ConfigError, match=words):
        home.propose("b2", given=given, **fields)
    assert home.propose("b2", given=["first_batch"], reserve=4).batch.number == 1


def test_another_strategy_for_the_same_folder_is_refused(home):
    first = home.propose("b1", strategy="coreset", given=["strategy"])
    with pytest.raises(ConfigError, match=r"--strategy random: .* proposed with coreset"):
        home.propose("b1", strategy="random", given=["strategy"])
    assert home.propose("b1", strategy="margin").batch == first.batch


def test_several_answers_a_row_without_annotators_need_names_of_annotators(home):
    *_, last = describe_proposal(home.propose("b1", overlap=2), home.campaign)
    assert "each row is to get 2 answers" in last
    assert "--annotator NAME" in last


def test_no_annotator_is_a_formula(home):
    home.propose("b1", annotators=("=ann", "ben"))
    assert {row["annotator"] for row in rows(home.files("b1")["batch.=ann.csv"])} == {"'=ann"}
