"""`labelbench leaderboard`: one page that requests nothing, with our trials beside the published ones."""

import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner

from benchmarks.synthetic_ledgers import write_ledgers
from labelbench_ray.commands.cli import app
from labelbench_ray.config import Trial, grid
from labelbench_ray.registry.boards import Board, boards, published_boards, standing, standings
from labelbench_ray.registry.check import Checked, Tier, check
from labelbench_ray.registry.leaderboard import leaderboard_page, lines
from labelbench_ray.registry.pack import pack
from labelbench_ray.report.published.curves import published
from labelbench_ray.trial import parts

BASE = Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=3, budget=4)
MOST_BYTES = 3 * 2**20


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("packed")
    trials = grid(BASE, strategy=["random", "margin", "entropy"], seed=range(3), trainer=["supervised", "logistic"])
    write_ledgers(folder / "runs" / "a.b", trials, lambda trial: parts.build(trial).fingerprint)
    return list(pack([folder / "runs" / "a.b"], folder / "P", folder / "store", "<b>a laboratory</b>").paths)


def test_only_trials_of_one_protocol_are_compared(packed):
    found = check(packed)
    mine = boards(found, found[0].tiers)
    assert [board.trials for board in mine] == [9, 9]
    assert {dict(board.facts)["trainer"] for board in mine} == {"supervised", "logistic"}
    for board in mine:
        assert board.comparison.compared == 2
        assert board.comparison.labels == (4, 8, 12)
        assert {*board.tiers.values()} == {(Tier.CHECKED,)}
        assert all(seconds > 0 for seconds in board.seconds.values())


def test_a_trial_that_is_there_in_two_tiers_counts_once(packed):
    found = check(packed)
    names = found[0].trials["fingerprint"].to_pylist()
    tiers = dict.fromkeys(names, Tier.CHECKED) | {names[0]: Tier.REPORTED}
    doubled = [found[0], found[0]]
    assert sum(board.dropped for board in boards(doubled, tiers)) == len(names) + 1  # the strategy has verified trials


def as_reported(found: Checked, change: Callable[[dict], dict], lower: float) -> Checked:
    """The same trials as tables alone: under other fingerprints, changed, and random's accuracy lowered."""
    trials = [change(row) | {"fingerprint": f"r{row['fingerprint']}"} for row in found.trials.to_pylist()]
    strategies = {row["fingerprint"]: row["strategy"] for row in found.trials.to_pylist()}
    rounds = [
        row
        | {"fingerprint": f"r{row['fingerprint']}"}
        | {"value": row["value"] - lower * (strategies[row["fingerprint"]] == "random")}
        for row in found.rounds.to_pylist()
    ]
    tables = (pa.Table.from_pylist(rows, of.schema) for rows, of in ((trials, found.trials), (rounds, found.rounds)))
    return replace(found, trials=(both := [*tables])[0], rounds=both[1], ledgers=())


def numbers(board: Board) -> list[tuple]:
    """What a board states of each strategy."""
    return [
        (row.strategy, row.curves.seeds, row.final, row.area, row.difference, board.tiers[row.strategy])
        for row in board.comparison.rows
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row | {"seed": row["seed"] + 100},
        lambda row: row | {"strategy": row["strategy"] if row["strategy"] == "random" else "another"},
        lambda row: row | {"strategy": f"my.{row['strategy']}"},
    ],
)
def test_reported_trials_change_no_number_of_verified_strategies(packed, change):
    found = check(packed)
    alone = boards(found, found[0].tiers)
    every = [*found, as_reported(found[0], change, 0.3)]
    mixed = boards(every, every[0].tiers | every[1].tiers)
    verified = {row.strategy for row in alone[0].comparison.rows}
    for one, both in zip(alone, mixed, strict=True):
        assert [each for each in numbers(both) if each[0] in verified] == numbers(one)
        assert both.trials + both.dropped == 18
    ours = standings(alone, ())
    assert [each.ranks.average_M.tolist() for each in standings(mixed, ())[: len(ours)]] == [
        each.ranks.average_M.tolist() for each in ours
    ]


