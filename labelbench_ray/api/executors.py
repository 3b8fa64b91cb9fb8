"""Where a command's work is done: in Ray's workers, or in this process."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console

from labelbench_ray.console.progress import meter
from labelbench_ray.embeddings.complete import Embedder
from labelbench_ray.environment import Environment
from labelbench_ray.planning.early_stopping import EarlyStoppingRule
from labelbench_ray.planning.units import Units
from labelbench_ray.trial.assembly import Job, SweepCallbacks
from labelbench_ray.trial.parts import Parts


class Executor(Protocol):
    """Embeds stores and runs the jobs of trials."""

    @property
    def embedder(self) -> Embedder:
        """Embeds what a store lacks; usable while started."""
        ...

    @property
    def early_embedder(self) -> Embedder | None:
        """Embeds stores of few rows as `embedder` would, before and while this is started; None: it cannot."""
        ...

    @property
    def ending(self) -> str:
        """What a person sees while it ends."""
        ...

    def started(self) -> AbstractContextManager[None]:
        """Have what it needs while inside."""
        ...

    def selection_job(self, built: Parts, folder: Path, pool_rows: int) -> Job:
        """The rounds of a trial, as a job."""
        ...

    def finetune_job(self, built: Parts, folder: Path) -> Job:
        """The fine-tune of a trial, as a job."""
        ...

    def run(self, jobs: Sequence[Job], callbacks: SweepCallbacks, memory: int, rule: EarlyStoppingRule | None) -> None:
        """Run the jobs; a failure is reported and ends its own job only.

        Args:
            memory: bytes that the process of any job needs, as estimated.
            rule: ends trials that others dominate; None: all are run to their end.
        """
        ...


def executor_of(environment: Environment) -> Executor:
    """The executor that the environment names; imports Ray only for Ray's."""
    if environment.executor == "local":
        from labelbench_ray.trial.local import LocalExecutor

        return LocalExecutor(environment)
    from labelbench_ray.cluster.executor import RayExecutor

    return RayExecutor(environment)


def starting(environment: Environment, units: Units) -> str:
    """What people see while an executor is imported and started: what is to come."""
    return f"starting, {units.name}" if environment.executor == "local" else f"starting Ray, {units.name}"


@contextmanager
def started(executor: Executor, environment: Environment, console: Console, units: Units) -> Iterator[None]:
    """Have an executor started while inside; people see what is to come while it starts."""
    with ExitStack() as stack:
        with meter(console, starting(environment, units), units.total, units.done):
            stack.enter_context(executor.started())
        yield
        with meter(console, executor.ending):
            stack.close()
