"""Generated tables of numbers and categories, in files that the data set `tabular` reads."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq


def people(rows: int = 200, seed: int = 0) -> pa.Table:
    """Whether somebody pays, by age, income and job; with ids, free text, missing values, and a constant."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, rows).astype(float)
    income = np.exp(rng.normal(10, 1, rows)).round(2)
    job = np.array(["clerk", "nurse", "smith", "cook"])[rng.integers(0, 4, rows)]
    pays = (age > 40) ^ (job == "cook")
    return pa.table(
        {
            "id": [f"p{row:05d}" for row in range(rows)],
            "age": pa.array([None if row % 17 == 3 else value for row, value in enumerate(age.tolist())]),
            "income": income,
            "job": [None if row % 23 == 5 else value for row, value in enumerate(job.tolist())],
            "remark": [f"remark {seed} of {row}" for row in range(rows)],
            "country": ["here"] * rows,
            "class": np.where(pays, "pays", "owes").tolist(),
        }
    )


def write_people(folder: Path, suffix: str = ".csv", rows: int = 200) -> None:
    """One file, so that held-out rows are split off."""
    folder.mkdir(parents=True, exist_ok=True)
    write = csv.write_csv if suffix == ".csv" else pq.write_table
    write(people(rows), folder / f"train{suffix}")
