"""`results`: tidy tables whose numbers are those of the ledgers and of the report."""

import json
from itertools import combinations
from math import isfinite

import numpy as np
import pyarrow as pa
import pytest

import labelbench_ray
from labelbench_ray.api.results import results
from labelbench_ray.embeddings.shards import ShardRows
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.experiments import write_grid
from labelbench_ray.ledger.queries import Query, write_query
from labelbench_ray.ledger.records import Grid
from labelbench_ray.ledger.trials import read_header, read_records
from labelbench_ray.report import build
from labelbench_ray.report.statistics.paired import holm
from labelbench_ray.report.statistics.pooled import difference, pool
from labelbench_ray.storage.locks import NO_LOCK
from tests.samples import write_store
from tests.test_frozen_files import FIXTURES

ABSENT = "no store"


def test_the_package_offers_it():
    assert labelbench_ray.results is results


def test_every_round_is_a_row_with_every_value_of_its_record(planted):
    folder = planted(seeds=2)
    table = results(folder).rounds()
    assert table.num_rows == 4 * 2 * 5
    for row in table.to_pylist():
        directory = folder / row["fingerprint"]
        record = read_records(directory, read_header(directory / "trial.json"))[row["round"]]
        assert {name: row[name] for name in record.metrics} == record.metrics
        assert row["num_labeled"] == record.num_labeled
        assert (row["fit_wall_seconds"], row["score_cpu_seconds"]) == (record.seconds["fit"], record.cpu["score"])
        assert row["cpu_seconds"] == pytest.approx(record.cpu_seconds)
        assert row["finished"].timestamp() * 1000 == pytest.approx(record.finished)
        assert (row["dataset"], row["budget"], row["proxy"]) == ("digits", 10, "linear")


def test_what_a_round_lacks_is_null(experiment):
    experiment.add("random", 0, [0.5, 0.6], extra={"Test mAP": 0.1}, rounds=2)
    experiment.add("margin", 0, [0.5, 0.6], rounds=2)
    table = results(experiment.write()).rounds()
    assert table["Test mAP"].to_pylist() == [0.1, 0.1, None, None]


def test_groups_are_columns_and_names_that_are_taken_are_kept_apart(experiment):
    groups = {"test": {"land": 0.25, "sea": 0.75}}
    experiment.add("random", 0, [0.5], rounds=1, groups=groups, extra={"seed": 7.0})
    (row,) = results(experiment.write()).rounds().to_pylist()
    assert (row["Test Accuracy, group land"], row["Test Accuracy, group sea"]) == (0.25, 0.75)
    assert (row["seed"], row["metric_seed"]) == (0, 7.0)


def test_every_trial_of_the_grid_is_a_row_with_its_state(experiment):
    experiment.add("random", 0, [0.5, 0.6], rounds=2)
    experiment.add("margin", 0, [0.5], rounds=2, error="no memory")
    experiment.plan("entropy", 0, rounds=2)
    folder = experiment.write()
    rows = {row["strategy"]: row for row in results(folder).trials().to_pylist()}
    assert {name: row["state"] for name, row in rows.items()} == {
        "random": "done",
        "margin": "failed",
        "entropy": "planned",
    }
    assert (rows["margin"]["reason"], rows["random"]["reason"]) == ("no memory", None)
    assert [rows[name]["rounds_done"] for name in ("random", "margin", "entropy")] == [2, 1, 0]
    assert (rows["random"]["Test Accuracy"], rows["entropy"]["Test Accuracy"]) == (0.6, None)
    assert rows["random"]["fit_wall_seconds"] == 2.0
    assert rows["random"]["folder"] == str(folder / rows["random"]["fingerprint"])


def test_savings_are_the_report_s_numbers(planted):
    folder = planted()
    rows = results(folder).savings().to_pylist()
    (section,) = build(folder).sections
    assert len(rows) == sum(len(comparison.rows) for comparison in section.comparisons)
    places = iter(rows)
    for comparison in section.comparisons:
        for expected in comparison.rows:
            row = next(places)
            assert (row["metric"], row["strategy"]) == (comparison.metric, expected.strategy)
            assert (row["final"], row["area_low"]) == (expected.final.value, expected.area.low)
            if (difference := expected.difference) is None:
                assert (row["baseline"], row["standing"], row["saved"]) == ("random", "baseline", None)
                continue
            assert row["final_gain"] == difference.final.value
            assert row["area_gain_p_holm"] == difference.area_adjusted
            saved = difference.saving.fraction
            assert row["saved"] == (saved if isfinite(saved) else None)
            assert row["reached"] == difference.saving.reached


def test_savings_over_another_baseline(planted):
    rows = [row for row in results(planted(), baseline="entropy").savings().to_pylist() if row["decides"]]
    assert {row["baseline"] for row in rows} == {"entropy"}
    assert {row["strategy"]: row["baseline_labels"] for row in rows}["margin"] == 50
    assert {row["strategy"]: row["final_gain"] for row in rows}["random"] == pytest.approx(0.80 - 0.85)


