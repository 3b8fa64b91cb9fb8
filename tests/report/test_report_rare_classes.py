"""The report's section on rare classes, with planted labels and accuracies."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray.config import Part
from labelbench_ray.exports.document import document
from labelbench_ray.ledger.data_notes import DataNote, DataNotes
from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.report import build
from labelbench_ray.report.page import page
from labelbench_ray.report.rare_classes import rare_classes
from labelbench_ray.report.rare_classes.table import expected_table, played_table, rare_tables, regret_table
from labelbench_ray.storage.checksummed import from_checked_json, to_checked_json

COUNTS = (900, 90, 10)
"""The pool's rows of each class: mean 333, so that classes 1 and 2 are rare."""
RANDOM = [0.50, 0.60, 0.70, 0.72, 0.74, 0.76, 0.78, 0.80]
MARGIN = [0.50, 0.70, 0.78]
BANDIT = Part.of("tailor", arms=["random", "margin"], per_class=[])


def plant(folder: Path, labels: list[list[int]], notes: list[list[int]] | None = None) -> None:
    """Give a trial's rounds these labels, and notes."""
    for number, each in enumerate(labels):
        path = folder / "rounds" / f"{number:03d}.json"
        record = from_checked_json(RoundRecord, path)
        change: dict[str, object] = {"labels": tuple(each)}
        if notes and notes[number]:
            change["notes"] = tuple(notes[number])
        path.write_bytes(to_checked_json(record.model_copy(update=change)))


def labels_of(rare: int, rounds: int) -> list[list[int]]:
    """Ten labels a round, the last `rare` of them in turns of classes 1 and 2."""
    return [[0] * (10 - rare) + [1 + place % 2 for place in range(rare)] for _ in range(rounds)]


@pytest.fixture
def studied(experiment) -> Path:
    for seed in range(4):
        more = 0.001 * seed
        plant(experiment.add("random", seed, [value + more for value in RANDOM], rounds=8), labels_of(1, 8))
        plant(experiment.add("margin", seed, [value + more for value in MARGIN], rounds=3), labels_of(4, 3))
        folder = experiment.add(
            BANDIT.model_dump(), seed, [value + more - 0.01 * number for number, value in enumerate(MARGIN)], rounds=3
        )
        plant(folder, labels_of(4, 3), [[], [0] * 7 + [1] * 3, [0] * 2 + [1] * 8])
    folder = experiment.write()
    note(folder, COUNTS)
    return folder


def note(folder: Path, counts: tuple[int, ...]) -> None:
    notes = DataNotes(stores={"store": DataNote(rows={"pool": sum(counts)}, num_classes=3, class_counts=counts)})
    (folder / "data.json").write_text(notes.model_dump_json())


def section(folder: Path):
    (found,) = build(folder).sections
    assert found.rare is not None
    return found.rare


def test_what_was_found_is_counted_at_the_labels_that_all_have(studied: Path):
    rare = section(studied)
    assert (rare.rare, rare.pool_rows, rare.pool_imbalance) == ((1, 2), 100, 90.0)
    assert (rare.labels, rare.random_labels) == (30, 80)
    found = {each.strategy: each for each in rare.found}
    assert found["margin"].rare.value == 12
    assert (found["margin"].least, found["margin"].median, found["margin"].imbalance) == (6, 6, 3)
    assert found["random"].rare.value == 3
    assert (found["random"].least, found["random"].imbalance) == (0, 27), "a class without a label counts as one"


def test_label_efficiency_is_random_s_labels_over_the_strategy_s_with_all_of_random_s_rounds(studied: Path):
    margin = next(each for each in section(studied).found if each.strategy == "margin")
    # Random's range is 50 % to 80 %, so the targets are 65, 72.5, 77 and 80 %.
    half, three_quarters, nine_tenths, all_of_it = margin.multiples
    assert half.accuracy == pytest.approx(0.6515)
    assert half.ratio == pytest.approx(25 / 17.5)
    assert three_quarters.ratio == pytest.approx(42.5 / (20 + 10 * 0.025 / 0.08))
    assert nine_tenths.ratio == pytest.approx(65 / (20 + 10 * 0.07 / 0.08))
    assert all_of_it.ratio == 0, "margin ends with 78 %"
    assert margin.own_best is not None
    assert margin.own_best.ratio == pytest.approx(70 / 30)
    assert half.low < half.ratio < half.high


def test_where_random_does_not_get_there_the_ratio_is_a_bound(experiment):
    for seed in range(3):
        plant(experiment.add("random", seed, [0.5, 0.55, 0.6, 0.6], rounds=4), labels_of(1, 4))
        plant(experiment.add("margin", seed, [0.5, 0.7], rounds=2), labels_of(4, 2))
    folder = experiment.write()
    note(folder, COUNTS)
    margin = next(each for each in section(folder).found if each.strategy == "margin")
    assert margin.own_best is not None
    assert margin.own_best.at_least
    assert margin.own_best.ratio == 2, "40 labels of random's, 20 of margin's"
    assert "at least 2.0" in page(build(folder))


