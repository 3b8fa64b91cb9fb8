"""The task `regression`: answers are numbers, from the data set through oracle, ledger and metrics to the report."""

import io
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error, r2_score

from labelbench_ray import strategies, tasks
from labelbench_ray.api.run_plan import run_plan
from labelbench_ray.config import Part, Trial, grid, vary
from labelbench_ray.datasets.parquet import Parquet
from labelbench_ray.embeddings.store import Embedded, SplitArrays
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ChangedDataError, ConfigError, DataError
from labelbench_ray.ledger.records import COSTS
from labelbench_ray.ledger.trials import Header, Ledger, RoundRecord, read_history, read_records
from labelbench_ray.planning import plan
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.pool.distributions import REAL
from labelbench_ray.pool.standardization import standardize
from labelbench_ray.proxies import Classifier
from labelbench_ray.trial import parts
from labelbench_ray.trial.fit_light import LightFitter, in_process
from labelbench_ray.trial.loop import Loop
from labelbench_ray.trial.traits import traits
from labelbench_ray.types import BLOCK_ROWS, PoolView

TASK = tasks.create("regression")
SERVING = ["coreset", "kmeans", "max_herding", "random", "task_relevance", "typiclust"]
DATASET = Part.of("parquet", path="answers", payload="text", label_value="score")
ENCODER = Part.of("numbers", columns=2)
BASE = Trial(dataset=DATASET, encoder=ENCODER, strategy="random", seed=0, rounds=3, budget=12, trainer="ridge")


def make(rows: int = 150) -> Embedded:
    rng = np.random.default_rng(3)
    weight = rng.normal(size=5)

    def split(size: int) -> SplitArrays:
        embeddings = rng.normal(size=(size, 5)).astype(np.float16)
        return SplitArrays(embeddings, embeddings.astype(np.float64) @ weight + 3 + 0.1 * rng.normal(size=size))

    pool, validation, test = split(rows), split(40), split(60)
    parts = {"pool": pool, "validation": validation, "test": test}
    return Embedded(parts, standardize(pool.embeddings_ND), ("score",), TASK)


EMBEDDED = make()


def header(trial: Trial) -> Header:
    built = parts.build(trial)
    return Header(
        fingerprint=built.fingerprint,
        trial=trial,
        store="memory",
        compute="numpy",
        task=built.dataset.task,
        traits=traits(built),
        versions={},
    )


def run(folder: Path, trial: Trial = BASE, embedded: Embedded = EMBEDDED, shards: int = 1, stop: int | None = None):
    with Ledger.open(folder, header(trial)) as ledger:
        built = parts.build(trial)
        loop = Loop(built, ledger, LightFitter(built, embedded, (), in_process(embedded, shards)))
        list(islice(loop.rounds(), stop))
    return read_records(folder, header(trial))


def untimed(records: list[RoundRecord]) -> list[dict]:
    return [record.model_dump(exclude=COSTS) for record in records]


def test_metrics_equal_scikit_learn_s_in_any_cut():
    rng = np.random.default_rng(0)
    answers, predicted = rng.normal(1000, 3, 500), rng.normal(1000, 3, (500, 1)).astype(np.float32)
    complete = TASK.of_split("Test", TASK.tally(predicted, answers))
    assert complete["Test Mean Squared Error"] == pytest.approx(mean_squared_error(answers, predicted[:, 0]))
    assert complete["Test R2"] == pytest.approx(r2_score(answers, predicted[:, 0]))
    cuts = [slice(0, 100), slice(100, 350), slice(350, 500)]
    parts_of = [TASK.tally(predicted[cut], answers[cut]) for cut in cuts]
    forward = parts_of[0] + parts_of[1] + parts_of[2]
    backward = parts_of[2] + (parts_of[1] + parts_of[0])
    assert TASK.of_split("Test", forward) == TASK.of_split("Test", backward)


@pytest.mark.parametrize("answer", [0.0, 0.1, 1e9, -7.3])
def test_r2_of_equal_answers_is_left_out(answer: float):
    counts = TASK.tally(np.zeros((500, 1), np.float32), np.full(500, answer))
    assert TASK.of_split("Test", counts).keys() == {"Test Mean Squared Error"}


