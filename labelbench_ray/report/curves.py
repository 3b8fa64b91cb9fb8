"""What an experiment's folder holds, as frozen values: settings, their trials, and the curves of each strategy.

A setting is all that two trials must share to be compared: everything but strategy, seed and number of rounds. Nothing
is dropped: a trial that is not done is kept, with its state and reason.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Final

from labelbench_ray.config import Trial
from labelbench_ray.console.escaping import escaped
from labelbench_ray.ledger.data_notes import NOTHING_NOTED, DataNote, DataNotes
from labelbench_ray.ledger.experiments import read_grid
from labelbench_ray.ledger.finetunes import FOLDER, FineTuneRecord
from labelbench_ray.ledger.origin import Origin
from labelbench_ray.ledger.provenance import Provenance, provenances
from labelbench_ray.ledger.records import Entry, RoundRecord, SearchNote, Traits
from labelbench_ray.ledger.shared import entry_directory, entry_progress, notes_by_owner
from labelbench_ray.ledger.state import FineTuneProgress, TrialState, finetune_progress
from labelbench_ray.storage.parallel import read_below
from labelbench_ray.tasks import in_a_sentence

RANDOM: Final = "random"
OWN_CHOICE: Final = "the strategy"
"""The first batch of designs that choose all at once, in a setting's recipe."""
RECIPE: Final = ("dataset", "encoder", "proxy", "trainer", "corrupter", "oracle", "first_batch", "budget")
"""The fields that make a setting, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Run:
    """One trial as its ledger has it."""

    trial: Trial
    fingerprint: str
    state: TrialState
    reason: str = ""
    """Why it failed, was stopped early or is damaged, in one line; "" in other states."""
    records: tuple[RoundRecord, ...] = ()
    store: str = ""
    views: str = ""
    """The augmented views that its trainer read; "" for none."""
    compute: str = ""
    finetunes: Mapping[str, Mapping[int, FineTuneRecord]] = field(default_factory=dict)
    """By the model and trainer in words, and by the number of labels."""
    finetune_failures: tuple[str, ...] = ()
    """Why fine-tunes failed, in one line each."""
    provenances: tuple[Provenance, ...] = ()
    """Which versions made which rounds."""
    data: DataNote = NOTHING_NOTED
    """What is known of its data."""
    recorded_traits: Traits | None = None
    """None: it has not begun, or an older version began it."""
    directory: Path = Path()
    """The trial's folder."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of the code that began it; a record states its own where it has any."""

    @property
    def traits(self) -> Traits:
        """What is known of its plug-ins."""
        if self.recorded_traits is not None or not self.records:
            return self.recorded_traits or Traits()
        # Imported here: it takes seconds, and only ledgers of older versions need it.
        from labelbench_ray.trial.traits import shipped_traits

        return shipped_traits(self.trial)

    @property
    def sees_labels(self) -> bool:
        """Its strategy is an upper bound: compared with no other, and never a strategy to use."""
        return self.recorded_traits is not None and self.recorded_traits.sees_labels

    @property
    def embeddings(self) -> tuple[str, ...]:
        """What it read: its store's content hash, and that with the augmented views."""
        return (self.store, *([f"{self.store}/{self.views}"] if self.views else []))

    @property
    def strategy(self) -> str:
        """The label under which people know the strategy: its name and settings."""
        return escaped(str(self.trial.strategy))

    def curve(self, metric: str) -> dict[int, float]:
        """Number of labels -> the metric, for the rounds, or fine-tunes of prompts, that have it."""
        found = {record.num_labeled: record.metrics[metric] for record in self.records if metric in record.metrics}
        if not self.trial.chooses_prompts:
            return found
        # A trial of prompts measures nothing in its rounds: its curve is that of its first language model.
        tuned = next(iter(self.finetunes.values()), {})
        of_tuned = {labels: record.metrics[metric] for labels, record in tuned.items() if metric in record.metrics}
        return dict(sorted((of_tuned or found).items()))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that its task compares; the first decides."""
        return (self.recorded_traits or Traits()).metrics

    @property
    def primary(self) -> dict[int, float]:
        """The curve of the metric that decides."""
        return self.curve(self.metrics[0])

    def finetuned(self, recipe: str, labels: int) -> FineTuneRecord | None:
        """The full model of this recipe, trained on the first `labels` ids."""
        return self.finetunes.get(recipe, {}).get(labels)


@dataclass(frozen=True, slots=True)
class Setting:
    """The trials that may be compared with each other, and the recipe that they share."""

    recipe: dict[str, str]
    runs: tuple[Run, ...]
    baseline: str = RANDOM
    """The strategy that the others are compared with. Where it has no trial, they are compared with each other."""

    @property
    def shares_first_batches(self) -> bool:
        """Whether trials of one seed begin with the same rows, so that their luck cancels out of a difference."""
        return self.recipe["first_batch"] != OWN_CHOICE

    @property
    def strategies(self) -> tuple[str, ...]:
        """Every strategy of the grid: the baseline first, then by name; upper bounds are not among them."""
        every = {run.strategy for run in self.runs if not run.sees_labels}
        return tuple(sorted(every, key=lambda name: (name != self.baseline, name)))

    @property
    def compared(self) -> tuple[Run, ...]:
        """The finished trials; while there is none, those that have at least one round. No upper bounds."""
        begun = tuple(run for run in self.runs if run.records and not run.sees_labels)
        return tuple(run for run in begun if run.state is TrialState.DONE) or begun

    @property
    def preliminary(self) -> bool:
        """No trial that is compared is finished, so that may still change."""
        return not any(run.state is TrialState.DONE for run in self.compared)

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

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that its task compares; the first decides."""
        return self.traits.metrics

    @property
    def noun(self) -> str:
        """The metric that decides, on test rows, within a sentence: "accuracy", "mAP"."""
        return noun(self.metrics[0])

    @property
    def traits(self) -> Traits:
        """The traits of any trial that has begun: all share their trainer and proxy."""
        return next((run.traits for run in self.runs if run.recorded_traits or run.records), Traits())


