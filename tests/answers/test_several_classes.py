"""Rows that may have several classes: the fold, the consensus and the agreement of each class, also by brute force."""

import time

import numpy as np
import pytest

from labelbench_ray.answers import consensus
from labelbench_ray.answers.agreement import krippendorff_alpha, pairwise_agreement
from labelbench_ray.answers.class_agreement import class_agreement
from labelbench_ray.answers.consensus.sets_of_events import sets_of_events
from labelbench_ray.answers.consensus.votes import Votes
from labelbench_ray.answers.events import Answer, Status, to_table
from labelbench_ray.answers.fold import each_class, row_states
from labelbench_ray.answers.formats.delimited import join_classes, split_classes
from labelbench_ray.answers.formats.stated import RowError
from labelbench_ray.errors import DataError

CLASSES = ("bus", "car", "dog")


def answer(row_id: str, who: str, labels: tuple[str, ...] | None, **fields) -> Answer:
    status = Status.SKIPPED if labels is None else Status.SUBMITTED
    return Answer(
        row_id=row_id,
        annotator=who,
        labels=labels,
        status=status,
        answer_id=f"{row_id} {who}",
        revision="1",
        tool="t",
        **fields,
    )


EVENTS = to_table(
    [
        answer("a", "ann", ("bus", "dog")),
        answer("a", "ben", ("dog",)),
        answer("a", "eve", ("dog", "car")),
        answer("b", "ann", ("bus",)),
        answer("b", "ben", ()),
        answer("c", "ann", ()),
        answer("c", "ben", ()),
        answer("c", "eve", ("car",)),
        answer("d", "ann", None),
        answer("e", "ann", ("bus",)),
        answer("e", "expert", ("car", "dog"), gold=True),
        answer("f", "ann", ()),
    ]
)


def states(overlap: int) -> dict[str, tuple[str, list[str] | None]]:
    table = row_states(EVENTS, overlap, vote=each_class).to_pylist()
    return {row["row_id"]: (row["state"], row["labels"]) for row in table}


def test_each_class_is_decided_by_more_than_half_of_the_answers():
    assert states(2) == {
        "a": ("agreed", ["dog"]),
        "b": ("disputed", None),
        "c": ("agreed", []),
        "d": ("open", None),
        "e": ("agreed", ["car", "dog"]),
        "f": ("part", None),
    }
    assert states(1)["f"] == ("agreed", [])
    assert row_states(EVENTS.slice(0, 0), vote=each_class).num_rows == 0


def test_the_fold_is_that_of_a_naive_count():
    rng = np.random.default_rng(0)
    events = [
        answer(f"r{row}", f"w{who}", tuple(name for name in CLASSES if rng.random() < 0.5))
        for row in range(40)
        for who in range(1 + row % 5)
    ]
    found = {row["row_id"]: row for row in row_states(to_table(events), vote=each_class).to_pylist()}
    decided = sets_of_events(to_table(events), CLASSES, consensus.of("majority"))
    for place, row_id in enumerate(decided.row_ids):
        sets = [each.labels for each in events if each.row_id == row_id]
        counts = {name: sum(name in each for each in sets) for name in CLASSES}
        tied = any(2 * count == len(sets) for count in counts.values())
        named = [name for name, count in counts.items() if 2 * count > len(sets)]
        assert found[row_id]["labels"] == (None if tied else named)
        wanted_K = [0.5 if 2 * count == len(sets) else float(2 * count > len(sets)) for count in counts.values()]
        assert [-1 if each == 0.5 else each for each in wanted_K] == decided.consensus.labels_NK[place].tolist()


def test_reference_answers_decide_alone():
    found = sets_of_events(EVENTS, CLASSES, consensus.of("one_coin"))
    place = found.row_ids.index("e")
    assert found.consensus.labels_NK[place].tolist() == [0, 1, 1]
    assert found.consensus.confidence_N[place] == 1
    other = to_table([answer("e", "expert", ("car",), gold=True), answer("e", "other", ("car", "dog"), gold=True)])
    differs = sets_of_events(other, CLASSES, consensus.of("majority")).consensus
    assert differs.labels_NK.tolist() == [[0, 1, -1]]
    assert (differs.confidence_N[0], differs.disputed_N[0]) == (0, True)


def test_an_unknown_class_is_refused():
    with pytest.raises(DataError, match="the class 'dog' is not one of the 2"):
        sets_of_events(EVENTS, CLASSES[:2], consensus.of("majority"))


def test_agreement_on_each_class_by_hand():
    """Of the rows a (3 answers), b (2) and c (3) with two answers or more: 7 pairs of answers."""
    bus, car, dog = class_agreement(EVENTS, CLASSES)
    assert (bus.given, car.given, dog.given) == (3, 2, 3)
    assert bus.raw == pytest.approx((1 + 0 + 3) / 7)
    assert car.raw == pytest.approx((1 + 1 + 1) / 7)
    assert dog.raw == pytest.approx((3 + 1 + 3) / 7) == 1
    votes = Votes.of([0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 0, 1, 0, 1, 2], [1, 0, 0, 1, 0, 0, 0, 0], 3, 2)
    assert bus.alpha == pytest.approx(krippendorff_alpha(votes))
    assert str(dog) == "dog: 100.0 % of pairs, alpha 1.000 (given 3 times)"
    assert class_agreement(EVENTS.slice(0, 0), CLASSES)[0].raw is None


def test_agreement_on_each_class_is_that_of_its_votes():
    """Also of rows with one answer, and of answers that name a class twice."""
    draw, names = np.random.default_rng(2), [f"class {number}" for number in range(30)]
    votes = [(row, who) for row in range(60) for who in range(draw.integers(1, 5))]
    given = [tuple(draw.choice(names, draw.integers(0, 5))) for _ in votes]
    every = [answer(f"{row}", f"{who}", each) for (row, who), each in zip(votes, given, strict=True)]
    rows, annotators = zip(*votes, strict=True)
    for name, found in zip(names, class_agreement(to_table(every), names), strict=True):
        each = Votes.of(rows, annotators, [name in answer for answer in given], 60, 2)
        assert found.given == sum(name in answer for answer in given)
        assert found.raw == pytest.approx(pairwise_agreement(each))
        assert found.alpha == pytest.approx(krippendorff_alpha(each))


def test_agreement_takes_no_longer_for_classes_that_nobody_gives():
    every = to_table([answer(f"{row}", who, ("bus",)) for row in range(200) for who in ("a", "b")])
    class_agreement(every, ["bus"])
    began = time.process_time()
    found = class_agreement(every, ["bus", *(f"class {number}" for number in range(20_000))])
    assert time.process_time() - began < 2
    assert (found[0].raw, found[-1].raw, found[-1].given) == (1, 1, 0)


@pytest.mark.parametrize(
    "names", [("bus", "dog"), ("car, red", "dog"), ('the "big" one',), ("a b", "c;d"), ("'x", "y")]
)
def test_cells_are_read_as_they_are_written(names):
    assert split_classes("r", join_classes(names)) == tuple(sorted(names))


@pytest.mark.parametrize("cell", ["a,", ",a", "a,,b", "a, a", '"a', ","])
def test_cells_that_are_no_list_are_refused(cell):
    with pytest.raises(RowError):
        split_classes("r", cell)
