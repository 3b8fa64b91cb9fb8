"""Running a command's work in this process, one trial after the other: for notebooks, debuggers and tests.

Nothing here knows Ray. Ledgers equal those that Ray's workers write, so either goes on where the other was ended.
"""

import os
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import torch
from threadpoolctl import threadpool_limits

from labelbench_ray.embeddings.local import LocalEmbedder
from labelbench_ray.environment import ONE_THREAD, Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.trials import Failure
from labelbench_ray.storage.waits import waits_reported
from labelbench_ray.trial import assembly
from labelbench_ray.trial.asking import AwaitingLabels
from labelbench_ray.trial.assembly import Job, SweepCallbacks
from labelbench_ray.trial.parts import Parts
from labelbench_ray.trial.processes import FitWorkers, OneProcess
from labelbench_ray.user_code import in_a_line


@dataclass(frozen=True, slots=True)
class LocalExecutor:
    """Embeds and runs trials in this process (a `api.executors.Executor`)."""

    environment: Environment
    ending: ClassVar[str] = "ending"

    @contextmanager
    def started(self) -> Iterator[None]:
        """Compute on one thread while inside, as Ray's workers do: the same sums in the same order."""
        if self.environment.gpus_per_trial and not torch.cuda.is_available():
            raise ConfigError(
                f"--gpus-per-trial {self.environment.gpus_per_trial:g}: torch sees no GPU on this machine; leave it out"
            )
        before = {name: os.environ.get(name) for name in ONE_THREAD}
        threads = torch.get_num_threads()
        # The variables are for libraries that are loaded from now on, and for child processes.
        os.environ.update(ONE_THREAD)
        torch.set_num_threads(1)
        try:
            with threadpool_limits(1):
                yield
        finally:
            torch.set_num_threads(threads)
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})

    @property
    def embedder(self) -> LocalEmbedder:
        """Embeds in this process."""
        return LocalEmbedder()

    @property
    def early_embedder(self) -> None:
        """None: it starts at once."""
        return None

    def selection_job(self, built: Parts, folder: Path, pool_rows: int) -> Job:
        """The rounds of a trial."""
        return assembly.selection_job(built, folder, self.environment, self._processes)

    def finetune_job(self, built: Parts, folder: Path) -> Job:
        """The fine-tune of a trial."""
        return assembly.finetune_job(built, folder, self.environment, self._processes)

    def run(self, jobs: Sequence[Job], callbacks: SweepCallbacks, memory: int, rule: object) -> None:
        """Run the jobs in their order; one that raises is reported, and the others go on."""
        assert rule is None, "the environment refuses early stopping here"
        for job in jobs:
            if callbacks.should_end():
                return
            callbacks.on_started(job)
            try:
                with waits_reported(partial(callbacks.on_waiting, job)):
                    for done in job.steps():
                        callbacks.on_round(job, done)
                        if callbacks.should_end():
                            callbacks.on_paused(job, done)
                            return
            except AwaitingLabels as waiting:
                callbacks.on_awaiting(job, waiting.rounds, str(waiting))
            except (Exception, SystemExit) as error:
                callbacks.on_failed(job, Failure.of(in_a_line(error), traceback.format_exc()))
            else:
                callbacks.on_done(job)

    @property
    def _processes(self) -> OneProcess:
        environment = self.environment
        return OneProcess(FitWorkers(1, environment.cpus_per_trial, int(environment.gpus_per_trial > 0)))
