"""One fit of a full model shared by several workers, on Ray Train.

Ray Train starts the workers in a placement group of its own, beside the trial's, and joins them to one process group.
Each rebuilds the fitter from a small description and gets the fit request from the object store; the first keeps the
checkpoints and writes the tensors. When a worker dies, the group ends and a new one resumes from the last
checkpoint. An error that a worker raises is raised again in the trial.
"""

import secrets
import tempfile
import time
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import ray
from ray.train import ControllerError, FailureConfig, RunConfig, ScalingConfig, WorkerGroupError, get_context
from ray.train.torch import TorchTrainer
from ray.util import get_current_placement_group
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors
from torch import distributed

from labelbench_ray.cluster.deaths import is_death
from labelbench_ray.cluster.unfinished_fits import GROUP, end_fit, end_fits
from labelbench_ray.costs import Cost
from labelbench_ray.embeddings.store import Embedded
from labelbench_ray.storage.atomic import publish
from labelbench_ray.trainers import PseudoLabels, Tensors
from labelbench_ray.trainers.engine.checkpoints import Checkpoints
from labelbench_ray.trainers.engine.data import Work
from labelbench_ray.trainers.engine.parallel import process_group
from labelbench_ray.trial.fit_full import FullFitter
from labelbench_ray.trial.fit_light import FitRequest, OpenView, TrainedModel
from labelbench_ray.trial.processes import FitWorkers, MakeFitter
from labelbench_ray.user_code import portable

DEATHS: Final = 3
"""How often a fit is resumed after a worker died (killed, out of memory, lost node)."""
MODEL: Final = "model.safetensors"


@dataclass(frozen=True, slots=True, eq=False)
class ParallelFitter:
    """A full model's fitter (a `fitting.Fitter`) whose fits are shared; it opens models in the trial's own process."""

    alone: FullFitter
    make: MakeFitter
    workers: FitWorkers
    directory: Path
    """Where workers leave the trained tensors: the trial's, which all nodes see."""

    @property
    def embedded(self) -> Embedded:
        """As in one process."""
        return self.alone.embedded

    @property
    def open_view(self) -> OpenView:
        """As in one process."""
        return self.alone.open_view

    @property
    def gpus(self) -> float:
        """GPUs of the trial's own process. The workers' GPUs are added to the cost of the request."""
        return self.alone.gpus

    @property
    def validation_labels(self) -> int:
        """As in one process."""
        return self.alone.validation_labels

    def open(self, tensors: Tensors) -> TrainedModel:
        """As in one process."""
        return self.alone.open(tensors)

    def fit(self, request: FitRequest) -> Tensors:
        """The same up to the rounding of sums, for trainers that draw nothing within a batch.

        Raises:
            RuntimeError: workers died again and again.
        """
        end_fits(self.directory)
        dead: Exception | None = None
        for _ in range(DEATHS + 1):
            scratch = self.directory / f".fit-{secrets.token_hex(4)}"
            scratch.mkdir()
            try:
                with tempfile.TemporaryDirectory(prefix="labelbench-train-", ignore_cleanup_errors=True) as notes:
                    return self._attempt(request, scratch, notes)
            except WorkerGroupError as error:
                # Where one worker died, the errors of the others only report that.
                failures = [failure for _, failure in sorted(error.worker_failures.items())]
                if failures and all(isinstance(failure, Raised) for failure in failures):
                    raise failures[0].args[0] from None
                dead = error
            except ControllerError as error:  # a node may be lost while its workers are started, too
                if not is_death(error.controller_failure):
                    raise
                dead = error
            finally:
                end_fit(scratch)
        raise RuntimeError(
            f"a worker of the fit died {DEATHS + 1} times (killed, out of memory, or its node was lost); lower "
            "--fit-workers or the trainer's `batch_size`"
        ) from dead

    def _attempt(self, request: FitRequest, scratch: Path, notes: str) -> Tensors:
        start = time.perf_counter()
        trainer = TorchTrainer(
            _share,
            train_loop_config={
                "make": self.make,
                "request": ray.put(replace(request, on_pseudo_labels=_ignore, on_work=_ignore, spend=_ignore)),
                "device": "cuda" if self.workers.gpus else "cpu",
                "model": scratch / MODEL,
                "threads": self.workers.threads,
            },
            scaling_config=ScalingConfig(
                num_workers=self.workers.count,
                use_gpu=self.workers.gpus > 0,
                resources_per_worker=self.workers.resources,
            ),
            run_config=RunConfig(
                # Ray Train's own notes; what must outlive the fit lies in the job's directory.
                name="fit",
                storage_path=notes,
                failure_config=FailureConfig(max_failures=0),
            ),
        )
        done: Any = trainer.fit()
        wall = time.perf_counter() - start
        for share in done.return_value:
            request.spend(Cost(cpu=share.cpu, gpu=wall * self.workers.gpus))
            for pseudo_labels in share.pseudo_labels:
                request.on_pseudo_labels(pseudo_labels)
            for work in share.work:
                request.on_work(work)
        return load_tensors((scratch / MODEL).read_bytes())


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """What a worker reports about its share of a fit."""

    cpu: float
    pseudo_labels: list[PseudoLabels]
    """Pseudo-labels of the kept epoch for the rows of all workers, from the first worker."""
    work: list[Work]
    """What all workers did, from the first worker."""


class Raised(Exception):
    """Carries what a worker raised, to distinguish it from Ray's errors about dead workers."""


@dataclass(frozen=True, slots=True)
class OneWriter:
    """One checkpoint file for all workers: the first reads and writes it, and sends what it read to the others."""

    kept: Checkpoints
    rank: int

    def load(self) -> dict[str, Any] | None:
        """What the first worker found."""
        found = [self.kept.load() if self.rank == 0 else None]
        distributed.broadcast_object_list(found)
        return found[0]

    def save(self, state: dict[str, Any]) -> None:
        """Written once."""
        if self.rank == 0:
            self.kept.save(state)


def _share(config: dict[str, Any]) -> Any:  # noqa: ANN401  Ray's types know of none
    """What a worker does; returns the shares of all."""
    try:
        device = replace(process_group(config["device"]), threads=config["threads"])
        return _fit(config["make"](device), ray.get(config["request"]), config["model"])
    except Exception as error:
        rank = get_context().get_world_rank()
        carried = portable(error)
        carried.add_note(f"raised by worker {rank} of the fit:\n{traceback.format_exc()}")
        raise Raised(carried) from error


def _fit(fitter: FullFitter, request: FitRequest, model: Path) -> list[Share]:
    rank, reported, worked = distributed.get_rank(), list[PseudoLabels](), list[Work]()
    if rank == 0 and (group := get_current_placement_group()):
        publish(model.with_name(GROUP), group.id.hex().encode())
    one_writer = OneWriter(fitter.checkpoints(request), rank)
    request = replace(request, on_pseudo_labels=reported.append, on_work=worked.append)
    trained = replace(fitter, checkpoints=lambda _: one_writer).fit(request)
    if rank == 0:
        publish(model, save_tensors(dict(trained)))
    shares: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(shares, Share(time.process_time(), reported, worked))
    return shares


def _ignore(value: object) -> None:
    """No-op callback for the workers of a fit."""
