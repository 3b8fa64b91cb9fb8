"""What an experiment's folder holds, as frozen values: settings, their trials, and the curves of each strategy.

A setting is all that two trials must share to be compared: everything but strategy, seed and number of rounds. Nothing
is dropped: a trial that is missing, unfinished, stopped early, failed or damaged is kept, with the reason.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Final

from labelbench_ray.config import Trial
from labelbench_ray.console.escaping import escaped
from labelbench_ray.console.redaction import redacted
from labelbench_ray.costs import Spent
from labelbench_ray.errors import LedgerError, OtherVersionError
from labelbench_ray.ledger.data_notes import NOTHING_NOTED, DataNote, DataNotes, read_notes
from labelbench_ray.ledger.experiments import read_grid
from labelbench_ray.ledger.finetunes import FOLDER, read_finetune_records, read_recipe
from labelbench_ray.ledger.provenance import Provenance, Versions, numeric, provenances
from labelbench_ray.ledger.records import Entry
from labelbench_ray.ledger.trials import History, RoundRecord, read_failure, read_history
from labelbench_ray.storage.parallel import read_each

RANDOM: Final = "random"
PRIMARY: Final = "Test Accuracy"
RECIPE: Final = ("dataset", "encoder", "proxy", "trainer", "corrupter", "oracle", "first_batch", "budget")
"""The fields that make a setting, in the order in which people tell them."""


class State(StrEnum):
    """How far a trial has come."""

    FINISHED = "finished"
    UNFINISHED = "unfinished"
    STOPPED = "stopped early"
    FAILED = "failed"
    MISSING = "missing"
    DAMAGED = "damaged"


COMPARING: Final = "fidelity"
"""The stage of a fine-tune in which it is compared with the proxy."""


@dataclass(frozen=True, slots=True)
class FineTunePoint:
    """The full model trained once on a trial's first `labels` ids; seconds by stage."""

    recipe: str
    """The model and trainer in words."""
    labels: int
    metrics: dict[str, float]
    seconds: dict[str, float]
    cpu: dict[str, float]
    gpu: dict[str, float]
    versions: Versions = ()
    """By which it was made; empty where that is not recorded."""

    @property
    def spent(self) -> Spent:
        """All stages together, but for comparing it with the proxy: nobody has to do that to get the model."""
        wall, cpu, gpu = (_but(stages, COMPARING) for stages in (self.seconds, self.cpu, self.gpu))
        return Spent(wall, cpu, gpu)


@dataclass(frozen=True, slots=True)
class Run:
    """One trial as its ledger has it. `note` says in one line what keeps it from being finished."""

    trial: Trial
    fingerprint: str
    state: State
    note: str = ""
    records: tuple[RoundRecord, ...] = ()
    store: str = ""
    views: str = ""
    """The augmented views that its trainer read; "" for none."""
    compute: str = ""
    finetunes: tuple[FineTunePoint, ...] = ()
    finetune_failures: tuple[str, ...] = ()
    """Why the last attempts at fine-tunes ended, in one line each."""
    provenances: tuple[Provenance, ...] = ()
    """Which versions made which rounds."""
    data: DataNote = NOTHING_NOTED
    """What is known of its data."""

    @property
    def embeddings(self) -> tuple[str, ...]:
        """What it read: its store's content hash, and that with the augmented views."""
        return (self.store, *([f"{self.store}/{self.views}"] if self.views else []))

    @property
    def strategy(self) -> str:
        """The label under which people know the strategy: its name and settings."""
        return escaped(str(self.trial.strategy))

    def curve(self, metric: str) -> dict[int, float]:
        """Number of labels -> the metric, for the rounds that have it."""
        return {record.num_labeled: record.metrics[metric] for record in self.records if metric in record.metrics}

    def finetuned(self, recipe: str, labels: int) -> FineTunePoint | None:
        """The full model of this recipe on so many labels."""
        return next((point for point in self.finetunes if (point.recipe, point.labels) == (recipe, labels)), None)


@dataclass(frozen=True, slots=True)
class Setting:
    """The trials that may be compared with each other, and the recipe that they share."""

    recipe: dict[str, str]
    runs: tuple[Run, ...]

    @property
    def strategies(self) -> tuple[str, ...]:
        """Every strategy of the grid: random first, then by name."""
        return tuple(sorted({run.strategy for run in self.runs}, key=lambda name: (name != RANDOM, name)))

    @property
    def compared(self) -> tuple[Run, ...]:
        """The finished trials; while there is none, those that have at least one round."""
        finished = tuple(run for run in self.runs if run.state is State.FINISHED)
        return finished or tuple(run for run in self.runs if run.records)

    @property
    def preliminary(self) -> bool:
        """No trial is finished yet, so what is compared may still change."""
        return not any(run.state is State.FINISHED for run in self.runs)

    def of(self, strategy: str) -> tuple[Run, ...]:
        """The trials of one strategy, by seed."""
        return tuple(run for run in self.runs if run.strategy == strategy)

    def by_seed(self, strategy: str) -> dict[int, Run]:
        """The compared trials of one strategy."""
        return {run.trial.seed: run for run in self.compared if run.strategy == strategy}

    def same_but(self, other: "Setting", *fields: str) -> bool:
        """The recipes are alike in all but these fields."""
        return all(self.recipe[field] == other.recipe[field] for field in RECIPE if field not in fields)

    @property
    def trial(self) -> Trial:
        """One of its trials: what they share can be read from it."""
        return self.runs[0].trial