def test_arms_are_counted_by_their_notes(studied: Path):
    (played,) = section(studied).played
    assert played.arms == ("random", "margin")
    assert played.rounds == (1, 2)
    assert played.shares == ((0.7, 0.2), (0.3, 0.8))
    # The four rare rows of a round are its last ones: three or four of them are margin's.
    assert played.rare == pytest.approx((1 / 9, 7 / 11))


def test_rewards_are_what_labels_were_worth_when_they_were_bought(studied: Path):
    found = {each.strategy: each for each in section(studied).found}
    # Classes with 9, 1 and 0 labels of 10, then 18, 2 and 0 of 20: -1/9 for each row of the majority, 1 for a rare one.
    first, second = 9 * (-1 / 9) + 1, 9 * (-1 / 18) + 1 / 2
    assert found["random"].reward == pytest.approx(first + second)


def test_posterior_means_are_those_before_a_round(studied: Path):
    (played,) = section(studied).played
    # Before round 1 nothing is learned, and labels of 6, 2 and 2 rows make them worth -1/6, 1/2 and 1/2.
    assert [arm[0] for arm in played.expected] == pytest.approx([(-1 / 6 + 1 / 2 + 1 / 2) / 3] * 2)
    # In it, random chose six rows of class 0 and one of class 1, margin one of class 1 and two of class 2.
    worth = np.array([-1 / 12, 1 / 4, 1 / 4])
    shapes = 1.9 + np.array([[6, 1, 0], [0, 1, 2]])
    assert [arm[1] for arm in played.expected] == pytest.approx(shapes @ worth / shapes.sum(axis=1))
    assert expected_table(played).rows[1][2].text == f"{played.expected[1][1]:.4f}"


def test_of_many_arms_those_that_chose_the_most_rows_are_shown(studied: Path):
    (played,) = section(studied).played
    names, share = tuple(f"arm {number}" for number in range(15)), tuple(range(15))
    many = replace(
        played,
        arms=names,
        shares=tuple((number / 105, number / 105) for number in share),
        expected=tuple((0.1, 0.2) for _ in share),
        rare=(0.0,) * 15,
    )
    assert [row[0].text for row in played_table(many).rows] == list(names[3:])
    assert len(expected_table(many).rows) == 12
    captions = [caption for caption, _ in rare_tables(replace(section(studied), played=(many,)))]
    assert any("(12 of 15 arms)" in caption for caption in captions)


def test_a_mixture_learns_nothing_about_its_arms(experiment):
    mixture = Part.of("uniform_mixture", arms=["random", "margin"], per_class=[])
    for seed in range(2):
        folder = experiment.add(mixture.model_dump(), seed, [0.5, 0.6], rounds=2)
        plant(folder, labels_of(2, 2), [[], [0] * 5 + [1] * 5])
    folder = experiment.write()
    note(folder, COUNTS)
    (played,) = section(folder).played
    assert played.expected == ()
    assert "Posterior means" not in page(build(folder))


def test_the_regret_is_against_the_best_arm_that_is_a_strategy_of_the_setting(studied: Path):
    (played,) = section(studied).played
    assert played.best_arm == "margin"
    assert (played.alone, len(played.arms)) == (2, 2)
    fewer = replace(section(studied), played=(replace(played, alone=1),))
    assert regret_table(fewer).rows[0][1].note == "best of 1 of 2 arms"
    assert played.regret is not None
    assert played.regret.value == pytest.approx(-0.01)


def test_the_page_and_the_document_have_the_section(studied: Path):
    report = build(studied)
    text = page(report)
    for words in (
        *("Rare classes", "Regret against the best arm", "rare rows found", "cumulative reward"),
        *("Posterior means", "not reached", "at its own best"),
    ):
        assert words in text
    (setting,) = json.loads(json.dumps(document(report)))["settings"]
    assert setting["rare_classes"]["pool_imbalance"] == 90


@pytest.mark.parametrize("counts", [(), (300, 300, 310)])
def test_without_rare_classes_there_is_no_section(studied: Path, counts: tuple[int, ...]):
    note(studied, counts)
    (found,) = build(studied).sections
    assert found.rare is None
    assert "Rare classes" not in page(build(studied))


def test_a_strategy_that_cannot_be_made_here_has_no_arms(experiment):
    for seed in range(2):
        folder = experiment.add("elsewhere.bandit", seed, [0.5, 0.6], rounds=2, traits=None)
        plant(folder, labels_of(2, 2), [[], [0] * 10])
    folder = experiment.write()
    note(folder, COUNTS)
    assert section(folder).played == ()


def test_settings_before_a_round_is_recorded_have_no_section(experiment):
    experiment.add("random", 0, [], rounds=3)
    folder = experiment.write()
    note(folder, COUNTS)
    assert [rare_classes(each.setting) for each in build(folder).sections] == [None]