@pytest.mark.filterwarnings("ignore:Precision loss occurred:RuntimeWarning")  # scipy's, of planted pairs that agree
def test_pairs_are_tested_over_their_common_seeds_with_holm_over_all_pairs(planted):
    found = results(planted(own=0.02))
    rows = [row for row in found.comparisons().to_pylist() if row["decides"]]
    rounds = found.rounds().to_pandas()
    ends = rounds[rounds["round"] == 4].pivot(index="seed", columns="strategy", values="Test Accuracy")
    names = {frozenset((row["first"], row["second"])) for row in rows}
    assert names == set(map(frozenset, combinations(ends.columns, 2)))
    pooled = pool({name: ends[name].to_numpy() for name in ends})
    p_values = [
        difference((ends[row["first"]] - ends[row["second"]]).to_numpy(), row["first"], row["second"], pooled).p_value
        for row in rows
    ]
    assert [row["final_difference_p"] for row in rows] == pytest.approx(p_values)
    assert [row["final_difference_p_holm"] for row in rows] == pytest.approx(holm(np.array(p_values)).tolist())
    gaps = [(ends[row["first"]] - ends[row["second"]]).mean() for row in rows]
    assert [row["final_difference"] for row in rows] == pytest.approx(gaps)
    assert all(row["area_difference"] > 0 for row in rows)


def test_one_seed_has_neither_interval_nor_p(planted):
    row = results(planted(seeds=1)).comparisons().to_pylist()[0]
    assert row["final_difference"] is not None
    assert {row[f"final_difference_{end}"] for end in ("low", "high", "spread", "p", "p_holm")} == {None}


def test_several_paths_make_one_table_and_a_folder_that_is_named_twice_counts_once(planted):
    folder = planted(seeds=1)
    other = folder.with_name("other.grid")
    write_grid(other, Grid(experiment="other.grid", entries=()))
    found = results([folder, folder.parent, str(other)])
    assert [experiment.name for experiment in found.experiments] == ["test.grid", "other.grid"]
    assert set(found.trials()["experiment"].to_pylist()) == {"test.grid"}


def test_without_trials_every_table_has_its_columns(experiment):
    found = results(experiment.write())
    for table in (found.rounds(), found.trials(), found.savings(), found.comparisons(), found.labels(ABSENT)):
        assert table.num_rows == 0
        assert "experiment" in table.column_names


def test_a_folder_without_experiment_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no experiment"):
        results(tmp_path)


def test_no_folder_is_refused():
    with pytest.raises(ConfigError, match="no folder is given"):
        results([])


def test_types(planted):
    found = results(planted(seeds=1))
    schema = found.rounds().schema
    assert schema.field("seed").type == pa.int64()
    assert schema.field("Test Accuracy").type == pa.float64()
    assert schema.field("finished").type == pa.timestamp("ms", tz="UTC")
    assert str(found.trials().to_pandas().dtypes["Test Accuracy"]) == "float64"


def test_labels_have_row_ids_and_class_names_of_the_store_that_the_trial_read(experiment, tmp_path):
    rows = ShardRows([f"row-{place:04d}" for place in range(1000)], np.zeros(1000, int), np.zeros((1000, 4), "f2"), {})
    splits = {"pool": [rows], "validation": [rows], "test": [rows]}
    store = write_store(tmp_path / "store" / "abc", splits, classes=("cat", "dog", "elk"))
    experiment.add("random", 0, [0.5, 0.6], rounds=2, store=store.manifest.content)
    experiment.add("margin", 0, [0.5], rounds=1, store="another")
    table = results(experiment.write()).labels(tmp_path / "store").to_pylist()
    known = [row for row in table if row["strategy"] == "random"]
    assert [(row["round"], row["order"]) for row in known] == [(r, o) for r in range(2) for o in range(10)]
    assert all(row["row_id"] == f"row-{row['pool_id']:04d}" for row in known)
    assert {(row["label"], row["class_name"]) for row in known} == {(0, "cat")}
    assert {(row["row_id"], row["class_name"]) for row in table if row["strategy"] == "margin"} == {(None, None)}


def test_without_the_store_labels_have_the_names_that_people_were_asked_with(experiment):
    directory = experiment.add("random", 0, [0.5], rounds=1)
    folder = experiment.write()
    (record,) = read_records(directory, read_header(directory / "trial.json"))
    query = Query(
        fingerprint=directory.name,
        round=0,
        ids=record.chosen[::-1],
        row_ids=tuple(f"row {row}" for row in record.chosen[::-1]),
        strategy="random",
        model="",
        classes=("cat", "dog"),
        batch_file="",
    )
    write_query(directory, NO_LOCK, query)
    for row in results(folder).labels(ABSENT).to_pylist():
        assert (row["row_id"], row["class_name"]) == (f"row {row['pool_id']}", "cat")


def test_runs_of_an_earlier_version_are_read():
    found = results(FIXTURES / "be79322" / "recorded")
    assert found.rounds()["version_labelbench_ray"].to_pylist()[0] == "0.1.0"
    assert set(found.trials()["state"].to_pylist()) >= {"done", "failed", "stopped_early"}
    labels = found.labels(FIXTURES / "be79322" / "embedded").to_pylist()
    assert all(row["row_id"] and row["class_name"] == str(row["label"]) for row in labels)
    json.dumps(found.savings().to_pylist(), allow_nan=False)
