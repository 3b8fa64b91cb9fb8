"""A trial's jobs: fold the rounds that are missing, or fine-tune on the labels that they bought.

A job is a small value that travels to where it runs: a worker on Ray, or this process. What computes beside the
process that runs it is its `processes`; nothing here knows Ray.
"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.config import Trial, digest
from labelbench_ray.embeddings.augmented import augmented_pairs, read_view_manifest
from labelbench_ray.embeddings.images import decoded_images
from labelbench_ray.embeddings.store import EmbeddingStore, embedded
from labelbench_ray.encoders import trainable
from labelbench_ray.environment import Environment
from labelbench_ray.errors import LedgerError, LostLockError, OtherVersionError
from labelbench_ray.ledger.finetunes import FOLDER, FineTuneHeader, FineTuneLedger
from labelbench_ray.ledger.trials import Failure, Header, Ledger, read_header, write_failure
from labelbench_ray.proxies.causal_lm_lora import CausalLmLora
from labelbench_ray.proxies.full import FullProxy
from labelbench_ray.proxies.none import NoProxy
from labelbench_ray.storage.locks import Lock, locked
from labelbench_ray.storage.versions import versions
from labelbench_ray.trainers import Trainer
from labelbench_ray.trainers.engine.checkpoints import FileCheckpoints
from labelbench_ray.trainers.engine.descent import Gradient
from labelbench_ray.trainers.engine.device import Device
from labelbench_ray.trial import parts
from labelbench_ray.trial.asking import AwaitingLabels
from labelbench_ray.trial.finetune import FineTuning
from labelbench_ray.trial.fit_light import FitRequest, Fitter, LightFitter, OpenView, in_process
from labelbench_ray.trial.loop import Loop
from labelbench_ray.trial.no_fit import NoFitter
from labelbench_ray.trial.parts import Parts, Tuning
from labelbench_ray.trial.place import Place, place_of
from labelbench_ray.trial.processes import ONE_PROCESS, Processes
from labelbench_ray.trial.stored_rows import stored_rows
from labelbench_ray.trial.traits import traits
from labelbench_ray.user_code import in_a_line

if TYPE_CHECKING:
    from labelbench_ray.trial.fit_full import FullFitter

CHECKPOINT = "checkpoint.pt"


class Job(Protocol):
    """Work on a trial, as it travels to the process that does it."""

    @property
    def trial(self) -> Trial:
        """The trial."""
        ...

    @property
    def directory(self) -> Path:
        """The folder of its records."""
        ...

    @property
    def processes(self) -> Processes:
        """What computes for it."""
        ...

    def steps(self) -> Iterator[int]:
        """Do what is missing; after each step, how many are done in all."""
        ...


class SweepCallbacks(Protocol):
    """Called in the command's process for what happens to the jobs."""

    def on_started(self, job: Job) -> None:
        """A worker began with the trial; a second time after one that died."""

    def on_waiting(self, job: Job, words: str) -> None:
        """The trial's worker waits for a lock; the words name its holder."""

    def on_round(self, job: Job, rounds: int) -> None:
        """A round was recorded; `rounds` are done in all."""

    def on_awaiting(self, job: Job, rounds: int, words: str) -> None:
        """The trial awaits labels after so many rounds; the words state what to do."""

    def on_done(self, job: Job) -> None:
        """The trial is finished."""

    def on_failed(self, job: Job, failure: Failure) -> None:
        """The trial ended with an error; the others go on."""

    def on_stopped(self, job: Job, rounds: int) -> None:
        """The trial was ended after `rounds` rounds, because others are better."""

    def on_paused(self, job: Job, rounds: int) -> None:
        """The trial was ended after `rounds` rounds, because the run is to end; a later run resumes it."""

    def should_end(self) -> bool:
        """Whether the run is to end: no trial begins, and each one that runs ends after its round."""
        ...


@dataclass(frozen=True, slots=True)
class SelectionJob:
    """The rounds of a trial."""

    trial: Trial
    directory: Path
    place: Place
    processes: Processes = ONE_PROCESS

    def steps(self) -> Iterator[int]:
        """Fold the missing rounds; a failure is recorded in the ledger before it is raised."""
        built, store = parts.build(self.trial), EmbeddingStore.open(self.place.store)
        manifest = store.manifest
        header = Header(
            fingerprint=built.fingerprint,
            trial=self.trial,
            store=manifest.content,
            views=str(built.wanted_views or ""),
            views_content=_views_content(built, store),
            compute=manifest.compute,
            traits=traits(built),
            task=built.dataset.task,
            versions=versions(),
        )
        with (
            Ledger.open(self.directory, header) as ledger,
            _recorded(self.directory, ledger.lock, self.processes),
            self.processes.view(self.place.store) as open_view,
        ):
            fitter = self._fitter(built, open_view)
            rows, scoring = stored_rows(built, store, self.place.data_root), self.place.scoring
            for record in Loop(built, ledger, fitter, rows, scoring).rounds():
                (self.directory / CHECKPOINT).unlink(missing_ok=True)
                yield record.round + 1

    def _fitter(self, built: Parts, open_view: OpenView) -> Fitter:
        if isinstance(built.proxy, FullProxy):
            return full_fitter(built, built.proxy, built.trainer, self.place, self.directory, self.processes)
        if isinstance(built.proxy, NoProxy):
            return NoFitter(embedded(self.place.store), open_view)
        return light_fitter(built, self.place, open_view, self.processes)