def test_answers_are_written_and_read_without_loss():
    answers = np.array([0.1, -1.0, 1e300, 5e-324, 3.0])
    assert TASK.from_json(TASK.to_json(answers), 1).tolist() == answers.tolist()
    assert TASK.is_label(np.array([1.0, np.nan, np.inf, -1.0]), 1).tolist() == [True, False, False, True]


def test_ridge_equals_scikit_learn_s(tmp_path):
    records = run(tmp_path, vary(BASE, trainer=Part.of("ridge", l2=0.5)))
    bought = np.array([row for record in records for row in record.chosen])
    inputs = EMBEDDED.standardization.apply(EMBEDDED.pool.embeddings_ND[bought]).astype(np.float64)
    model = Ridge(alpha=0.5 * len(bought)).fit(inputs, EMBEDDED.pool.labels_N[bought])
    with Ledger.open(tmp_path, header(vary(BASE, trainer=Part.of("ridge", l2=0.5)))) as ledger:
        classifier = Classifier.of_tensors(ledger.proxy(records[-1]), REAL)
    test = EMBEDDED.test
    expected = model.predict(EMBEDDED.standardization.apply(test.embeddings_ND))
    np.testing.assert_allclose(classifier.probabilities(test.embeddings_ND)[:, 0], expected, atol=1e-4)
    last = records[-1].metrics
    assert last["Test R2"] == pytest.approx(r2_score(test.labels_N, expected), abs=1e-4)
    assert last["Test Mean Squared Error"] == pytest.approx(mean_squared_error(test.labels_N, expected), rel=1e-3)
    assert {"Pool R2", "Validation R2", "Num Labeled", "Labeled Mean"} <= last.keys()
    assert "Labeling Accuracy" not in last
    assert last["Test R2"] < 0.99  # the penalty


def test_the_proxy_learns_and_the_record_holds_the_answers(tmp_path):
    records = run(tmp_path)
    assert records[-1].metrics["Test R2"] > 0.98
    for record in records:
        assert list(record.labels) == EMBEDDED.pool.labels_N[list(record.chosen)].tolist()


@pytest.mark.parametrize("strategy", [name for name in SERVING if name != "task_relevance"])
def test_a_resumed_trial_records_the_same(tmp_path, strategy: str):
    trial = vary(BASE, strategy=strategy)
    complete = run(tmp_path / "complete", trial)
    run(tmp_path / "resumed", trial, stop=1)
    assert untimed(run(tmp_path / "resumed", trial)) == untimed(complete)


def test_the_number_of_shards_changes_nothing(tmp_path):
    embedded = make(2 * BLOCK_ROWS + 100)
    one, three = (run(tmp_path / str(shards), vary(BASE, rounds=2), embedded, shards) for shards in (1, 3))
    assert untimed(one) == untimed(three)


def test_the_strategies_that_serve_regression_are_those_of_the_docs():
    assert tasks.serving(strategies.Strategy, strategies.PACKAGE, ["regression"]) == SERVING


@pytest.mark.parametrize("name", ["margin", "badge", "galaxy"])
def test_a_strategy_that_needs_probabilities_is_refused_with_those_that_fit(name: str):
    with pytest.raises(ConfigError, match=f"strategy {name}: does not serve .*'regression'.*use one of: coreset, "):
        parts.build(vary(BASE, strategy=name))
    view = PoolView.from_predictions(REAL, np.ones((9, 2), np.float32), np.ones((9, 1), np.float32), [], [])
    with pytest.raises(ValueError, match="answers of this one are numbers; use one of: coreset, "):
        strategies.create(name).select(view, 3, np.random.default_rng(0), ask=lambda ids: ids * 1.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trainer": "supervised"}, "trainer supervised: .*use one of: none, ridge"),
        ({"proxy": "shallow"}, "ridge fits the proxy 'linear' only"),
        ({"corrupter": "uniform_noise"}, "corrupter uniform_noise: .*; use one of: clean$"),
        ({"oracle": "files"}, "oracle files: .*; use one of: simulated"),
    ],
)
def test_what_does_not_serve_numbers_is_refused(changes: dict, message: str):
    with pytest.raises(ConfigError, match=message):
        parts.build(vary(BASE, **changes))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((np.ones((9, 2), np.float32), [], []), r"2 columns; a predicted number is one column, \(N, 1\)"),
        ((np.full((9, 1), np.nan, np.float32), [], []), "row 0 holds NaN or infinity"),
        ((np.ones((9, 1), np.float32), [3], [np.inf]), "labels: row 3 holds NaN or infinity"),
        ((np.ones((9, 1), np.float32), [3], [1.0, 2.0]), "give one number for each labeled row"),
        ((np.ones((9, 1), np.float32), [3], ["a"]), "labels: dtype <U1 must be float64"),
    ],
)
def test_a_view_of_numbers_refuses_what_it_cannot_be(arrays: tuple, message: str):
    with pytest.raises(ValueError, match=message):
        PoolView.from_predictions(REAL, np.ones((9, 2), np.float32), *arrays)