@dataclass(frozen=True, slots=True)
class Experiment:
    """All settings of an experiment."""

    name: str
    settings: tuple[Setting, ...]
    folder: Path = Path()
    origin: Origin | None = None
    """None where it was not recorded."""
    owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    search: SearchNote | None = None
    """What suggested its trials; None for a grid."""

    @property
    def titles(self) -> tuple[str, ...]:
        """In which fields each setting differs from the others, in words; its data set where there is no other."""
        fields = differing(self.settings) or ("dataset",)
        return tuple(title(setting, fields) for setting in self.settings)

    @property
    def strategies(self) -> tuple[str, ...]:
        """Every strategy of any setting: the baselines first, then by name."""
        every = {name for setting in self.settings for name in setting.strategies}
        baselines = {setting.baseline for setting in self.settings}
        return tuple(sorted(every, key=lambda name: (name not in baselines, name)))


def read(folder: Path) -> Experiment:
    """The experiment in a folder.

    Raises:
        LedgerError: `experiment.json` is absent or damaged. (A damaged trial is a `Run` with that state.)
    """
    grid = read_grid(folder)
    runs = read_below(folder, partial(_run, folder, notes_by_owner(folder, grid)), _longest(grid.entries))
    return Experiment(grid.experiment, settings_of(runs), folder, grid.origin, grid.owner, grid.tags, grid.search)


def settings_of(runs: Iterable[Run]) -> tuple[Setting, ...]:
    """Trials by recipe, in the report's order."""
    by_recipe = groupby(sorted(runs, key=_order), key=_recipe)
    return tuple(Setting(dict(recipe), tuple(members)) for recipe, members in by_recipe)


def last_common(runs: Iterable[Run]) -> int:
    """The most labels at which all of these trials have their primary metric; 0 where there is none."""
    return max(set.intersection(*(set(run.primary) for run in runs)), default=0)


def noun(metric: str) -> str:
    """A metric within a sentence, of test rows without naming them: "accuracy", "mAP", "pool accuracy"."""
    return in_a_sentence(metric.removeprefix("Test "))


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
    return list({entry.fingerprint: entry for entry in sorted(entries, key=lambda entry: entry.trial.rounds)}.values())


def _recipe(run: Run) -> tuple[tuple[str, str], ...]:
    trial = run.trial
    stated = {field: escaped(str(getattr(trial, field))) for field in RECIPE}
    if trial.chooses_prompts and trial.first_batch == trial.strategy:
        stated["first_batch"] = OWN_CHOICE  # one choice, so designs are compared though their first batches differ
    return tuple(stated.items())


def _order(run: Run) -> tuple[list[str], int, bool, str, int, str]:
    parts = [value for field, value in _recipe(run) if field != "budget"]
    return parts, run.trial.budget, run.strategy != RANDOM, run.strategy, run.trial.seed, run.fingerprint


def _run(folder: Path, notes: Mapping[str, DataNotes], entry: Entry) -> Run:
    directory, trial = entry_directory(folder, entry), entry.trial
    found = entry_progress(folder, entry)
    header = found.header
    if header is None or found.state is TrialState.DAMAGED:
        return Run(trial, entry.fingerprint, found.state, found.reason, directory=directory)
    finetunes = [finetune_progress(path) for path in sorted((directory / FOLDER).glob("*"))]
    damaged = next((each for each in finetunes if each.state is TrialState.DAMAGED), None)
    if damaged:
        return Run(trial, entry.fingerprint, damaged.state, damaged.reason, directory=directory)
    return Run(
        trial,
        entry.fingerprint,
        found.state,
        found.reason,
        found.records,
        header.store,
        header.views,
        header.compute,
        _by_recipe(finetunes),
        tuple(each.reason for each in finetunes if each.state is TrialState.FAILED),
        provenances(header, found.records),
        notes[entry.owner].of(header.store),
        header.traits,
        directory,
        header.versions,
    )


def _by_recipe(finetunes: Iterable[FineTuneProgress]) -> dict[str, dict[int, FineTuneRecord]]:
    """Where versions of a plug-in share the same words, the first counts."""
    found: dict[str, dict[int, FineTuneRecord]] = {}
    for each in finetunes:
        if each.recipe:
            found[str(each.recipe)] = {**each.records, **found.get(str(each.recipe), {})}
    return found
