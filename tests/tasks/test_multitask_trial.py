"""A trial over several tasks: recorded, killed and resumed the same (acceptance test 6); what a plan refuses."""

import io
import multiprocessing
import os
import signal
import warnings
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from labelbench_ray.api.run_plan import run_plan
from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.datasets.synthetic_tasks import SyntheticTasks
from labelbench_ray.embeddings.store import Embedded, SplitArrays
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ChangedDataError, ConfigError
from labelbench_ray.ledger.records import COSTS
from labelbench_ray.ledger.trials import Header, Ledger, RoundRecord, read_records
from labelbench_ray.planning import plan
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.pool.facts import Facts
from labelbench_ray.pool.standardization import standardize
from labelbench_ray.trial import parts
from labelbench_ray.trial.fit_light import LightFitter, in_process
from labelbench_ray.trial.loop import Loop

TARGET, SOURCES, BUDGET, TARGET_ROWS = 24, 24, 400, 60
DATASET = Part.of("synthetic_tasks", kind="sparse", rows_per_task=350, target_rows=TARGET_ROWS, test_rows=200)
RELEVANCE = Part.of("task_relevance", target=TARGET)
BASE = Trial(
    dataset=DATASET,
    encoder=Part.of("numbers", columns=16),
    strategy=RELEVANCE,
    first_batch=RELEVANCE,
    proxy=Part.of("multitask_linear", target=TARGET, rank=3),
    trainer="none",
    seed=0,
    rounds=3,
    budget=BUDGET,
)
pytestmark = pytest.mark.filterwarnings("ignore:which tasks are relevant")


@pytest.fixture(scope="module")
def embedded() -> Embedded:
    source = SyntheticTasks(**DATASET.settings).open(Path())
    splits = {}
    for name, split in source.splits.items():
        table = split.table
        facts = Facts({"task": table.tasks_N.astype(np.float64)}) if name == "pool" else Facts()
        splits[name] = SplitArrays(table.inputs_ND, table.answers_N, facts=facts)
    return Embedded(splits, standardize(splits["pool"].embeddings_ND), source.classes, source.task)


def header(trial: Trial) -> Header:
    built = parts.build(trial)
    return Header(
        fingerprint=built.fingerprint, trial=trial, store="memory", compute="numpy", task="regression", versions={}
    )


def run(folder: Path, embedded: Embedded, trial: Trial = BASE, shards: int = 1, stop: int | None = None):
    with Ledger.open(folder, header(trial)) as ledger:
        built = parts.build(trial)
        loop = Loop(built, ledger, LightFitter(built, embedded, (), in_process(embedded, shards)))
        list(islice(loop.rounds(), stop))
    return read_records(folder, header(trial))


def untimed(records: list[RoundRecord]) -> list[dict]:
    return [record.model_dump(exclude=COSTS) for record in records]


def test_the_first_batch_has_the_target_and_an_even_spread_and_notes_hold_the_tasks(tmp_path, embedded: Embedded):
    records = run(tmp_path, embedded)
    for record in records:
        tasks = embedded.pool.facts["task"][list(record.chosen)]
        assert list(record.notes) == tasks.tolist()
        assert len(record.chosen) == BUDGET
    first = np.bincount(records[0].notes, minlength=TARGET + 1)
    assert first[TARGET] == TARGET_ROWS
    assert set(first[:TARGET]) == {14, 15}
    assert TARGET not in records[1].notes
    last = records[-1].metrics
    assert last["Source Rows"] == last["Source Cost"] == 3 * BUDGET - TARGET_ROWS
    assert last["Predicted Risk to Even"] < 1
    shares = [value for name, value in last.items() if name.startswith("Share of Task ")]
    assert 0 < len(shares) <= 8
    assert "Cross-Fit Risk to Even" in last
    assert last["Test R2"] > 0.9
    assert {"Target Alone Test R2", "Target Alone Test Mean Squared Error"} <= last.keys()
    assert "Pool R2" not in last  # the model is of the target, and the pool mostly of other tasks


def test_6_uniform_is_an_even_split_to_the_row(tmp_path, embedded: Embedded):
    records = run(tmp_path, embedded, vary(BASE, strategy=Part.of("task_relevance", target=TARGET, norm="uniform")))
    bought = np.bincount(np.concatenate([record.notes for record in records]), minlength=TARGET + 1)
    assert bought.sum() == 3 * BUDGET
    assert bought[:TARGET].max() - bought[:TARGET].min() <= 1


