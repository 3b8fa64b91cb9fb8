"""A plan: all parts of all trials, built and checked, and what is already done. Nothing has started yet."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from labelbench_ray.config import Trial
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError, DamagedError
from labelbench_ray.ledger.experiments import FILE, read_grid
from labelbench_ray.ledger.shared import Owners
from labelbench_ray.ledger.state import TrialProgress, TrialState, trial_progress
from labelbench_ray.planning.early_stopping import EarlyStoppingRule, early_stopping_rule
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.finetunes import PlannedTuning, check_full_models, planned_tunings
from labelbench_ray.planning.memory import trial_bytes
from labelbench_ray.planning.names import check_owner
from labelbench_ray.planning.stores import PlannedStore, planned_store, wanted_views
from labelbench_ray.planning.synthetic_view import check_strategies
from labelbench_ray.planning.tasks import check_tasks, pool_tasks
from labelbench_ray.pool.facts import missing_facts
from labelbench_ray.storage.parallel import read_below
from labelbench_ray.trial import parts
from labelbench_ray.trial.asking import Waiting, waiting
from labelbench_ray.trial.parts import Parts
from labelbench_ray.trial.upper_bounds import check_upper_bound


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """A trial with its parts, and how far it has come."""

    parts: Parts
    directory: Path
    """The folder of its ledger, in the experiment's own folder or in that of another experiment with this trial."""
    progress: TrialProgress
    memory: int
    """Estimated bytes that its process needs."""
    early_stopping: bool = False
    """A trial that was stopped early is not resumed."""
    waiting: Waiting | None = None
    """The labels that it waits for; None where there is something to run."""

    @property
    def rounds_done(self) -> int:
        """Rounds that need not be run again."""
        return min(len(self.progress.records), self.parts.trial.rounds)

    @property
    def done(self) -> bool:
        """Nothing is left to run."""
        return self.progress.state is TrialState.DONE

    @property
    def skipped(self) -> bool:
        """It was stopped early and is not resumed."""
        return self.early_stopping and self.progress.state is TrialState.STOPPED_EARLY


@dataclass(frozen=True, slots=True)
class Plan:
    """What an experiment would do."""

    experiment: Experiment
    folder: Path
    trials: tuple[PlannedTrial, ...]
    stores: tuple[PlannedStore, ...]
    tunings: tuple[PlannedTuning, ...]
    given_up: frozenset[str] = frozenset()
    """Fingerprints of trials that failed in this run, which goes on without them."""

    @property
    def missing(self) -> tuple[PlannedTrial, ...]:
        """The trials to run."""
        return tuple(
            trial
            for trial in self.trials
            if not trial.done
            and not trial.skipped
            and not trial.waiting
            and trial.parts.fingerprint not in self.given_up
        )

    @property
    def skipped(self) -> tuple[PlannedTrial, ...]:
        """The trials that were stopped early and are not resumed."""
        return tuple(trial for trial in self.trials if trial.skipped)

    @property
    def shared(self) -> tuple[PlannedTrial, ...]:
        """The trials whose ledgers are in the folders of other experiments."""
        return tuple(trial for trial in self.trials if trial.directory.parent != self.folder)

    @property
    def waiting(self) -> tuple[PlannedTrial, ...]:
        """The trials that wait for labels."""
        return tuple(trial for trial in self.trials if trial.waiting)

    @property
    def needed(self) -> tuple[PlannedStore, ...]:
        """The stores whose data and weights a run reads: to embed, or to train the encoder itself."""
        trained = {trial.parts.embedding for trial in self.missing if trial.parts.proxy.trains_encoder}
        return tuple(store for store in self.stores if not store.complete or store.key in trained)

    @property
    def to_be_provided(self) -> tuple[str, ...]:
        """Data and weights that a run needs and that are not on this machine, each once."""
        return tuple(dict.fromkeys(text for store in self.needed for text in store.to_be_provided))

    @property
    def memory(self) -> int:
        """Bytes that the largest of the missing trials needs; of all trials if none is missing."""
        return max(trial.memory for trial in self.missing or self.trials)


def _unreported(built: int, total: int) -> None:
    """No-op progress, for callers that show none."""


def plan(experiment: Experiment, environment: Environment, progress: Callable[[int, int], None] = _unreported) -> Plan:
    """Check an experiment and find out what is done; starts nothing, and reads only rows that may have changed.

    Args:
        progress: gets how many trials are built, and how many there are.

    Raises:
        ConfigError: an unknown name or setting, a budget beyond the pool, views that cannot be embedded here, a folder
            of another owner.
        StoreError: a store or a view that is damaged, or a view of another store.
        ChangedDataError: the data are not what a store was made from.
        DataError: data that are there but malformed.
        OtherVersionError: another version wrote the ledger.
    """
    every = []
    for number, trial in enumerate(experiment.trials, 1):
        every.append(parts.build(trial))
        progress(number, len(experiment.trials))
    built = _longest(every)
    folder = environment.runs / experiment.name
    _check_grid(folder, experiment.owner)
    examples = {each.embedding: each for each in reversed(built)}
    stores = {
        key: planned_store(key, example, wanted_views(key, built, environment), environment, folder)
        for key, example in reversed(examples.items())
    }
    for each in built:
        store = stores[each.embedding]
        if store.rows:
            check_budget(each.trial, store.rows["pool"], store.left_out)
            check_labels(each, store)
            check_facts(each, store)
        check_tasks(each, store)
        check_upper_bound(each, store.rows.get("validation", 0) if store.rows else None)
        if store.classes is not None:
            each.corrupter.check(store.classes)
    # Outside `read_below`, whose threads would all build an encoder's network to count its parameters.
    memory = {each.fingerprint: _memory(each, stores[each.embedding]) for each in built}
    for key, store in stores.items():
        if store.classes is not None:
            reading = [each for each in built if each.embedding == key]
            check_strategies(reading, store.dimensions, len(store.classes))
    for each in every:  # trials that differ in their fine-tune only are one trial, and several fine-tunes
        check_full_models(each, stores[each.embedding].classes)
    owners = Owners.of(folder)
    trials = read_below(
        folder,
        lambda each: _planned_trial(each, stores[each.embedding], environment, owners, memory[each.fingerprint]),
        built,
    )
    directories = {each.parts.fingerprint: each.directory for each in trials}
    return Plan(experiment, folder, tuple(trials), tuple(stores.values()), planned_tunings(every, directories))


