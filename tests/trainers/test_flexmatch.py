"""FlexMatch against its formulas in float64, and its counters against a recount."""

from collections import Counter

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as draw

from labelbench_ray.trainers.flexmatch import Flexmatch, class_thresholds, record
from tests.trainers.made_up import Expected, check_ten_steps, fit_data, method, softmax, weighted_cross_entropy

CLASSES, ROWS = 4, 30


def test_ten_steps_are_those_of_the_formula():
    """Thresholds come from the counts before a batch, and all rows are recounted at each step."""
    latest = np.full(ROWS, -1)

    def oracle(weak: np.ndarray, places: np.ndarray, progress: float) -> Expected:
        counted = Counter(latest.tolist())
        most = max(counted[name] for name in range(-1, CLASSES))
        labels, weights = [], []
        for row in softmax(weak):
            label = int(row.argmax())
            share = counted[label] / most
            labels.append(label)
            weights.append(float(row[label] >= 0.7 * share / (2 - share)))
        for place, row in zip(places, softmax(weak), strict=True):
            if row.max() >= 0.7:
                latest[place] = row.argmax()
        return Expected(
            weighted_cross_entropy(np.array(labels), np.array(weights)), np.array(labels), np.array(weights)
        )

    def state() -> dict[str, np.ndarray]:
        return {"latest_N": latest, "counts": np.array([(latest == name).sum() for name in (*range(CLASSES), -1)])}

    seen = check_ten_steps(method("flexmatch", threshold=0.7), oracle, state, CLASSES, ROWS)
    assert seen[0].weights.all()
    assert not seen[-1].weights.all()
    assert len(set(latest)) > 2


def test_thresholds_by_hand():
    """Counts 6, 3, 0 and 2 unused: shares 1, 1/2, 0; with 12 unused: 1/2, 1/4, 0."""
    used, unused = (class_thresholds(torch.tensor(counts), 0.9) for counts in ([6, 3, 0, 2], [6, 3, 0, 12]))
    np.testing.assert_allclose(used, [0.9, 0.3, 0], rtol=1e-6)
    np.testing.assert_allclose(unused, [0.9 / 3, 0.9 / 7, 0], rtol=1e-6)


batches = draw.lists(draw.lists(draw.tuples(draw.integers(0, 8), draw.integers(0, 2)), max_size=12), max_size=8)


@given(batches=batches)
def test_the_counts_are_those_of_a_recount_also_when_a_row_comes_twice(batches: list[list[tuple[int, int]]]):
    state, latest = Flexmatch().begin(fit_data(3, 3, 9)), dict.fromkeys(range(9), -1)
    for batch in batches:
        places, labels = (torch.tensor([pair[side] for pair in batch], dtype=torch.int64) for side in (0, 1))
        record(state, places, labels)
        latest |= dict(batch)
        assert state["latest_N"].tolist() == list(latest.values())
        assert state["counts"].tolist() == [list(latest.values()).count(name) for name in (0, 1, 2, -1)]


def test_the_state_is_as_narrow_as_the_classes_allow():
    assert Flexmatch().begin(fit_data(3, 3, 9))["latest_N"].dtype == torch.int16
    many = fit_data(3, 3, 9)
    object.__setattr__(many, "num_classes", 40_000)
    assert Flexmatch().begin(many)["latest_N"].dtype == torch.int32
