"""Plug-ins of a user's own are one file each: those of docs/plugins.md."""

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray.augmentations import key
from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.contracts import check
from labelbench_ray.embeddings.augmented import augmented_pairs
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.encoders import trainable
from labelbench_ray.ledger.trials import Ledger, read_header
from labelbench_ray.planning.experiment import load
from labelbench_ray.trial import parts
from tests.full_trials import LIGHT, TRAINER, make_home, make_store

PAGE = Path(__file__).parent.parent / "docs" / "plugins.md"
FILES = (
    "shapes",
    "profile",
    "letters",
    "dropout",
    "impurity",
    "arms",
    "cheapest",
    "focal",
    "head_only",
    "zeros",
    "narrow",
    "slips",
)


@pytest.fixture
def trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Trial]:
    """The page's experiment, with its plug-ins in the user's own package."""
    *files, experiment = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "my_package").mkdir()
    for name, text in zip(FILES, files, strict=True):
        (tmp_path / "my_package" / f"{name}.py").write_text(text)
    (tmp_path / "my_experiment.py").write_text(experiment)
    monkeypatch.syspath_prepend(str(tmp_path))
    for module in ("my_package", *(f"my_package.{name}" for name in FILES)):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return list(load(str(tmp_path / "my_experiment.py")).trials)


def test_one_file_each_is_embedded_augmented_and_learned_from(trials: list[Trial], tmp_path: Path):
    make_store(trials[0], tmp_path / "store", tmp_path)
    home = make_home(tmp_path, tmp_path / "store")
    records = {f"{trial.strategy.name}, {trial.trainer.name}": home.run(trial) for trial in trials}
    assert {name: [record.num_labeled for record in run] for name, run in records.items()} == {
        "random, fixmatch": [10, 20],
        "margin, fixmatch": [10, 20],
        "my_package.impurity, fixmatch": [10, 20],
        "my_package.impurity, my_package.focal": [10, 20],
    }
    assert all(record.metrics["Test Accuracy"] > 0.9 for run in records.values() for record in run)


def test_their_embeddings_are_those_of_their_own_rows(trials: list[Trial], tmp_path: Path):
    """By each file alone, called as a reader of the page would call it."""
    make_store(trials[0], tmp_path / "store", tmp_path)
    built = parts.build(trials[0])
    store = EmbeddingStore.open(tmp_path / "store" / built.embedding)
    assert {split: store.manifest.count(split) for split in ("pool", "validation", "test")} == {
        "pool": 140,
        "validation": 30,
        "test": 30,
    }
    files = ("shapes", "profile", "dropout")
    shapes, profile, dropout = (importlib.import_module(f"my_package.{name}") for name in files)
    images = [profile.Profile().decode(shapes._png(int(row_id.removeprefix("square/")))) for row_id in store.row_ids()]
    network = profile.Profiles()
    embeddings_ND = store.arrays().pool.embeddings_ND
    np.testing.assert_array_equal(embeddings_ND, network.embed(images).astype(np.float16))
    wanted, own = built.wanted_views, dropout.Dropout()
    assert wanted is not None
    for view, pairs_N2D in enumerate(augmented_pairs(store, wanted.digest, 2)):
        for form, change in enumerate((own.weak, own.strong)):
            changed = [change(image, key(row_id, view)) for image, row_id in zip(images, store.row_ids(), strict=True)]
            np.testing.assert_array_equal(pairs_N2D[:, form], network.embed(changed).astype(np.float16))


def test_a_full_model_and_its_head(trials: list[Trial], tmp_path: Path):
    """`trials` puts the page's files where they are found."""
    model = Part.of("my_package.head_only", head="my_package.zeros", validation_rows=20)
    trial = vary(LIGHT, proxy=model, trainer=TRAINER, rounds=1)
    make_store(trial, tmp_path / "store", tmp_path)
    home = make_home(tmp_path, tmp_path / "store")
    (record,) = home.run(trial)
    job = home.job(trial)
    with Ledger.open(job.directory, read_header(job.directory / "trial.json")) as ledger:
        trained = ledger.proxy(record)
    pretrained = trainable(parts.build(trial).encoder).network().state_dict()
    assert any(trained[name].any() for name in ("head.weight", "head.bias"))
    for name, tensor in pretrained.items():
        np.testing.assert_array_equal(trained[f"backbone.{name}"], tensor.numpy())


@pytest.mark.parametrize("name", FILES)
def test_they_break_no_law_of_their_kind(trials: list[Trial], tmp_path: Path, name: str):
    checked = check(f"my_package.{name}", data_root=tmp_path)
    assert checked.passed, checked
