"""A trial's rounds, or the records of its fine-tune, as one run of a tracker."""

import csv
import io
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from labelbench_ray.config import SIMULATED, FineTune, Part, Trial
from labelbench_ray.console.redaction import redacted
from labelbench_ray.errors import LedgerError
from labelbench_ray.ledger.finetunes import HEADER, FineTuneRecord, read_finetune_records, read_recipe
from labelbench_ray.ledger.state import TrialState, finetune_state, trial_state
from labelbench_ray.ledger.trials import Failure, Header, History, RoundRecord, read_failure, read_header, read_history
from labelbench_ray.plugins import Plugin
from labelbench_ray.tasks.single_label import SINGLE_LABEL
from labelbench_ray.trial import parts

TRACEBACK = "traceback.txt"
STATUSES = {
    TrialState.DONE: "FINISHED",
    TrialState.FAILED: "FAILED",
    TrialState.STOPPED_EARLY: "KILLED",
    TrialState.AWAITING_LABELS: "SCHEDULED",
}
"""What MLflow calls a state; all others are RUNNING."""
OPEN = ("RUNNING", "SCHEDULED")
"""Statuses of runs that have not ended."""
LONGEST = 6000
"""Characters of a parameter that MLflow accepts."""


COMPARED, DETAILS, SECONDS = "Main", "More", "Seconds"
"""Sections of MLflow's charts, which it makes of what precedes a slash and sorts by name: what is compared is first."""
LAYOUT = {"labelbench.layout": "2"}
"""A tag: how metrics are named. Runs of another layout are written anew."""
SOURCE_NAME, SOURCE_TYPE, COMMIT = "mlflow.source.name", "mlflow.source.type", "mlflow.source.git.commit"


def tracked_name(metric: str, compared: Collection[str] = SINGLE_LABEL.shown) -> str:
    """A metric of the ledger as it is called in MLflow; `compared`: those that the task compares."""
    chosen = metric in compared and not metric.startswith("Labeling ")
    return f"{COMPARED if chosen else DETAILS}/{metric}"


@dataclass(frozen=True, slots=True)
class Measured:
    """Metrics, and seconds by stage, at a number of labels."""

    labels: int
    milliseconds: int
    """When they were recorded, since 1970; fixed, so that writing them again changes nothing."""
    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """One run."""

    key: str
    """Identifies the run."""
    name: str
    parameters: dict[str, str]
    measured: tuple[Measured, ...]
    """In the order of recording, so that the ones that the tracker lacks come last."""
    texts: dict[str, str]
    """Artifacts that change with every record, by name."""
    tags: dict[str, str]
    state: TrialState
    failure: Failure | None

    @property
    def status(self) -> str:
        """The state as MLflow calls it."""
        return STATUSES.get(self.state, "RUNNING")

    @property
    def artifacts(self) -> dict[str, str]:
        """All artifacts by name."""
        return self.texts | ({TRACEBACK: redacted(self.failure.traceback)} if self.failure else {})


def read_tracked_run(directory: Path) -> TrackedRun:
    """Read the run of a trial's folder, or of a fine-tune's folder in it.

    Raises:
        LedgerError: a record is damaged, or the folder holds another trial.
    """
    return _finetune(directory) if (directory / HEADER).is_file() else _trial(directory)


def key_of(directory: Path) -> str:
    """The key of the run of a trial's folder, or of a fine-tune's folder in it, without reading it."""
    is_finetune = (directory / HEADER).is_file()
    return f"{directory.parent.parent.name}/{directory.name}" if is_finetune else directory.name


def parameters(trial: Trial) -> dict[str, str]:
    """A trial as flat MLflow parameters: each field, and each setting as `part.setting`, defaults included.

    `rounds` is a tag instead, since parameters never change and a trial may be extended. The default oracle is omitted.
    """
    flat: dict[str, str] = {}
    built = parts.build(trial)
    unstated = {"rounds", "finetune", *({"oracle"} if trial.oracle == SIMULATED else ())}
    for name in Trial.model_fields.keys() - unstated:
        value = getattr(trial, name)
        flat |= _settings(name, value, getattr(built, name)) if isinstance(value, Part) else {name: str(value)}
    return flat