@dataclass(frozen=True, slots=True)
class FineTuneJob:
    """The fine-tune of a trial, at each of its budgets."""

    trial: Trial
    directory: Path
    place: Place
    processes: Processes = ONE_PROCESS

    def steps(self) -> Iterator[int]:
        """Fit at the missing budgets; a failure is recorded beside the finished ones before it is raised."""
        built, content = parts.build(self.trial), EmbeddingStore.open(self.place.store).manifest.content
        assert built.tuning is not None
        folder = self.directory.parent.parent
        self.directory.mkdir(parents=True, exist_ok=True)
        # A lock of its own: the rounds are only read, and another model may be trained on them at the same time.
        with locked(self.directory / "lock") as lock, _recorded(self.directory, lock, self.processes):
            header = read_header(folder / "trial.json")
            if header.store != content:
                raise LedgerError(
                    f"{folder}: was made from another store ({header.store}, here {content}); use the --store of "
                    "that run"
                )
            finetunes = FineTuneLedger.open(
                folder,
                FineTuneHeader(
                    fingerprint=built.tuning.fingerprint,
                    trial=built.fingerprint,
                    recipe=built.tuning.recipe,
                    store=content,
                    versions=versions(),
                ),
                lock,
            )
            for done, _ in enumerate(self._tuning(built, built.tuning, Ledger(folder, header), finetunes).run(), 1):
                (self.directory / CHECKPOINT).unlink(missing_ok=True)
                yield done

    def _tuning(self, built: Parts, tuned: Tuning, ledger: Ledger, finetunes: FineTuneLedger) -> FineTuning:
        if isinstance(tuned.model, CausalLmLora):
            from labelbench_ray.trial.fit_responses import response_tuning

            rows = stored_rows(built, EmbeddingStore.open(self.place.store), self.place.data_root)
            return response_tuning(built, tuned, ledger, finetunes, rows, self.place.store, self.directory)
        assert isinstance(tuned.model, FullProxy)
        full = full_fitter(built, tuned.model, tuned.trainer, self.place, self.directory, self.processes)
        selector: Fitter
        if isinstance(built.proxy, FullProxy):
            selector = full_fitter(built, built.proxy, built.trainer, self.place, self.directory, self.processes)
        else:
            selector = light_fitter(built, self.place, in_process(embedded(self.place.store)))
        return FineTuning(built, tuned, ledger, finetunes, full, selector)


def selection_job(
    built: Parts, folder: Path, environment: Environment, processes: Processes = ONE_PROCESS
) -> SelectionJob:
    """The job of a trial's rounds."""
    directory = (folder / built.fingerprint).resolve()
    return SelectionJob(built.trial, directory, place_of(built, environment), processes)


def finetune_job(
    built: Parts, folder: Path, environment: Environment, processes: Processes = ONE_PROCESS
) -> FineTuneJob:
    """The job of a trial's fine-tune."""
    assert built.tuning is not None
    directory = (folder / built.fingerprint / FOLDER / built.tuning.fingerprint).resolve()
    return FineTuneJob(built.trial, directory, place_of(built, environment), processes)


def light_fitter(built: Parts, place: Place, open_view: OpenView, processes: Processes = ONE_PROCESS) -> LightFitter:
    """Fits the trial's light proxy."""
    return LightFitter(
        built, embedded(place.store), stored_pairs(built, place.store), open_view, map_tasks=processes.map
    )


def full_fitter(
    built: Parts, model: FullProxy, trainer: Trainer, place: Place, directory: Path, processes: Processes = ONE_PROCESS
) -> Fitter:
    """Fits a full model, with checkpoints in the job's directory."""
    return processes.fitter(partial(fitter_on, built, model, trainer, place, directory), directory)


def fitter_on(
    built: Parts, model: FullProxy, trainer: Trainer, place: Place, directory: Path, device: Device
) -> "FullFitter":
    """The fitter of one process; its machine computes with the model's precision."""
    from labelbench_ray.trial.fit_full import FullFitter  # torch, which a command imports for no job

    store, encoder = EmbeddingStore.open(place.store), trainable(built.encoder)
    images = decoded_images(store, built.dataset.open(place.data_root), encoder, row_seconds=place.row_seconds)
    identity = [built.fingerprint, directory.name, store.manifest.content]
    return FullFitter(
        model,
        cast(Gradient, trainer),
        encoder,
        embedded(place.store),
        images,
        replace(device, precision=model.precision),
        partial(_checkpoints, directory / CHECKPOINT, identity),
    )


def _checkpoints(path: Path, identity: list[str], request: FitRequest) -> FileCheckpoints:
    rows = digest([*request.labeled_L.tolist(), *request.labels_L.tolist()])
    return FileCheckpoints(path, digest([*identity, rows, str(request.seed)]))


@contextmanager
def _recorded(directory: Path, lock: Lock, processes: Processes = ONE_PROCESS) -> Iterator[None]:
    """Record why a trial failed, unless another version or another process owns its folder.

    A trial that lost a scorer or a node did not fail: it is resumed.
    """
    try:
        yield
    except (OtherVersionError, LostLockError, AwaitingLabels):
        raise
    except Exception as error:
        if processes.is_death(error):
            raise
        lock.check()
        text = in_a_line(error)
        # On a full disk the error still reaches the command, which reports that it is not recorded.
        with suppress(OSError):
            write_failure(directory, Failure.of(text, traceback.format_exc()))
        raise


def _views_content(built: Parts, store: EmbeddingStore) -> str:
    wanted = built.wanted_views
    if wanted is None:
        return ""
    return digest([read_view_manifest(store, wanted.digest, view).content for view in range(wanted.count)])


def stored_pairs(built: Parts, store: Path) -> tuple[NDArray[np.float16], ...]:
    """The augmented views of a store that the trainer wants; none where it wants none."""
    wanted = built.wanted_views
    return augmented_pairs(EmbeddingStore.open(store), wanted.digest, wanted.count) if wanted else ()
