"""The encoder `columns`: what the pool's rows decide, against scikit-learn's scaler and one-hot encoder."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from labelbench_ray.config import Trial
from labelbench_ray.datasets import Records, Split
from labelbench_ray.datasets.table_columns import payloads, split_columns
from labelbench_ray.datasets.tabular import Tabular
from labelbench_ray.embeddings.complete import complete_store
from labelbench_ray.embeddings.local import LocalEmbedder
from labelbench_ray.encoders.columns import Columns
from labelbench_ray.errors import DataError
from labelbench_ray.plugins import Part
from labelbench_ray.trial.parts import build
from tests.full_trials import make_home
from tests.tables import people, write_people


class Rows:
    """Rows that are given as dictionaries."""

    def __init__(self, *rows: dict[str, object]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, rows):
        chosen = [json.dumps(self.rows[row]) for row in rows]
        return Records([str(row) for row in rows], chosen, np.zeros(len(chosen), np.int64))


def fitted(*rows: dict[str, object], **settings: int) -> Columns:
    return Columns(**settings).fitted(Split(Rows(*rows), range(len(rows))))


def embedded(encoder: Columns, *rows: dict[str, object]) -> np.ndarray:
    return encoder.load("cpu").embed([encoder.decode(json.dumps(row)) for row in rows])


def test_against_scikit_learn(tmp_path: Path):
    write_people(tmp_path / "people", ".parquet", 400)
    source = Tabular(path="people").open(tmp_path)
    encoder = Columns().fitted(source.splits["pool"])
    train = split_columns(source.splits["pool"]).to_pandas()
    for split in ("pool", "test"):
        table = split_columns(source.splits[split])
        rows = table.to_pandas()
        made = encoder.load("cpu").embed([encoder.decode(payload) for payload in payloads(table)])
        numbers, categories = ["age", "income"], ["job"]
        scaled = StandardScaler().fit(train[numbers]).transform(rows[numbers])
        hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(train[categories].dropna())
        expected = {
            0: np.nan_to_num(scaled[:, 0]),
            1: rows["age"].isna(),
            2: scaled[:, 1],
            **dict(zip(range(3, 7), hot.transform(rows[categories]).T, strict=True)),
            7: rows["job"].isna(),
        }
        assert encoder.dimensions() == made.shape[1] == len(expected)
        for place, column in expected.items():
            np.testing.assert_allclose(made[:, place], column, atol=1e-5)


def test_only_pool_rows_decide(tmp_path: Path):
    write_people(tmp_path / "people")
    source = Tabular(path="people").open(tmp_path)
    pool, test = source.splits["pool"], source.splits["test"]
    assert Columns().fitted(pool).weights() != Columns().fitted(test).weights()
    assert Columns().fitted(pool).weights() == Columns().fitted(Split(pool.table, pool.rows[::-1])).weights()


def test_more_categories_than_one_hot_are_hashed():
    rows = [{"zip": f"z{number}"} for number in range(51)]
    assert fitted(*rows[:50]).dimensions() == 50
    encoder = fitted(*rows, buckets=16)
    made = embedded(encoder, *rows, {"zip": "never seen"})
    assert made.shape == (52, 16)
    assert (np.abs(made).sum(axis=1) == 1).all()
    assert {*np.unique(made)} == {-1, 0, 1}
    assert len(np.unique(made.argmax(axis=1) - made.argmin(axis=1))) > 8  # spread over the buckets
    np.testing.assert_array_equal(made, embedded(fitted(*rows[::-1], buckets=16), *rows, {"zip": "never seen"}))


def test_missing_and_unknown_values():
    encoder = fitted({"n": 1, "c": "a"}, {"n": 3, "c": "b"}, {"n": None, "c": None})
    made = embedded(encoder, {"n": None, "c": None}, {"n": 3, "c": "never seen"}, {"n": 1, "c": "b"})
    np.testing.assert_array_equal(made, [[0, 1, 0, 0, 1], [1, 0, 0, 0, 0], [-1, 0, 0, 1, 0]])
    without = fitted({"n": 1, "c": "a"}, {"n": 3, "c": "b"})
    np.testing.assert_array_equal(embedded(without, {"n": None, "c": None}), [[0, 0, 0]])


def test_constant_tiny_and_far_numbers():
    encoder = fitted(*({"same": 7, "tiny": 1e-300 * row, "huge": 1e300 * row} for row in range(4)))
    made = embedded(encoder, {"same": 7, "tiny": 3e-300, "huge": 3e300}, {"same": 7, "tiny": 0, "huge": -1e308})
    assert np.isfinite(made).all()
    np.testing.assert_allclose(made[0, 1:], 1.5 / np.sqrt(1.25), rtol=1e-6)
    assert made[0, 0] == 0
    assert made[1, 2] == -100


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"n": "x", "c": "a"}, "column 'n' holds the text 'x'; in the pool it holds numbers"),
        ({"n": 1, "c": 2}, "column 'c' holds the number 2; in the pool it holds texts"),
        ({"n": 1}, "the row lacks the column 'c'"),
        ({"n": 1, "c": "a", "more": 2}, "the row has a column that the pool's rows lack, 'more'"),
    ],
)
def test_a_row_of_other_columns_is_a_reject(row: dict[str, object], reason: str):
    encoder = fitted({"n": 1, "c": "a"}, {"n": 2, "c": "b"})
    with pytest.raises(ValueError, match=reason):
        encoder.decode(json.dumps(row))


def test_a_pool_whose_column_mixes_types_is_refused():
    with pytest.raises(DataError, match="column 'n' holds numbers and texts"):
        fitted({"n": 1}, {"n": "x"})


def test_the_store_states_what_was_fitted_and_settings_stay_the_recipe(tmp_path: Path):
    write_people(tmp_path / "people")
    home = make_home(tmp_path, tmp_path / "store")
    trial = Trial(
        dataset=Part.of("tabular", path="people"), encoder="columns", strategy="margin", trainer="logistic", seed=0,
        rounds=3, budget=20,
    )  # fmt: skip
    built = build(trial)
    store = complete_store(built.store_recipe, None, home.environment, LocalEmbedder(), lambda rows, total: None)
    source = built.dataset.open(tmp_path)
    assert store.manifest.weights == Columns().fitted(source.splits["pool"]).weights()
    assert store.manifest.dimensions == 8
    assert store.manifest.encoder["settings"] == {"one_hot": 50, "buckets": 32}
    assert not pq.read_table(next((tmp_path / "store").glob("*/rejects.parquet"))).num_rows
    done = home.run(trial)
    assert done[-1].metrics["Test Accuracy"] > done[0].metrics["Test Accuracy"] - 0.1
    assert people().num_rows == 200


def test_it_travels_with_what_was_fitted():
    from multiprocessing.reduction import ForkingPickler

    encoder = fitted({"n": 1, "c": "a"}, {"n": 2, "c": "b"})
    copy = ForkingPickler.loads(ForkingPickler.dumps(encoder))
    assert copy.weights() == encoder.weights()
    np.testing.assert_array_equal(embedded(copy, {"n": 1, "c": "a"}), embedded(encoder, {"n": 1, "c": "a"}))
