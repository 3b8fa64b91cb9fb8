"""`labelbench sync`: make MLflow equal to the ledgers, whatever happened to it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlflow.entities import Run
from rich.console import Console

from labelbench_ray.console.progress import meter
from labelbench_ray.console.redaction import redacted
from labelbench_ray.ledger.experiments import read_grid
from labelbench_ray.storage.remote import beside
from labelbench_ray.tracking.directories import tracked_directories
from labelbench_ray.tracking.histories import Written, read_histories
from labelbench_ray.tracking.mlflow_runs import MlflowRuns, is_current, is_outage, open_mlflow_runs, tags_of
from labelbench_ray.tracking.runs import Measured, TrackedRun, key_of, read_tracked_run

REPORT = "report.html"

AT_ONCE = 200
"""Trials whose metrics are read together."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was done to the runs of an experiment."""

    runs: int = 0
    """All that are there now."""
    created: int = 0
    completed: int = 0
    """Runs that lacked something."""
    replaced: int = 0
    """Runs that held something else than the ledger, or held it twice."""
    metrics: int = 0
    """Metrics that were written."""

    def __add__(self, other: "Done") -> "Done":
        return Done(
            self.runs + other.runs,
            self.created + other.created,
            self.completed + other.completed,
            self.replaced + other.replaced,
            self.metrics + other.metrics,
        )

    def __str__(self) -> str:
        return (
            f"{self.runs} runs: {self.created} created, {self.completed} completed, {self.replaced} replaced; "
            f"{self.metrics} metrics written"
        )


def sync(folders: Iterable[Path], uri: str, console: Console) -> int:
    """Bring each experiment up to date; returns the exit status, 1 when MLflow is down or a ledger is damaged."""
    status = 0
    for folder in folders:
        try:
            status |= sync_experiment(folder, uri, console)
        except Exception as error:
            if not is_outage(error):
                raise
            text = redacted(f"{type(error).__name__}: {error}", uri)
            _print(
                console,
                f"{folder.name}: MLflow at {redacted(uri)} failed: {text}. Nothing is lost: run the "
                "same command again once it is up",
            )
            return 1
    return status


def sync_experiment(folder: Path, uri: str, console: Console) -> int:
    """Bring one experiment up to date; 1 when one of its ledgers is damaged, or MLflow refuses it.

    Raises:
        Exception: what MLflow raises when it is down.
    """
    grid = read_grid(folder)
    done, status, directories = Done(), 0, tracked_directories(folder, grid)
    with meter(console, "opening MLflow, runs", len(directories)) as shown:
        mlflow = open_mlflow_runs(uri, grid.experiment, beside(folder.parent) / "mlartifacts")
        runs = mlflow.runs()
        for start in range(0, len(directories), AT_ONCE):
            some = directories[start : start + AT_ONCE]
            first = [found[0] for directory in some if (found := runs.get(key_of(directory)))]
            there = read_histories(mlflow.client, first)
            for number, directory in enumerate(some, start):
                shown.show(number, len(directories), f"{folder.name}: comparing runs")
                try:
                    tracked = read_tracked_run(directory)
                    done += reconcile(mlflow, runs.get(tracked.key, []), tracked, there)
                except Exception as error:
                    if is_outage(error):
                        raise
                    _print(console, f"left out: {directory}: {redacted(str(error), uri)}")
                    status = 1
    if (folder / REPORT).is_file():
        mlflow.attach(folder / REPORT)
    if mlflow.parent.info.status != "FINISHED":
        mlflow.end()
    console.print(f"{folder.name}: {done}", highlight=False, soft_wrap=True, markup=False)
    return status


def reconcile(mlflow: MlflowRuns, runs: Sequence[Run], tracked: TrackedRun, histories: Mapping[str, Written]) -> Done:
    """Leave exactly one run that equals the ledger; writes nothing if the one in `runs` does.

    Args:
        histories: what is there of the first of the runs, by its id.
    """
    if not runs:
        mlflow.log(tracked)
        return Done(runs=1, created=1, metrics=written(tracked.measured).total())
    first, *others = runs
    for run in others:  # of two mirrors that wrote at once
        mlflow.client.delete_run(run.info.run_id)
    there = _there(histories[first.info.run_id], tracked)
    differs = there - written(tracked.measured) or not _fits(first.data.params, tracked.parameters)
    if differs or not is_current(first):
        mlflow.delete(tracked.key)
        mlflow.log(tracked)
        return Done(runs=1, replaced=1 + len(others), metrics=written(tracked.measured).total())
    lacking = lacking_of(tracked.measured, there)
    completed = _complete(mlflow, first, tracked, lacking)
    return Done(runs=1, completed=completed, replaced=len(others), metrics=written(lacking).total())


def written(measured: Iterable[Measured]) -> Written:
    """What a history is to hold."""
    return Counter((name, each.labels, value) for each in measured for name, value in each.values.items())


def lacking_of(measured: Iterable[Measured], there: Written) -> tuple[Measured, ...]:
    """The measurements that are not there yet."""
    lacking = [
        replace(
            each,
            values={name: value for name, value in each.values.items() if not there[name, each.labels, value]},
        )
        for each in measured
    ]
    return tuple(each for each in lacking if each.values)


def _there(found: Written, tracked: TrackedRun) -> Written:
    """What is there of the ledger's metrics; metrics that others wrote are left alone."""
    names = {name for each in tracked.measured for name in each.values}
    return Counter({entry: count for entry, count in found.items() if entry[0] in names})


def _fits(there: dict[str, str], wanted: dict[str, str]) -> bool:
    return all(there[name] == value for name, value in wanted.items() if name in there)


def _complete(mlflow: MlflowRuns, run: Run, tracked: TrackedRun, lacking: tuple[Measured, ...]) -> bool:
    """Write what a run lacks; returns whether it lacked anything."""
    wanted = tags_of(tracked, mlflow.parent)
    tags = {name: value for name, value in wanted.items() if run.data.tags.get(name) != value}
    parameters = {name: value for name, value in tracked.parameters.items() if name not in run.data.params}
    sizes = mlflow.sizes(run)
    texts = {name: text for name, text in tracked.artifacts.items() if sizes.get(name) != len(text.encode())}
    if lacking or parameters or tags:
        mlflow.log_batch(run.info.run_id, lacking, parameters, tags)
    mlflow.put_all(run.info.artifact_uri, texts)
    if other := run.info.status != tracked.status:
        mlflow.set_status(run.info.run_id, tracked)
    return bool(lacking or parameters or tags or texts or other)


def _print(console: Console, text: str) -> None:
    console.print(text, style="red", markup=False, highlight=False, soft_wrap=True)