@pytest.mark.parametrize("stop", [1, 2])
@pytest.mark.parametrize("settings", [{}, {"norm": "l2", "strategy": "coreset"}, {"gate": "hold"}], ids=str)
def test_6_a_resumed_trial_records_the_same(tmp_path, embedded: Embedded, settings: dict, stop: int):
    trial = vary(BASE, strategy=Part.of("task_relevance", target=TARGET, **settings))
    complete = run(tmp_path / "complete", embedded, trial)
    run(tmp_path / "resumed", embedded, trial, stop=stop)
    assert untimed(run(tmp_path / "resumed", embedded, trial)) == untimed(complete)
    for name in ("000", "001", "002"):
        files = [tmp_path / kind / f"rounds/{name}.safetensors" for kind in ("complete", "resumed")]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_6_the_number_of_shards_changes_nothing(tmp_path, embedded: Embedded):
    one, three = (run(tmp_path / str(shards), embedded, shards=shards) for shards in (1, 3))
    assert untimed(one) == untimed(three)


def _killed_in_a_round(folder: Path, embedded: Embedded) -> None:
    with Ledger.open(folder, header(BASE)) as ledger:
        built = parts.build(BASE)
        fitter = LightFitter(built, embedded, (), in_process(embedded), map_tasks=_kill_in_the_second_fit)
        list(Loop(built, ledger, fitter).rounds())


_FITS = []


def _kill_in_the_second_fit(function, items):
    _FITS.append(items)
    found = [function(item) for item in items]
    if len(_FITS) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return found


def test_6_a_trial_killed_within_a_round_resumes_to_an_equal_ledger(tmp_path, embedded: Embedded):
    complete = run(tmp_path / "complete", embedded)
    process = multiprocessing.get_context("fork").Process(
        target=_killed_in_a_round, args=(tmp_path / "killed", embedded)
    )
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    assert len(read_records(tmp_path / "killed", header(BASE))) == 1
    assert untimed(run(tmp_path / "killed", embedded)) == untimed(complete)


def test_costs_shape_the_shares_and_are_reported_beside_rows(tmp_path, embedded: Embedded):
    records = run(tmp_path / "equal", embedded)
    (dearest, _) = max(
        ((int(name.rpartition(" ")[2]), value) for name, value in records[1].metrics.items() if "Share of" in name),
        key=lambda pair: pair[1],
    )
    costs = Part.of("task_relevance", target=TARGET, costs={str(dearest): 4.0})
    dear = run(tmp_path / "dear", embedded, vary(BASE, strategy=costs))
    rows = [list(each[2].notes).count(dearest) for each in (records, dear)]
    assert rows[1] < rows[0]
    last = dear[-1].metrics
    mine = sum(list(record.notes).count(dearest) for record in dear)
    assert last["Source Cost"] == last["Source Rows"] + 3 * mine


def test_an_unidentified_relevance_warns_and_holds_by_choice(tmp_path, embedded: Embedded):
    weak = vary(BASE, budget=120)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        records = run(tmp_path / "warned", embedded, weak)
    above = [record for record in records[:-1] if record.metrics["Cross-Fit Risk to Even"] >= 1]
    assert above
    stated = [str(each.message) for each in caught if "is not identified yet" in str(each.message)]
    assert len(stated) == len(above)
    assert all(each.endswith("this round buys by them; gate='hold' buys evenly meanwhile") for each in stated)
    hold = Part.of("task_relevance", target=TARGET, gate="hold")
    with pytest.warns(UserWarning, match=r"is not identified yet: .*; this round buys evenly$"):
        held = run(tmp_path / "held", embedded, vary(weak, strategy=hold))
    until = [record.notes for record in held[: above[0].round + 2]]
    counts = np.bincount(np.concatenate(until), minlength=TARGET)[:TARGET]
    assert counts.max() - counts.min() <= 1


