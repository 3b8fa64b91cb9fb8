"""Conditions of imbalance: how many rows of each class the pool keeps, which classes are one, what stays."""

from pathlib import Path

import numpy as np
import pytest

from labelbench_ray import datasets, plugins
from labelbench_ray.config import Part, tiny, vary
from labelbench_ray.datasets import Source, Split
from labelbench_ray.datasets.imbalanced import kept_rows
from labelbench_ray.errors import ConfigError, DataError
from labelbench_ray.trial.parts import build
from tests.full_trials import DIGITS
from tests.test_facts import environment_of, run_locally

DIGITS_OF_POOL = 1257


def opened(root: Path, **settings: object) -> Source:
    part = Part.of("imbalanced", **({"dataset": "digits"} | settings))
    return plugins.build(datasets.Dataset, datasets.PACKAGE, part).open(root)


def counts(split: Split, classes: int = 10) -> list[int]:
    labels = split.labels()
    assert labels is not None
    np.testing.assert_array_equal(split.read(0, len(split)).labels_B, labels)
    return np.bincount(labels, minlength=classes).tolist()


def test_an_exponential_long_tail_keeps_the_share_of_each_class_that_its_number_states():
    assert kept_rows(np.full(10, 5000), 100, ()).tolist() == [5000, 2997, 1797, 1077, 646, 387, 232, 139, 83, 50]
    assert kept_rows(np.array([40, 200, 3]), 100, ()).tolist() == [40, 20, 2], "never more than there are"
    assert kept_rows(np.array([5, 5]), 1000, ()).tolist() == [5, 1], "at least one"


def test_a_step_keeps_few_rows_of_the_minority(tmp_path: Path):
    before = counts(
        plugins.build(datasets.Dataset, datasets.PACKAGE, Part(name="digits")).open(tmp_path).splits["pool"]
    )
    after = counts(opened(tmp_path, ratio=10.5, minority=[0, 1, 2]).splits["pool"])
    assert after == [12, 12, 12, *before[3:]]


def test_merged_classes_are_labelbench_s(tmp_path: Path):
    plain = opened(tmp_path)
    source = opened(tmp_path, classes=3)
    assert source.classes == ("0", "1", "others")
    for name in datasets.SPLITS:
        whole = counts(plain.splits[name])
        assert counts(source.splits[name], 3) == [*whole[:2], sum(whole[2:])]
    assert sum(counts(source.splits["pool"], 3)) == DIGITS_OF_POOL


def test_other_splits_keep_their_rows(tmp_path: Path):
    plain, thinned = opened(tmp_path), opened(tmp_path, ratio=50, classes=4)
    for name in ("validation", "test"):
        assert thinned.splits[name].read(0, 9).row_ids == plain.splits[name].read(0, 9).row_ids
        assert len(thinned.splits[name]) == len(plain.splits[name])


def test_rows_of_a_larger_ratio_are_among_those_of_a_smaller_one_and_never_change(tmp_path: Path):
    few, again, more = (set(np.asarray(opened(tmp_path, ratio=ratio).splits["pool"].rows)) for ratio in (50, 50, 5))
    assert few == again
    assert few < more


def test_without_a_condition_the_data_set_is_as_it_is(tmp_path: Path):
    assert counts(opened(tmp_path).splits["pool"]) == counts(opened(tmp_path, ratio=1.0, classes=10).splits["pool"])
    assert len(opened(tmp_path).splits["pool"]) == DIGITS_OF_POOL


def test_max_rows_count_after_the_condition(tmp_path: Path):
    source = opened(tmp_path, ratio=10.5, minority=[0, 1, 2], classes=4, max_rows=300)
    assert len(source.splits["pool"]) == 300
    assert max(counts(source.splits["pool"], 4)[:3]) <= 12
    (trial, *_) = tiny([vary(DIGITS, dataset=Part.of("imbalanced", dataset="digits", ratio=50))])
    assert trial.dataset.settings["max_rows"] == 300


def test_the_plan_states_what_is_kept(tmp_path: Path):
    (note,) = opened(tmp_path, ratio=10.5, minority=[0, 1, 2], classes=4).findings.notes
    assert note == "pool: 918 of 1,257 rows, 12 to 882 of each of 4 classes (imbalanced)"


@pytest.mark.parametrize(
    ("settings", "states"),
    [
        ({"minority": [10]}, "minority: 10 is not a class; there are 10, numbered from 0"),
        ({"classes": 11}, "classes: 11 is more than the 10 that digits has"),
    ],
)
def test_classes_that_are_not_there_are_refused(tmp_path: Path, settings: dict[str, object], states: str):
    with pytest.raises(DataError, match=states):
        opened(tmp_path, **settings)


@pytest.mark.parametrize(
    ("settings", "states"),
    [
        ({"dataset": "cifar10_pairs"}, "has the task 'multi_label'; classes are thinned out where rows have one label"),
        ({"dataset": "digit"}, "no dataset called 'digit'; did you mean 'digits'"),
        ({"dataset": "digits", "ratio": 0.5}, "ratio: .* greater than or equal to 1"),
        ({"dataset": "digits", "classes": 1}, "classes: .* greater than or equal to 2"),
    ],
)
def test_what_cannot_be_a_condition_is_refused(settings: dict[str, object], states: str):
    with pytest.raises(ConfigError, match=states):
        plugins.build(datasets.Dataset, datasets.PACKAGE, Part.of("imbalanced", **settings))


def test_every_condition_is_part_of_the_trial_s_identity():
    conditions: list[dict[str, object]] = [{}, {"ratio": 50}, {"ratio": 50, "minority": [1]}, {"classes": 2}]
    trials = [vary(DIGITS, dataset=Part.of("imbalanced", dataset="digits", **each)) for each in conditions]
    assert len({build(trial).fingerprint for trial in trials}) == 4


def test_a_trial_on_rare_classes_runs_and_measures_the_merged_test_rows(tmp_path: Path):
    condition = Part.of("imbalanced", dataset="digits", ratio=10.5, minority=[0, 1, 2], classes=4)
    trial = vary(DIGITS, dataset=condition, strategy="tailor", rounds=2, budget=20)
    records = run_locally(environment_of(tmp_path / "runs", tmp_path), trial)
    assert records[1].metrics["Num Test Rows"] == 360
    assert set(records[0].labels) <= {0, 1, 2, 3}
    assert len(records[1].notes) == 20