def write(root: Path, scores: list[float | None] | None = None, kind: pa.DataType | None = None) -> list[float]:
    (root / "answers").mkdir(parents=True, exist_ok=True)
    rng, train = np.random.default_rng(0), list[float]()
    for part, rows in (("train", 90), ("validation", 20), ("test", 30)):
        lengths = rng.integers(1, 40, rows)
        column = [float(length) * 2 - 40 for length in lengths]
        changed = part == "train" and scores is not None
        given = scores if changed else column
        texts = [f"{length} {row % 7}" for row, length in enumerate(lengths)]
        table = pa.table({"text": texts[: len(given)], "score": pa.array(given, kind if changed else None)})
        pq.write_table(table, root / "answers" / f"{part}.parquet")
        train = column if part == "train" else train
    return train


def environment(folder: Path) -> Environment:
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    return Environment(folder / "runs", folder / "store", folder / "data", uri, executor="local")


def ran(trials: list[Trial], where: Environment) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=200)
    planned = plan.plan(Experiment("tests.study", tuple(trials)), where)
    return run_plan(planned, where, console), console.file.getvalue()


def test_a_study_of_numbers_runs_to_a_report_by_r2(tmp_path):
    where = environment(tmp_path)
    before = write(where.data_root)
    planned = plan.plan(Experiment("tests.study", (BASE,)), where)
    assert any("answers from -38 to 38, mean" in line for line in planned.stores[0].found)
    trials = grid(BASE, strategy=["random", "coreset"], seed=range(2))
    status, printed = ran(trials, where)
    assert status == 0
    assert "Test R2 with 36 labels" in printed
    assert "Test R2" in (where.runs / "tests.study/report.html").read_text()
    recorded = read_history(where.runs / "tests.study" / parts.build(trials[0]).fingerprint)
    assert recorded.header.task == "regression"
    assert recorded.records[-1].metrics["Test R2"] > 0.9
    assert all(isinstance(answer, float) for record in recorded.records for answer in record.labels)
    write(where.data_root, [answer + 0.25 for answer in before])
    with pytest.raises(ChangedDataError, match=r"90 .*label"):
        plan.plan(Experiment("tests.study", (BASE,)), where)


def test_a_pool_row_without_an_answer_is_refused_by_the_simulated_oracle(tmp_path):
    where = environment(tmp_path)
    write(where.data_root, [None, *[-1.0] * 89])
    with pytest.raises(ConfigError, match="1 of 90 rows of the pool have no label"):
        plan.plan(Experiment("tests.study", (BASE,)), where)


@pytest.mark.parametrize(
    ("scores", "kind", "message"),
    [
        ([float("inf")] * 90, None, "row 0: inf; an answer must be a finite number, or null for none"),
        (["a"] * 90, pa.string(), "holds string; answers must be floats or integers"),
    ],
)
def test_columns_that_are_no_numbers_are_refused(tmp_path, scores: list, kind: pa.DataType, message: str):
    write(tmp_path, scores, kind)
    dataset = Parquet(path="answers", payload="text", label_value="score")
    with pytest.raises(DataError, match=message):
        dataset.open(tmp_path)


def test_a_column_of_numbers_has_no_classes():
    with pytest.raises(ValueError, match="numbers, which have no classes; leave out label_list"):
        Parquet(path="answers", payload="text", label_value="score", classes=("a", "b"))