def test_when_the_sources_are_exhausted_what_is_left_of_the_target_is_bought(tmp_path, embedded: Embedded):
    first = Part.of("task_relevance", target=TARGET, target_rows=20)
    rows = len(embedded.pool.labels_N)
    trial = vary(BASE, first_batch=first, budget=rows // 2, rounds=2)
    records = run(tmp_path, embedded, trial)
    assert list(records[0].notes).count(TARGET) == 20
    bought = np.bincount(np.concatenate([record.notes for record in records]), minlength=TARGET + 1)
    assert bought.sum() == rows // 2 * 2


REFUSED = {
    "unknown task": (
        {"proxy": Part.of("multitask_linear", target=99), "both": Part.of("task_relevance", target=99)},
        r"no row of the pool is of the task 99; its tasks are: 0, 1, 2, .*, \.\.\.$",
    ),
    "too few rows of the target": (
        {"proxy": Part.of("multitask_linear", target=TARGET, rank=40)},
        r"the target 24 has 60 rows in the first batch \(60 in the pool\), and rank=40 needs 80; lower `rank`",
    ),
    "too few rows in the first batch": (
        {"first_batch": Part.of("task_relevance", target=TARGET, target_rows=5)},
        "has 5 rows in the first batch .*rank=3 needs 6",
    ),
    "the target fills the batch": (
        {"budget": 60, "first_batch": Part.of("task_relevance", target=TARGET, target_rows=60)},
        "60 rows of the target leave none of 60 for other tasks; lower `target_rows`, or raise `budget`",
    ),
    "a negative cost": (
        {"strategy": Part.of("task_relevance", target=TARGET, costs={"3": -1.0})},
        "the cost of task 3 is -1.0; a cost must be a positive number",
    ),
    "a cost of an unknown task": (
        {"strategy": Part.of("task_relevance", target=TARGET, costs={"77": 2.0})},
        "costs: no task called '77'",
    ),
    "another proxy": (
        {"proxy": "linear", "trainer": "ridge"},
        r'its target 24, and the proxy is linear; use proxy=Part.of\("multitask_linear", target=24\)',
    ),
    "another target": (
        {"proxy": Part.of("multitask_linear", target=3)},
        "reads the heads of its target 24, and the proxy is multitask_linear.*target=3",
    ),
    "another first batch": (
        {"first_batch": "random"},
        r'first_batch random: need not have rows of the target 24.*use first_batch=Part.of\("task_relevance"',
    ),
    "another trainer": (
        {"trainer": "ridge"},
        "the proxy 'multitask_linear' has a fit of its own; use the trainer 'none'",
    ),
    "no trainer for another proxy": (
        {"proxy": "linear", "strategy": "random", "first_batch": "random"},
        "trainer none: cannot train the proxy Linear; use the proxy 'none', 'multitask_linear' or "
        "'gradient_boosting' with it",
    ),
    "a strategy that reads probabilities": ({"strategy": "margin"}, "margin: does not serve the task 'regression'"),
}


def planned(trial: Trial, folder: Path) -> plan.Plan:
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    where = Environment(folder / "runs", folder / "store", folder / "data", uri, executor="local")
    return plan.plan(Experiment("tests.tasks", (trial,)), where)


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_at_plan_with_what_fits(tmp_path, changes: dict, message: str):
    both = changes.get("both")
    fields = {name: value for name, value in changes.items() if name != "both"}
    fields |= {"strategy": both, "first_batch": both} if both else {}
    with pytest.raises(ConfigError, match=message):
        planned(vary(BASE, **fields), tmp_path)


def test_more_than_two_classes_are_refused(tmp_path):
    trial = vary(
        BASE, dataset="digits", encoder="pixels", strategy="random", first_batch="random", proxy="multitask_linear"
    )
    with pytest.raises(ConfigError, match="serves numbers and two classes, and the data set digits has 10; use"):
        planned(trial, tmp_path)


def test_a_pool_without_tasks_is_refused(tmp_path):
    trial = vary(
        BASE,
        dataset="digits",
        encoder="pixels",
        strategy="random",
        first_batch="random",
        proxy=Part.of("multitask_linear", target=0),
    )
    with pytest.raises(ConfigError, match="has 10"):
        planned(trial, tmp_path)


def test_a_plan_of_what_fits_is_made(tmp_path):
    (trial,) = planned(BASE, tmp_path).trials
    assert not trial.done


def test_classes_that_grow_between_rounds_are_refused_by_name(tmp_path):
    """A trial that has begun is of the classes that its store has; a data set with one more is another one."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    where = Environment(tmp_path / "runs", tmp_path / "store", tmp_path / "data", uri, executor="local")
    (tmp_path / "data" / "rows").mkdir(parents=True)

    def write(names: list[str]) -> None:
        for part in ("train", "validation", "test"):
            rows = [(f"{number} {number % 7}", names[number % len(names)]) for number in range(60)]
            table = pa.table({"text": [text for text, _ in rows], "label": [name for _, name in rows]})
            pq.write_table(table, tmp_path / "data" / "rows" / f"{part}.parquet")

    write(["yes", "no"])
    trial = Trial(
        dataset=Part.of("parquet", path="rows", payload="text"),
        encoder=Part.of("numbers", columns=2),
        strategy="random",
        trainer="logistic",
        seed=0,
        rounds=2,
        budget=10,
    )
    first = Experiment("tests.growing", (trial,))
    assert run_plan(plan.plan(first, where), where, Console(file=io.StringIO())) == 0
    write(["yes", "no", "perhaps"])
    with pytest.raises(ChangedDataError, match=r"perhaps|classes"):
        plan.plan(Experiment("tests.growing", (vary(trial, rounds=3),)), where)