def finetune_parameters(trial: Trial, recipe: FineTune) -> dict[str, str]:
    """The parameters of the trial, and `finetune.model` and `finetune.trainer` with their settings."""
    tuning = parts.build_tuning(recipe)
    model = _settings("finetune.model", recipe.model, tuning.model)
    return parameters(trial) | model | _settings("finetune.trainer", recipe.trainer, tuning.trainer)


def chosen_table(history: History) -> str:
    """CSV of the labels bought: round, order within it, pool id, label."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["round", "order", "pool_id", "label"])
    for record in history.records:
        rows.writerows(
            [record.round, order, row, json.dumps(label)]
            for order, (row, label) in enumerate(zip(record.chosen, record.labels, strict=True))
        )
    return text.getvalue()


def _trial(directory: Path) -> TrackedRun:
    history = read_history(directory)
    _check_place(directory, history.header)
    trial = history.header.trial
    return TrackedRun(
        key=history.header.fingerprint,
        name=f"{trial.strategy} seed {trial.seed}",
        parameters=_shortened(parameters(trial)),
        measured=tuple(_measured(record.num_labeled, record, history.header) for record in history.records),
        texts={"chosen.csv": chosen_table(history)} if history.records else {},
        tags={"rounds": str(trial.rounds), "stopped_early": str(history.stopped is not None).lower()}
        | _source(directory, history.header),
        state=trial_state(history, trial.rounds),
        failure=history.failure,
    )


def _finetune(directory: Path) -> TrackedRun:
    header, recipe = read_header(directory.parent.parent / "trial.json"), read_recipe(directory)
    _check_place(directory.parent.parent, header)
    trial, records, failure = header.trial, read_finetune_records(directory), read_failure(directory)
    measured = [_measured(labels, record, header) for labels, record in records.items()]
    return TrackedRun(
        key=f"{header.fingerprint}/{directory.name}",
        name=f"{trial.strategy} seed {trial.seed}: {recipe}",
        parameters=_shortened(finetune_parameters(trial, recipe)),
        measured=tuple(sorted(measured, key=lambda each: (each.milliseconds, each.labels))),
        texts={},
        tags={"trial": header.fingerprint} | _source(directory.parent.parent, header),
        state=finetune_state(records, recipe.budgets, failure),
        failure=failure,
    )


def _check_place(directory: Path, header: Header) -> None:
    """Refuse a folder that another trial's header was moved into: its failure is not that of the header's run."""
    if directory.name != header.fingerprint:
        raise LedgerError(f"{directory} holds the trial {header.fingerprint}; move it back")


def _measured(labels: int, record: RoundRecord | FineTuneRecord, header: Header) -> Measured:
    compared = header.traits.metrics if header.traits else SINGLE_LABEL.shown
    stages = {f"{SECONDS}/{stage}": value for stage, value in record.seconds.items()}
    metrics = {tracked_name(name, compared): value for name, value in record.metrics.items()}
    return Measured(labels, record.finished, metrics | stages)


def _source(directory: Path, header: Header) -> dict[str, str]:
    """The layout of the run, and which experiment and commit made it, as MLflow shows them."""
    commit = header.versions.get("commit")
    named = {SOURCE_NAME: directory.parent.name, SOURCE_TYPE: "LOCAL"}
    return LAYOUT | named | ({COMMIT: commit} if commit else {})


def _shortened(given: dict[str, str]) -> dict[str, str]:
    """Parameters cut to what MLflow accepts, without secrets."""
    shown = {name: redacted(value) for name, value in given.items()}
    return {name: value if len(value) <= LONGEST else f"{value[: LONGEST - 3]}..." for name, value in shown.items()}


def _settings(name: str, part: Part, built: Plugin) -> dict[str, str]:
    settings = built.model_dump(mode="json")
    return {name: part.name} | {f"{name}.{setting}": str(given) for setting, given in settings.items()}
