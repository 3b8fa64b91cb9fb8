"""A damaged file does not end embedding where the data set is small; how many may be is stated."""

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from labelbench_ray.config import Part, Trial
from labelbench_ray.embeddings.finished import allowed_rejects, check_rejects
from labelbench_ray.errors import DataError
from tests.datasets.row_samples import png
from tests.test_facts import embed, environment_of


@pytest.mark.parametrize(
    ("fraction", "total", "allowed"),
    [(0.01, 12, 5), (0.01, 599, 5), (0.01, 600, 6), (0.01, 50_000, 500), (0.5, 12, 6), (0, 12, 0), (0, 50_000, 0)],
)
def test_a_share_may_be_rejected_and_a_few_of_a_small_data_set(fraction: float, total: int, allowed: int) -> None:
    assert allowed_rejects(fraction, total) == allowed
    rejects = [(f"row {number}", "cut short") for number in range(allowed + 1)]
    check_rejects(rejects[:-1], total, fraction)
    words = (
        rf"{allowed + 1} of {total} rows cannot be decoded, more than .* {fraction} allows \({allowed}\); the first: 'r"
    )
    with pytest.raises(DataError, match=words):
        check_rejects(rejects, total, fraction)


def test_one_broken_image_of_a_small_folder_is_a_reject(tmp_path: Path) -> None:
    for number in range(24):
        path = tmp_path / f"in/{'ab'[number % 2]}/{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number))
    (tmp_path / "in/a/00.png").write_bytes(b"no image")
    dataset = Part.of("image_folder", path="in", train=".", held_out="hash")
    trial = Trial(dataset=dataset, encoder="pixels", strategy="margin", trainer="logistic", seed=0, rounds=1, budget=4)
    environment = replace(environment_of(tmp_path / "runs", tmp_path), max_reject_fraction=0.01)
    with pytest.raises(DataError, match=r"1 of 24 rows cannot be decoded|at least 1 of its rows cannot be decoded"):
        embed(trial, replace(environment, max_reject_fraction=0.0))
    store = embed(trial, environment)
    assert store.manifest.rejects == 1
    (reject,) = pq.read_table(store.directory / "rejects.parquet").to_pylist()
    assert reject["row_id"].endswith("a/00.png")
