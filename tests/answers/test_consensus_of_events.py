"""The consensus on a log of events."""

import numpy as np
import pytest

from labelbench_ray.answers import consensus
from labelbench_ray.answers.consensus.of_events import of_events
from labelbench_ray.answers.events import Status, to_table
from labelbench_ray.errors import DataError
from tests.answers.samples import CLASSES, answer, crowd

EVENTS = [
    answer("r1", "anna", "cat"),
    answer("r1", "ben", "cat"),
    answer("r2", "anna", "dog"),
    answer("r2", "ben", "cat"),
    answer("r3", "anna", "dog"),
    answer("r3", "ben", "dog"),
    answer("r3", "lead", "bird", gold=True),
    answer("r4", "anna", None),
    answer("r5", "ben", "cat|dog"),
    answer("r6", "lead", "cat", gold=True),
    answer("r6", "other", "dog", gold=True),
    answer("r7", "anna", "dog"),
    # A correction of r7, and an answer that was deleted.
    answer("r7", "anna", "bird", 5),
    answer("r8", "anna", "bird"),
    answer("r8", "anna", None, 5, status=Status.RETRACTED),
]


def test_answers_that_hold_decide_and_references_decide_alone() -> None:
    found = of_events(to_table(EVENTS), CLASSES, consensus.of("majority"))
    assert found.row_ids == ("r1", "r2", "r3", "r6", "r7")
    assert found.annotators == ("anna", "ben", "lead", "other")
    names = [None if label < 0 else CLASSES[label] for label in found.consensus.labels_N]
    assert names == ["cat", None, "bird", None, "bird"]
    assert found.consensus.disputed_N.tolist() == [False, True, False, True, False]
    assert found.consensus.confidence_N.tolist() == [1, 0.5, 1, 0, 1]
    assert found.place()["r6"] == 3


@pytest.mark.parametrize("name", ["majority", "one_coin"])
def test_any_order_of_events_gives_the_same_bytes(name: str) -> None:
    events = crowd(400)
    first = of_events(to_table(events), CLASSES, consensus.of(name))
    again = of_events(
        to_table(np.random.default_rng(1).permutation(np.array(events, object)).tolist()), CLASSES, consensus.of(name)
    )
    assert again.row_ids == first.row_ids
    assert again.consensus.labels_N.tobytes() == first.consensus.labels_N.tobytes()
    assert again.consensus.confidence_N.tobytes() == first.consensus.confidence_N.tobytes()


def test_references_teach_what_annotators_are_worth() -> None:
    """Anna is right on gold and Ben wrong, in rows that nobody shares: then Anna's answer outweighs Ben's."""
    events = [answer("x", "anna", "cat"), answer("x", "ben", "dog")]
    for number in range(6):
        events += [answer(f"a{number}", "anna", "bird"), answer(f"a{number}", "lead", "bird", gold=True)]
        events += [answer(f"b{number}", "ben", "cat"), answer(f"b{number}", "lead", "bird", gold=True)]
    found = of_events(to_table(events), CLASSES, consensus.of("one_coin"))
    labels = {row_id: CLASSES[label] for row_id, label in zip(found.row_ids, found.consensus.labels_N, strict=True)}
    assert labels == {"x": "cat"} | {f"{who}{number}": "bird" for who in "ab" for number in range(6)}
    skills = dict(zip(found.annotators, found.consensus.skills_W, strict=False))
    assert skills["anna"] > 0.85
    assert skills["ben"] == pytest.approx(1 / 3)
    majority = of_events(to_table(events), CLASSES, consensus.of("majority")).consensus
    assert majority.labels_N[-1] == -1  # a tie


def test_a_models_probabilities_and_classes_that_there_are_not() -> None:
    seen = {}

    def noting(votes: consensus.Votes, probabilities_NK: object = None, /) -> consensus.Consensus:
        seen["probabilities"] = probabilities_NK
        return consensus.of("majority")(votes)

    predicted = {f"r{number}": np.full(3, number / 10) for number in range(9)}
    of_events(to_table(EVENTS), CLASSES, noting, predicted)
    assert seen["probabilities"][:, 0].tolist() == [0.1, 0.2, 0.3, 0.6, 0.7]
    with pytest.raises(DataError, match="the class 'dog' is not one of the 2 of this campaign"):
        of_events(to_table(EVENTS), CLASSES[:2], consensus.of("majority"))
    assert of_events(to_table([]), CLASSES, consensus.of("one_coin")).row_ids == ()