@dataclass(frozen=True, slots=True)
class Experiment:
    """All settings of an experiment."""

    name: str
    settings: tuple[Setting, ...]

    @property
    def strategies(self) -> tuple[str, ...]:
        """Every strategy of any setting: random first, then by name."""
        every = {name for setting in self.settings for name in setting.strategies}
        return tuple(sorted(every, key=lambda name: (name != RANDOM, name)))


def read(folder: Path) -> Experiment:
    """The experiment in a folder.

    Raises:
        LedgerError: `experiment.json` is absent or damaged. (A damaged trial is told in its `Run`.)
    """
    grid = read_grid(folder)
    runs = sorted(read_each(partial(_run, folder, read_notes(folder)), _longest(grid.entries)), key=_order)
    settings = (Setting(dict(recipe), tuple(members)) for recipe, members in groupby(runs, key=_recipe))
    return Experiment(grid.experiment, tuple(settings))


def last_common(runs: Iterable[Run], metric: str = PRIMARY) -> int:
    """The most labels at which all of these trials have the metric; 0 where there is none."""
    return max(set.intersection(*(set(run.curve(metric)) for run in runs)), default=0)


def differing(settings: Iterable[Setting]) -> tuple[str, ...]:
    """The fields of the recipe in which the settings are not all alike."""
    recipes = [setting.recipe for setting in settings]
    return tuple(field for field in RECIPE if len({recipe[field] for recipe in recipes}) > 1)


def title(setting: Setting, fields: Iterable[str]) -> str:
    """These fields of a setting in words; its data set alone where there is none."""
    words = (
        setting.recipe[field] if field == "dataset" else f"{field.replace('_', ' ')} {setting.recipe[field]}"
        for field in fields
    )
    return ", ".join(words)


def _longest(entries: Iterable[Entry]) -> list[Entry]:
    """One entry a folder: the same recipe with fewer rounds is the beginning of the one with more."""
    by_rounds = sorted(entries, key=lambda entry: entry.trial.rounds)
    return list({entry.fingerprint: entry for entry in by_rounds}.values())


def _recipe(run: Run) -> tuple[tuple[str, str], ...]:
    return tuple((field, escaped(str(getattr(run.trial, field)))) for field in RECIPE)


def _order(run: Run) -> tuple[list[str], int, bool, str, int, str]:
    parts = [value for field, value in _recipe(run) if field != "budget"]
    return parts, run.trial.budget, run.strategy != RANDOM, run.strategy, run.trial.seed, run.fingerprint


def _run(folder: Path, notes: DataNotes, entry: Entry) -> Run:
    directory = folder / entry.fingerprint
    if not (directory / "trial.json").is_file():
        return Run(entry.trial, entry.fingerprint, State.MISSING, "not started")
    try:
        history = read_history(directory)
    except OtherVersionError:
        raise
    except LedgerError as error:
        return Run(entry.trial, entry.fingerprint, State.DAMAGED, _one_line(str(error)))
    header = history.header
    if header.fingerprint != entry.fingerprint:
        return Run(entry.trial, entry.fingerprint, State.DAMAGED, f"the folder holds trial {header.fingerprint}")
    state, note = _judge(entry.trial, history)
    try:
        finetunes, failures = _finetunes(directory), _finetune_failures(directory)
    except OtherVersionError:
        raise
    except LedgerError as error:
        return Run(entry.trial, entry.fingerprint, State.DAMAGED, _one_line(str(error)))
    return Run(
        entry.trial,
        entry.fingerprint,
        state,
        note,
        history.records,
        header.store,
        header.views,
        header.compute,
        finetunes,
        failures,
        provenances(header, history.records),
        notes.of(header.store),
    )


def _finetunes(directory: Path) -> tuple[FineTunePoint, ...]:
    """Every full model that was trained on the trial's labels. (An attempt that ended at once left no header.)"""
    return tuple(
        FineTunePoint(words, labels, point.metrics, point.seconds, point.cpu, point.gpu, numeric(point.versions))
        for folder in sorted((directory / FOLDER).glob("*"))
        if (folder / "finetune.json").is_file()
        for words in [str(read_recipe(folder))]
        for labels, point in read_finetune_records(folder).items()
    )


def _finetune_failures(directory: Path) -> tuple[str, ...]:
    found = (read_failure(path) for path in sorted((directory / FOLDER).glob("*")))
    return tuple(_one_line(failure.error) for failure in found if failure)


def _but(stages: dict[str, float], name: str) -> float:
    return sum(value for stage, value in stages.items() if stage != name)


def _judge(trial: Trial, history: History) -> tuple[State, str]:
    done = len(history.records)
    if done >= trial.rounds:
        return State.FINISHED, ""
    if history.failure is not None:
        return State.FAILED, f"in round {done}: {_one_line(history.failure.error)}"
    if history.stopped is not None:
        return State.STOPPED, str(history.stopped)
    return State.UNFINISHED, f"{done} of {trial.rounds} rounds done"


def _one_line(text: str) -> str:
    return " ".join(redacted(text).split()) or "no reason recorded"
