"""A plan: every part of every trial built, every budget checked, and what is already done, before anything runs."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from labelbench_ray import parts
from labelbench_ray.config import Trial
from labelbench_ray.data_words import describe_source
from labelbench_ray.datasets import Source
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError, DamagedError, LedgerError, NotProvidedError, OtherVersionError
from labelbench_ray.experiment import Experiment
from labelbench_ray.grids import FILE, read_grid
from labelbench_ray.ledger import read_failure, read_header, sound_records
from labelbench_ray.needs import trial_bytes
from labelbench_ray.parts import Parts
from labelbench_ray.reading import read_each
from labelbench_ray.stopping import Race, Stopped, race, read_stopped
from labelbench_ray.store import EmbeddingStore
from labelbench_ray.synthetic_view import check_strategies
from labelbench_ray.trainers import WantedViews
from labelbench_ray.tuning_plan import PlannedTuning, check_full_models, planned_tunings
from labelbench_ray.views import open_view, views_there

BYTES_PER_VALUE = 2


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """A trial with its parts built, and what its folder holds."""

    parts: Parts
    rounds_done: int
    note: str
    """Why the last attempt failed, or what is wrong with the folder; "" when nothing is."""
    memory: int
    """Bytes that its process needs, estimated."""
    left: Stopped | None = None
    """How it was stopped early, where it is to be left at that."""

    @property
    def done(self) -> bool:
        """Nothing is left to run."""
        return self.rounds_done >= self.parts.trial.rounds


@dataclass(frozen=True, slots=True)
class PlannedViews:
    """Augmented views of an embedding store that trials need."""

    example: Parts
    """The trial that wants the most of them."""
    wanted: WantedViews
    there: int
    """So many of those are embedded."""

    def __str__(self) -> str:
        name, settings = self.wanted.recipe["name"], self.wanted.augmentation
        return f"{self.wanted.count} augmented views of the pool by {name} ({settings})"


@dataclass(frozen=True, slots=True)
class PlannedStore:
    """An embedding store that trials need."""

    key: str
    example: Parts
    """Any trial that reads it."""
    rows: Mapping[str, int]
    """By split; empty when the data are to be provided."""
    classes: tuple[str, ...] | None
    """None while neither the data nor the embeddings are here."""
    content: str
    """Its content hash, "" while it is not embedded."""
    to_be_provided: tuple[str, ...]
    """What must be put on this machine first: data, weights."""
    rejects: int
    """Rows of all splits that could not be decoded; 0 while it is not embedded."""
    views: tuple[PlannedViews, ...]
    """One of each augmentation."""
    found: tuple[str, ...] = ()
    """What the data set holds, in words, and what to know of its embeddings; nothing of what is not here."""

    @property
    def done(self) -> bool:
        """It is embedded; views of it may be missing."""
        return bool(self.content)

    @property
    def whole(self) -> bool:
        """It is embedded, and so are all views."""
        return self.done and all(views.there == views.wanted.count for views in self.views)

    @property
    def examples(self) -> tuple[Parts, ...]:
        """Trials that between them need all of it."""
        return tuple(views.example for views in self.views) or (self.example,)

    @property
    def bytes(self) -> int:
        """Bytes of its embeddings: float16, once in shards and once as arrays; 0 when the rows are not known yet.

        A view holds two embeddings of each row of the pool.
        """
        rows = sum(self.rows.values()) + 2 * self.rows.get("pool", 0) * sum(views.wanted.count for views in self.views)
        return 2 * rows * self.example.encoder.dimensions() * BYTES_PER_VALUE


@dataclass(frozen=True, slots=True)
class Plan:
    """What an experiment would do."""

    experiment: Experiment
    folder: Path
    trials: tuple[PlannedTrial, ...]
    stores: tuple[PlannedStore, ...]
    tunings: tuple[PlannedTuning, ...]

    @property
    def missing(self) -> tuple[PlannedTrial, ...]:
        """The trials that are to be run."""
        return tuple(trial for trial in self.trials if not trial.done and not trial.left)

    @property
    def left(self) -> tuple[PlannedTrial, ...]:
        """The trials that were stopped early, and are left at that."""
        return tuple(trial for trial in self.trials if not trial.done and trial.left)

    @property
    def memory(self) -> int:
        """Bytes that the process of any of its missing trials needs; of any trial where none is missing."""
        return max(trial.memory for trial in self.missing or self.trials)


def plan(experiment: Experiment, environment: Environment) -> Plan:
    """Check an experiment and look up what is done; reads no payload and starts nothing.

    Raises:
        ConfigError: an unknown name or setting, a budget beyond the pool, views that cannot be embedded here.
        StoreError: a store or a view that is damaged, or a view of another store.
        DataError: data that are there but are not what they say.
        OtherVersionError: another version wrote what is there.
    """
    every = [parts.build(trial) for trial in experiment.trials]
    built = _longest(every)
    folder = environment.runs / experiment.name
    _check_grid(folder)
    examples = {each.embedding: each for each in reversed(built)}
    stores = {
        key: _planned_store(key, example, _views(key, built, environment), environment)
        for key, example in reversed(examples.items())
    }
    for each in built:
        store = stores[each.embedding]
        if store.rows:
            check_budget(each.trial, store.rows["pool"], store.rejects)
    # Not by the threads below: they would all build an encoder's network at once to count its parameters.
    memory = {each.fingerprint: _memory(each, stores[each.embedding]) for each in built}
    for key, store in stores.items():
        if store.classes is not None:
            reading = [each for each in built if each.embedding == key]
            check_strategies(reading, store.example.encoder.dimensions(), len(store.classes))
    for each in every:  # trials that differ in their fine-tune only are one trial, and several fine-tunes
        check_full_models(each, stores[each.embedding].classes)
    return Plan(
        experiment,
        folder,
        tuple(
            read_each(
                lambda each: _planned_trial(
                    each, stores[each.embedding], environment, folder, memory[each.fingerprint]
                ),
                built,
            )
        ),
        tuple(stores.values()),
        planned_tunings(every, folder),
    )


def _check_grid(folder: Path) -> None:
    """Leave alone what another version wrote; one that is damaged is written anew."""
    if (folder / FILE).is_file():
        with suppress(DamagedError):
            read_grid(folder)


def _memory(built: Parts, store: PlannedStore) -> int:
    return trial_bytes(built, store.rows, len(store.classes or ()))


def _planned_trial(
    built: Parts, store: PlannedStore, environment: Environment, folder: Path, memory: int
) -> PlannedTrial:
    directory = folder / built.fingerprint
    planned = partial(PlannedTrial, built, memory=memory)
    if not (directory / "trial.json").is_file():
        return planned(0, "")
    try:
        header = read_header(directory / "trial.json")
        failure, stopped = read_failure(directory), read_stopped(directory)
    except OtherVersionError:
        raise
    except LedgerError as error:
        return planned(0, str(error))
    if header.fingerprint != built.fingerprint:
        return planned(0, f"{directory} holds the trial {header.fingerprint}; move it back")
    if store.content and header.store != store.content:
        return planned(0, f"{directory} was made from another store; delete it to start the trial again")
    sound = sound_records(directory, header)
    if sound.trouble:  # whichever round it is in, the trial is not done before it was set aside
        return planned(min(len(sound.records), built.trial.rounds - 1), str(sound.trouble))
    note = failure.error if failure else str(stopped or "")
    return planned(len(sound.records), note, left=stopped if environment.early_stopping else None)


def planned_race(planned: Plan, environment: Environment) -> Race | None:
    """The race of the trials to run; None where early stopping is off or nothing is to run.

    Raises:
        ConfigError: they cannot be compared while they run.
    """
    return (
        race([each.parts.trial for each in planned.missing]) if environment.early_stopping and planned.missing else None
    )


def _views(key: str, built: Iterable[Parts], environment: Environment) -> tuple[PlannedViews, ...]:
    """The views of a store that trials want: for each augmentation the most that one of them does."""
    most: dict[str, PlannedViews] = {}
    for each in built:
        wanted = each.wanted_views if each.embedding == key else None
        if wanted and (wanted.digest not in most or wanted.count > most[wanted.digest].wanted.count):
            there = len(views_there(environment.store / key, wanted.digest, wanted.count))
            most[wanted.digest] = PlannedViews(each, wanted, there)
    return tuple(most.values())


def _planned_store(key: str, example: Parts, views: tuple[PlannedViews, ...], environment: Environment) -> PlannedStore:
    missing: list[str] = []
    rows: dict[str, int] = {}
    classes: tuple[str, ...] | None = None
    found: tuple[str, ...] = ()
    try:
        source: Source = example.dataset.open(environment.data_root)
        classes = source.classes
        rows = {name: len(split) for name, split in source.splits.items()}
        found = describe_source(source)
    except NotProvidedError as error:
        missing.append(str(error))
    try:
        example.encoder.weights()
    except NotProvidedError as error:
        missing.append(str(error))
    content, rejects = "", 0
    if (environment.store / key / "manifest.json").is_file():
        store = EmbeddingStore.open(environment.store / key)
        content, classes, rejects = store.manifest.content, store.manifest.classes, store.manifest.rejects
        rows = {name: store.manifest.count(name) for name in ("pool", "validation", "test")}
        found = (*found, *([store.manifest.warning] if store.manifest.warning else []))
        for each in views:
            _check_views(each, store, missing)
    return PlannedStore(key, example, rows, classes, content, tuple(missing), rejects, views, found)


def _check_views(views: PlannedViews, store: EmbeddingStore, missing: Sequence[str]) -> None:
    for view in views_there(store.directory, views.wanted.digest, views.wanted.count):
        open_view(store, views.wanted.digest, view)
    if missing and views.there < views.wanted.count:
        mend = f"lower `views` to {views.there}" if views.there else "use a trainer that needs none"
        raise ConfigError(
            f"trainer {views.example.trial.trainer}: {views.wanted.count} views are asked for, the store "
            f"{store.directory} has {views.there}, and what the others are made from is not here; {mend}, or: "
            + "; ".join(missing)
        )


def check_budget(trial: Trial, rows: int, rejects: int) -> None:
    """Refuse a trial that buys more labels than the pool has rows; `rejects`: rows that embedding left out."""
    wanted = trial.rounds * trial.budget
    if wanted > rows:
        rejected = f" ({rejects:,} rows of the data set could not be decoded, see rejects.parquet)" if rejects else ""
        raise ConfigError(
            f"trial {trial.strategy} seed {trial.seed}: {trial.rounds} rounds of {trial.budget} labels are "
            f"{wanted}, the pool has {rows} rows{rejected}; lower `rounds` or `budget`"
        )


def _longest(built: Iterable[Parts]) -> list[Parts]:
    """One of each fingerprint, the one with the most rounds: it holds the rounds of the shorter ones."""
    longest: dict[str, Parts] = {}
    for each in built:
        known = longest.setdefault(each.fingerprint, each)
        if each.trial.rounds > known.trial.rounds:
            longest[each.fingerprint] = each
    return list(longest.values())
