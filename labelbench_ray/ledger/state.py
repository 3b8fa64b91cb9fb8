"""What state is a trial, or a fine-tune, in? One rule for the plan, the status, the report and MLflow.

Only `status` looks at locks: a lease in an object store outlives its process for a while, and a report and MLflow must
not call a trial running that has just failed.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from labelbench_ray.config import FineTune
from labelbench_ray.console.redaction import redacted
from labelbench_ray.errors import LedgerError, OtherVersionError
from labelbench_ray.ledger.finetunes import HEADER, FineTuneRecord, read_finetune_records, read_recipe
from labelbench_ray.ledger.queries import read_query
from labelbench_ray.ledger.records import Failure, Header, RoundRecord, Stopped
from labelbench_ray.ledger.stopped import read_stopped
from labelbench_ray.ledger.trials import History, read_failure, read_header, sound_records
from labelbench_ray.storage.atomic import refuse_links


class TrialState(StrEnum):
    """The states of a trial or a fine-tune."""

    PLANNED = "planned"
    """It has not begun."""
    RUNNING = "running"
    """A process holds its lock."""
    AWAITING_LABELS = "awaiting_labels"
    """The next round's rows are chosen, and people are asked for their labels."""
    DONE = "done"
    FAILED = "failed"
    STOPPED_EARLY = "stopped_early"
    """Others were better."""
    INCOMPLETE = "incomplete"
    """It has begun, nothing is wrong with it, and no process works on it."""
    DAMAGED = "damaged"
    """Its folder holds a corrupt file, another trial, or rounds made from another store."""

    @property
    def words(self) -> str:
        """The state as people read it."""
        return self.value.replace("_", " ")


@dataclass(frozen=True, slots=True)
class TrialProgress:
    """How far a trial has come."""

    state: TrialState
    reason: str = ""
    """Why it failed, was stopped early or is damaged, or what it waits for, in one line without secrets; "" in other
    states."""
    header: Header | None = None
    """None where there is no usable one."""
    records: tuple[RoundRecord, ...] = ()
    """The rounds before the first damaged one."""


@dataclass(frozen=True, slots=True)
class FineTuneProgress:
    """How far a fine-tune has come."""

    state: TrialState
    reason: str = ""
    recipe: FineTune | None = None
    """The model and trainer; None where it has not begun or is damaged."""
    records: Mapping[int, FineTuneRecord] = field(default_factory=dict)
    """By number of labels."""


def trial_state(history: History, rounds: int, is_held: bool = False) -> TrialState:
    """The state of a trial that has begun.

    Args:
        rounds: how many are asked for.
        is_held: whether a process holds its lock.
    """
    idle = TrialState.AWAITING_LABELS if history.query else TrialState.INCOMPLETE
    return _state(len(history.records) >= rounds, history.failure, history.stopped, is_held, idle)


def finetune_state(records: Collection[int], budgets: Collection[int], failure: Failure | None) -> TrialState:
    """The state of a fine-tune that has begun.

    Args:
        records: the numbers of labels at which the model has been trained.
        budgets: those that are asked for; none: one, all labels of the trial.
    """
    done = bool(records) and set(budgets) <= set(records)
    return _state(done, failure)


def _state(
    done: bool,
    failure: Failure | None,
    stopped: Stopped | None = None,
    is_held: bool = False,
    idle: TrialState = TrialState.INCOMPLETE,
) -> TrialState:
    """The rule; `idle`: the state where no process works on it and nothing is wrong."""
    if done:
        return TrialState.DONE
    if stopped and not failure:  # before the lock: its process keeps that until it is given another trial
        return TrialState.STOPPED_EARLY
    if is_held:
        return TrialState.RUNNING
    if failure:
        return TrialState.FAILED
    return idle


def trial_progress(
    directory: Path, fingerprint: str, rounds: int, store: str = "", is_held: bool = False
) -> TrialProgress:
    """How far the trial in a folder has come.

    Args:
        fingerprint: the trial that the folder is for.
        rounds: how many are asked for.
        store: content hash of the store that its rounds must be made from; "": of any.
        is_held: whether a process holds its lock.

    Raises:
        OtherVersionError: another version wrote its files.
    """
    try:
        if not (directory / "trial.json").is_file():
            failure = None if is_held else read_failure(directory)
            return TrialProgress(_state(False, failure, None, is_held, TrialState.PLANNED), _why(failure))
        header = read_header(directory / "trial.json")
        if header.fingerprint != fingerprint:
            raise LedgerError(f"{directory} holds trial {header.fingerprint}; move it back")
        if store and header.store != store:
            raise LedgerError(f"{directory} was made from another store; delete it to start the trial again")
        sound = sound_records(directory, header)
        if sound.trouble:
            return TrialProgress(TrialState.DAMAGED, _one_line(str(sound.trouble)), header, sound.records)
        query = read_query(directory, fingerprint, len(sound.records))
        history = History(header, sound.records, read_failure(directory), read_stopped(directory), query)
    except OtherVersionError:
        raise
    except LedgerError as error:
        return TrialProgress(TrialState.DAMAGED, _one_line(str(error)))
    state = trial_state(history, rounds, is_held)
    reasons = {
        TrialState.FAILED: _why(history.failure),
        TrialState.STOPPED_EARLY: str(history.stopped),
        TrialState.AWAITING_LABELS: str(query or ""),
    }
    return TrialProgress(state, reasons.get(state, ""), header, history.records)


def finetune_progress(directory: Path, budgets: Collection[int] | None = None) -> FineTuneProgress:
    """How far the fine-tune in a folder has come; `budgets`: those asked for, None: those of its own recipe.

    Raises:
        OtherVersionError: another version wrote its files.
    """
    try:
        refuse_links(directory.parent.parent)
        failure = read_failure(directory)
        if not (directory / HEADER).is_file():
            return FineTuneProgress(_state(False, failure, idle=TrialState.PLANNED), _why(failure))
        recipe, records = read_recipe(directory), read_finetune_records(directory)
    except OtherVersionError:
        raise
    except LedgerError as error:
        return FineTuneProgress(TrialState.DAMAGED, _one_line(str(error)))
    state = finetune_state(records, recipe.budgets if budgets is None else budgets, failure)
    return FineTuneProgress(state, _why(failure) if state is TrialState.FAILED else "", recipe, records)


def _why(failure: Failure | None) -> str:
    return _one_line(failure.error) if failure else ""


def _one_line(text: str) -> str:
    return " ".join(redacted(text).split()) or "no reason recorded"
