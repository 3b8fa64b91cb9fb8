"""A simulated crowd through real files against the simulation in this process: the same rows and the same models."""

import csv
from pathlib import Path

import numpy as np

from labelbench_ray.campaign.ingest import ingest_files
from labelbench_ray.campaign.pool import known_rows
from labelbench_ray.campaign.propose import Request, propose
from labelbench_ray.campaign.record import Campaign, audit_key
from labelbench_ray.config import Part, Trial
from labelbench_ray.ledger.trials import read_history
from labelbench_ray.trial import parts
from tests.campaign.campaigns import Home, InProcess, rows
from tests.full_trials import make_home, make_store

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


def write_bank(folder: Path) -> None:
    rng = np.random.default_rng(0)
    with (folder / "bank.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["row_id", "text", "label"])
        for number in range(300):
            intent = int(rng.integers(12))
            words = [f"w{intent}"] * int(rng.integers(1, 4)) + [f"w{word}" for word in rng.integers(0, 40, 6)]
            writer.writerow([f"t{number:03d}", " ".join(words), CLASSES[intent]])


def test_rows_and_models_are_those_of_the_simulation(tmp_path):
    write_bank(tmp_path)
    make_store(TRIAL, tmp_path / "store", tmp_path)
    home = make_home(tmp_path, tmp_path / "store")
    list(home.job(TRIAL).steps())
    simulated = read_history(home.folder / parts.build(TRIAL).fingerprint).records
    campaign = Campaign(
        dataset=TRIAL.dataset,
        encoder=TRIAL.encoder,
        proxy=TRIAL.proxy,
        trainer=TRIAL.trainer,
        first_batch=TRIAL.first_batch,
        seed=TRIAL.seed,
        classes=CLASSES,
        audit_key=audit_key(TRIAL.dataset, TRIAL.seed),
        audit_limit="",
        data_root=str(tmp_path),
    )
    crowd = Home(tmp_path, name="bank.campaign")
    for record in simulated:
        out = tmp_path / f"b{record.round}"
        request = Request(campaign, frozenset(), TRIAL.budget, TRIAL.strategy, out, reserve=0)
        batch = propose(crowd.campaign, request, home.environment, InProcess(), lambda done, total: None).batch
        assert batch.model == (simulated[record.round - 1].proxy if record.round else "")
        assert tuple(known_rows(crowd.campaign).places(batch.row_ids).tolist()) == record.chosen
        listed = rows((out / "batch.csv").read_bytes())
        assert len(listed) == len(record.chosen) == TRIAL.budget
        answers = [CLASSES[label] for label in record.labels]
        with (out / "batch.csv").open("w", newline="") as file:
            csv.writer(file).writerows(
                [["row_id", "label"], *([row["row_id"], label] for row, label in zip(listed, answers, strict=True))]
            )
        found = ingest_files(crowd.campaign, [out / "batch.csv"])
        assert (found.ingested.new, found.ingested.rejected) == (TRIAL.budget, ())