def test_a_reported_strategy_is_compared_with_verified_random(packed):
    found = check(packed)
    every = [*found, as_reported(found[0], lambda row: row | {"strategy": f"my.{row['strategy']}"}, 0.3)]
    for board in boards(every, every[0].tiers | every[1].tiers):
        mine, theirs = board.comparison.row("my.margin"), board.comparison.row("margin")
        assert board.tiers["my.margin"] == (Tier.REPORTED,)
        assert mine.difference.area.value == pytest.approx(theirs.difference.area.value)


def test_verified_strategies_have_no_gain_over_a_random_that_is_reported(packed):
    found = check(packed)
    tiers = {
        row["fingerprint"]: Tier.REPORTED if row["strategy"] == "random" else Tier.CHECKED
        for row in found[0].trials.to_pylist()
    }
    mine = boards(found, tiers)
    for board in mine:
        assert [row.difference for row in board.comparison.rows] == [None] * 3
    assert "reported" in leaderboard_page(mine, standings(mine, ()))
    assert [each.source for each in standings(mine, ())] == ["this registry, with reported trials"]


def test_the_published_runs_have_the_ranks_on_record():
    every = published_boards(published())
    assert sum(board.trials for board in every) == 624
    found = standing("published", every, {Tier.IMPORTED})
    assert found is not None
    assert found.ranks.settings == len(found.boards) == 17
    assert found.ranks.strategies == ("margin", "galaxy", "badge", "confidence", "entropy", "coreset", "random")
    assert [round(float(each), 2) for each in found.ranks.average_M] == [2.59, 2.74, 2.91, 3.35, 4.41, 5.71, 6.29]
    assert round(found.ranks.chi_squared, 2) == 49.42


def test_a_title_leaves_out_what_most_boards_share(packed):
    found = check(packed)
    titles = {board.title for board in boards(found, found[0].tiers)}
    assert titles == {f"digits: pixels, linear, {name}, 3 rounds of 4 labels" for name in ("supervised", "logistic")}


def test_one_board_has_no_ranks(packed):
    found = check(packed)
    assert standing("ours", boards(found, found[0].tiers)[:1], {*Tier}) is None


def test_the_command_writes_a_small_page_that_requests_nothing(packed, tmp_path):
    out = tmp_path / "page.html"
    words = ["leaderboard", *map(str, packed), "--out", str(out)]
    ended = CliRunner().invoke(app, words, standalone_mode=False)
    assert ended.exception is None, ended.output
    text = out.read_text()
    assert len(text.encode()) < MOST_BYTES
    assert "default-src 'none'" in unescape(text)
    assert not re.search(r"(?:src|href|action)=\"(?!#)", text.partition("<script")[0])
    assert "642 trials on 28 boards" in text
    assert text.count("boards are needed before any two of") == 1  # two boards of ours; the published ones are enough
    assert "6 checked, 174 imported" in text
    assert "<b>a laboratory</b>" not in text
    assert "&lt;b&gt;a laboratory&lt;/b&gt;" in text


def test_a_row_states_tier_gain_saving_and_cost(packed):
    found = check(packed)
    table = lines(boards(found, found[0].tiers))
    assert len(table.rows) == 6
    for row in table.rows:
        cells = dict(zip(table.head, row, strict=True))
        assert cells["tier"].text == "checked"
        assert cells["labels"].text == "12"
        assert (cells["gain over the curve"].text == "\u2013") == (cells["strategy"].text == "random")
        assert cells["CPU and GPU time of a trial"].key is not None
        assert (cells["price of a trial"].key or 0) > 12 * 0.05


def test_the_same_boards_give_the_same_page(packed):
    found = check(packed)
    mine = boards(found, found[0].tiers)
    assert leaderboard_page(mine, []) == leaderboard_page(mine, [])
