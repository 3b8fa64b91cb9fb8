"""A trial's jobs on Ray: scorers view a large pool, and workers share the fits of a full model."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.util import get_current_placement_group

from labelbench_ray.cluster.deaths import is_death
from labelbench_ray.cluster.scorers import Scorers
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.environment import Environment
from labelbench_ray.trainers.engine.device import Device
from labelbench_ray.trial import assembly
from labelbench_ray.trial.assembly import FineTuneJob, SelectionJob
from labelbench_ray.trial.fit_light import Fitter, OpenView
from labelbench_ray.trial.parts import Parts
from labelbench_ray.trial.processes import IN_PROCESS, ONE_PROCESS, FitWorkers, MakeFitter
from labelbench_ray.trial.scoring import scorer_gpus


@dataclass(frozen=True, slots=True)
class RayProcesses:
    """The trial's worker, scorer actors and the workers of Ray Train (a `Processes`)."""

    scorers: int = 0
    scorer_gpus: float = 0.0
    """Of each scorer."""
    fit_workers: FitWorkers = IN_PROCESS

    @contextmanager
    def view(self, store: Path) -> Iterator[OpenView]:
        """Views over scorers where the trial has some."""
        if not self.scorers:
            with ONE_PROCESS.view(store) as open_view:
                yield open_view
            return
        group = get_current_placement_group()
        scorers = Scorers(EmbeddingStore.open(store), self.scorers, group, self.scorer_gpus)
        try:
            yield scorers
        finally:
            scorers.close()

    def fitter(self, make: MakeFitter, directory: Path) -> Fitter:
        """Fits on this worker's device, or shared by several workers."""
        import torch

        from labelbench_ray.cluster.parallel import ParallelFitter

        workers = self.fit_workers
        alone = make(Device("cuda" if torch.cuda.is_available() else "cpu", threads=workers.threads))
        return ParallelFitter(alone, make, workers, directory) if workers.count > 1 else alone

    def map(self, function: Callable[[Any], Any], items: Sequence[Any], /) -> list[Any]:
        """A Ray task for every item where the trial has scorers, whose pool is large; else in this process."""
        if not self.scorers:
            return ONE_PROCESS.map(function, items)
        shared, running, done = ray.put(function), dict[ray.ObjectRef, int](), dict[int, Any]()
        for place, item in enumerate(items):
            while len(running) >= self.scorers:
                (ready,), _ = ray.wait(list(running), num_returns=1)
                done[running.pop(ready)] = ray.get(ready)
            running[_applied.remote(shared, item)] = place
        done |= {place: ray.get(reference) for reference, place in running.items()}
        return [done[place] for place in range(len(items))]

    def is_death(self, error: Exception) -> bool:
        """Whether Ray lost a scorer, a worker or a node."""
        return is_death(error)


# No CPU of its own: at most as many run as there are scorers, which wait during a fit and hold the trial's CPUs.
@ray.remote(num_cpus=0, max_retries=-1, scheduling_strategy="SPREAD")
def _applied(function: Callable[[Any], Any], item: Any) -> Any:  # noqa: ANN401
    return function(item)


def selection_job(built: Parts, folder: Path, environment: Environment, pool_rows: int) -> SelectionJob:
    """The job of a trial; scorers are used when its pool is large, and read the store: a full model embeds anew."""
    full = built.proxy.trains_encoder
    scorers = environment.scorers if pool_rows >= environment.scorer_rows and not full else 0
    workers = _fit_workers(environment) if full else IN_PROCESS
    processes = RayProcesses(scorers, scorer_gpus(environment), workers)
    return assembly.selection_job(built, folder, environment, processes)


def finetune_job(built: Parts, folder: Path, environment: Environment) -> FineTuneJob:
    """The job of a trial's fine-tune."""
    return assembly.finetune_job(built, folder, environment, RayProcesses(fit_workers=_fit_workers(environment)))


def _fit_workers(environment: Environment) -> FitWorkers:
    """The workers of every fit of a full model."""
    return FitWorkers(environment.fit_workers, environment.cpus_per_trial, int(environment.gpus_per_trial > 0))
