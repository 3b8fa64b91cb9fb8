"""A threshold of fidelity: planted ones, and numbers of labels that are no reason to claim one."""

from itertools import permutations

import numpy as np
import pytest

from labelbench_ray.report.cost_tables import threshold_words
from labelbench_ray.report.curves import read
from labelbench_ray.report.threshold import GAP, OVERLAP, Block, blocks, threshold
from tests.report.test_report_across import point, with_finetunes

LABELS = (100, 200, 300, 400, 500)
LEVEL_L = np.array([0.12, 0.10, 0.08, 0.06, 0.04])
"""The full model's lead shrinks with the labels, whatever the overlap."""


def block(gap_of, rng, trials=10, trend=0.1):
    """Overlaps that rise with the labels, and a luck that all points of a trial share in either."""
    luck_R1 = rng.normal(0, 0.08, (trials, 1))
    overlap_RL = 0.2 + trend * np.arange(5) + luck_R1 + rng.normal(0, 0.05, (trials, 5))
    shared_R1 = rng.normal(0, 0.005, (trials, 1))
    return Block(LABELS, overlap_RL, LEVEL_L + gap_of(overlap_RL) + shared_R1 + rng.normal(0, 0.004, (trials, 5)))


def test_a_planted_threshold_is_found():
    found = threshold((block(lambda overlap: 0.3 * np.maximum(0, 0.4 - overlap), np.random.default_rng(0), 20),))
    assert found.p_value < 0.05
    assert found.overlap == pytest.approx(0.4, abs=0.1)
    assert found.slope == pytest.approx(0.03, abs=0.012)
    assert threshold_words(found).startswith("At equal numbers of labels, the gap grows by ")


def test_what_the_number_of_labels_explains_is_not_claimed():
    """Overlap and gap move together only because both move with the labels; luck of whole trials is no evidence."""
    rng = np.random.default_rng(1)
    claimed = pooled = 0
    for _ in range(60):
        made = block(lambda overlap: np.zeros_like(overlap), rng)
        pooled += np.corrcoef(made.overlap_RL.ravel(), made.gap_RL.ravel())[0, 1] < -0.5
        claimed += threshold((made,)).overlap is not None
    assert pooled > 50  # over all points together there is a strong relation
    assert claimed <= 7


def test_a_gap_that_falls_has_no_threshold():
    found = threshold((block(lambda overlap: -0.3 * np.maximum(0, 0.4 - overlap), np.random.default_rng(2), 20),))
    assert found.overlap is None
    assert "do not show that the gap grows" in threshold_words(found)


def test_few_trials_at_equal_numbers_of_labels_identify_nothing():
    """Three seeds at four budgets, as in README's own experiment: at best one exchange in six is as good."""
    made = block(lambda overlap: 0.3 * np.maximum(0, 0.4 - overlap), np.random.default_rng(3), 3)
    assert threshold((made,)).p_value is None
    assert "do not identify" in threshold_words(threshold((made,)))
    alone = tuple(Block(LABELS, made.overlap_RL[:1], made.gap_RL[:1]) for _ in range(5))
    assert threshold(alone).p_value is None


def test_overlaps_that_are_all_alike_identify_nothing():
    assert (
        threshold((Block(LABELS, np.full((6, 5), 0.5), np.random.default_rng(0).normal(size=(6, 5))),)).overlap is None
    )


def test_p_is_the_share_of_all_exchanges():
    """Five trials have 120 arrangements: all of them, by brute force with plain least squares."""
    made = block(lambda overlap: 0.05 * np.maximum(0, 0.4 - overlap), np.random.default_rng(4), 5)
    ordered = np.sort(made.overlap_RL.ravel())
    gap = (made.gap_RL - made.gap_RL.mean(axis=0)).ravel()

    def explained(overlap_RL):
        best = 0.0
        for cut in np.unique(ordered[3:-3]):
            below = np.maximum(0, cut - overlap_RL)
            below = (below - below.mean(axis=0)).ravel()
            if below @ below > 1e-12 and (slope := float(below @ gap / (below @ below))) > 0:
                best = max(best, float(gap @ gap - ((gap - slope * below) ** 2).sum()))
        return best

    exact = np.mean(
        [
            explained(made.overlap_RL[list(order)]) >= explained(made.overlap_RL) - 1e-12
            for order in permutations(range(5))
        ]
    )
    assert threshold((made,)).p_value == pytest.approx(exact, abs=0.06)


def test_blocks_hold_trials_with_equal_numbers_of_labels(experiment):
    for strategy in ("random", "margin", "entropy"):
        for seed in range(2):
            experiment.add(strategy, seed, [0.5, 0.6], rounds=2)

    def points(run):
        seed = run.trial.seed
        later = (point(20, 0.7, 1.0, **{OVERLAP: 0.3, GAP: 0.04}),) if run.strategy == "random" else ()
        return (*later, point(10, 0.7, 1.0, **{OVERLAP: 0.1 + seed, GAP: 0.05}), point(30, 0.7, 1.0))

    found = blocks(with_finetunes(read(experiment.write()), points).settings)
    assert sorted(block.labels for block in found) == [(10,), (10,), (10, 20)]  # strategies are kept apart
    both = max(found, key=lambda block: len(block.labels))
    assert both.overlap_RL.tolist() == [[0.1, 0.3], [1.1, 0.3]]
    assert both.gap_RL.tolist() == [[0.05, 0.04]] * 2