def trials_now(planned: Plan) -> tuple[PlannedTrial, ...]:
    """The trials of a plan as their folders are now, after some of them have run."""
    return tuple(each if each.done else _with_progress(each) for each in planned.trials)


def waiting_now(planned: Plan) -> tuple[PlannedTrial, ...]:
    """The trials of a plan that wait for labels now."""
    return tuple(each for each in trials_now(planned) if each.waiting)


def _with_progress(planned: PlannedTrial, store: str = "") -> PlannedTrial:
    """The trial with what its folder holds now."""
    built, directory = planned.parts, planned.directory
    progress = trial_progress(directory, built.fingerprint, built.trial.rounds, store)
    awaits = progress.state is TrialState.AWAITING_LABELS
    missing = waiting(built, directory, progress.records) if awaits else None
    return replace(planned, progress=progress, waiting=missing)


def _check_grid(folder: Path, owner: str | None) -> None:
    """Refuse an `experiment.json` of another version or another owner; a damaged one is written anew."""
    if (folder / FILE).is_file():
        with suppress(DamagedError):
            check_owner(str(folder), read_grid(folder).owner, owner)


def _memory(built: Parts, store: PlannedStore) -> int:
    return trial_bytes(built, store.rows, len(store.classes or ()), pool_tasks(store), store.dimensions)


def _planned_trial(
    built: Parts, store: PlannedStore, environment: Environment, owners: Owners, memory: int
) -> PlannedTrial:
    directory = owners.directory(built.fingerprint, store.content)
    unread = PlannedTrial(built, directory, TrialProgress(TrialState.PLANNED), memory, environment.early_stopping)
    return _with_progress(unread, store.content)


def planned_early_stopping(planned: Plan, environment: Environment) -> EarlyStoppingRule | None:
    """The rule for the trials to run; None if early stopping is off or nothing is to run.

    Raises:
        ConfigError: they cannot be compared while they run.
    """
    if not environment.early_stopping or not planned.missing:
        return None
    validation = {store.key: store.rows.get("validation", 1) for store in planned.stores}
    for each in planned.missing:
        why = "" if each.parts.oracle.answers_at_once else f"the oracle {each.parts.trial.oracle} answers between runs"
        why = why or ("" if validation[each.parts.embedding] else "there are no validation rows")
        why = why or (f"{each.parts.trial.strategy} sees labels" if each.parts.strategy.sees_labels else "")
        if why:
            raise ConfigError(
                f"early stopping compares trials by validation accuracy while they run, and {why}; leave out "
                "--early-stopping"
            )
    return early_stopping_rule([each.parts.trial for each in planned.missing], planned.missing[0].parts.task)


def check_labels(built: Parts, store: PlannedStore) -> None:
    """Refuse a trial whose oracle needs labels that rows of the pool lack."""
    if built.oracle.needs_labels and store.unlabeled:
        raise ConfigError(
            f"trial {built.trial.strategy} seed {built.trial.seed}: {store.unlabeled:,} of {store.rows['pool']:,} rows "
            f"of the pool have no label, the first is {store.first_unlabeled!r}, and the oracle {built.trial.oracle} "
            'answers with the labels of the data set; have people label them, oracle="files", or give every row a label'
        )


def check_facts(built: Parts, store: PlannedStore) -> None:
    """Refuse a strategy that reads facts which the rows of the pool do not have."""
    trial = built.trial
    for what, named, strategy in (
        ("strategy", trial.strategy, built.strategy),
        ("first_batch", trial.first_batch, built.first_batch),
    ):
        if missing := missing_facts(strategy.facts, store.facts):
            raise ConfigError(
                f"{what} {named}: {missing} (data set {trial.dataset}, encoder {trial.encoder}); name the columns in "
                f"the data set, as in facts=[{strategy.facts[0]!r}] of parquet, or use an encoder that computes them"
            )


def check_budget(trial: Trial, rows: int, left_out: str) -> None:
    """Refuse a trial that buys more labels than the pool has rows; `left_out`: why embedding left rows out."""
    wanted = trial.rounds * trial.budget
    if wanted > rows:
        why = f" ({left_out})" if left_out else ""
        raise ConfigError(
            f"trial {trial.strategy} seed {trial.seed}: {trial.rounds} rounds of {trial.budget} labels are "
            f"{wanted}, the pool has {rows} rows{why}; lower `rounds` or `budget`"
        )


def _longest(built: Iterable[Parts]) -> list[Parts]:
    """The longest trial of each fingerprint: shorter ones are its beginning."""
    longest: dict[str, Parts] = {}
    for each in built:
        known = longest.setdefault(each.fingerprint, each)
        if each.trial.rounds > known.trial.rounds:
            longest[each.fingerprint] = each
    return list(longest.values())
