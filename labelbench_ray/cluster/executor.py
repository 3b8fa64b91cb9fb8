"""Running a command's work on Ray: the cluster at an address, or a local Ray while the command runs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import ray

from labelbench_ray.cluster.embed import ChildEmbedder, RayEmbedder, may_have_gpu
from labelbench_ray.cluster.jobs import finetune_job, selection_job
from labelbench_ray.cluster.metrics import events_counted
from labelbench_ray.cluster.session import connected
from labelbench_ray.cluster.sweep import sweep
from labelbench_ray.embeddings.embed import FEW_ROWS
from labelbench_ray.environment import Environment
from labelbench_ray.planning.early_stopping import EarlyStoppingRule
from labelbench_ray.trial.assembly import Job, SweepCallbacks
from labelbench_ray.trial.parts import Parts


@dataclass(frozen=True, slots=True)
class RayExecutor:
    """Embeds through Ray Data and schedules trials with Ray Tune (a `api.executors.Executor`)."""

    environment: Environment
    ending: ClassVar[str] = "leaving Ray"

    @contextmanager
    def started(self) -> Iterator[None]:
        """Be connected to Ray, and count what happens there."""
        with connected(self.environment.address), events_counted():
            yield

    @property
    def embedder(self) -> RayEmbedder:
        """Embeds on the cluster; few rows on this machine without starting workers, unless a cluster is named."""
        return RayEmbedder(self.environment.encoder_actors, FEW_ROWS if self.environment.address is None else 0)

    @property
    def early_embedder(self) -> ChildEmbedder | None:
        """Embeds few rows while Ray starts, where Ray would embed them in a child process on the CPU too."""
        here = self.environment.address is None and not ray.is_initialized()
        return ChildEmbedder() if here and self.environment.encoder_actors is None and not may_have_gpu() else None

    def selection_job(self, built: Parts, folder: Path, pool_rows: int) -> Job:
        """The rounds of a trial."""
        return selection_job(built, folder, self.environment, pool_rows)

    def finetune_job(self, built: Parts, folder: Path) -> Job:
        """The fine-tune of a trial."""
        return finetune_job(built, folder, self.environment)

    def run(self, jobs: Sequence[Job], callbacks: SweepCallbacks, memory: int, rule: EarlyStoppingRule | None) -> None:
        """Run the jobs in workers, as many at once as the cluster has resources for."""
        sweep(jobs, self.environment, callbacks, memory, rule)
