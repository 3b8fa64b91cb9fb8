"""A sweep: Ray Tune runs the jobs that are not finished. Tune only schedules: the ledger is the memory.

Workers are reused from job to job, the embeddings are memory-mapped once on each node, and a trial that raises
is recorded and reported while the others go on.
"""

import gc
import shutil
import tempfile
import time
import traceback
import uuid
from collections.abc import Sequence

import ray

from labelbench_ray.cluster.job_steps import Attempt
from labelbench_ray.cluster.judged_trials import run_judged
from labelbench_ray.cluster.limits import Limits
from labelbench_ray.cluster.slots import run_in_slots
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.planning.early_stopping import EarlyStoppingRule
from labelbench_ray.planning.memory import GIB, reservable_bytes, reserved_bytes
from labelbench_ray.trial.assembly import Job, SweepCallbacks
from labelbench_ray.trial.scoring import scorer_gpus

SECONDS_BETWEEN_SLOT_COUNTS = 5.0
"""How often the nodes of the cluster are counted."""


def sweep(
    jobs: Sequence[Job],
    environment: Environment,
    callbacks: SweepCallbacks,
    memory: int,
    rule: EarlyStoppingRule | None = None,
) -> None:
    """Run the jobs on the connected cluster and report each one's progress to the callbacks.

    Args:
        memory: bytes that the process of any job needs, as estimated.
        rule: ends trials that others dominate; None: all are run to their end.
    """
    machines = [node["Resources"].get("memory", 0.0) for node in ray.nodes() if node["Alive"]]
    bundles = trial_bundles(environment, reservable_bytes(memory, machines), max(job.processes.scorers for job in jobs))
    # Ray Train reserves the bundles of its workers once the trial runs. If trials held all CPUs, each would wait for
    # its workers forever.
    beside = max((job.processes.fit_workers.bundles for job in jobs), key=len)
    if environment.address is None:
        _check_fits([*bundles, *beside])
    may_grow = environment.address is not None and not beside
    slots = SlotCount([*bundles, *beside], per_place=2 if may_grow else 1)
    attempt = Attempt(Limits(environment.memory_per_trial, environment.round_minutes), uuid.uuid4().hex)
    scratch = tempfile.mkdtemp(prefix="labelbench-tune-")
    try:
        if rule is None:
            run_in_slots(jobs, bundles, attempt, callbacks, slots, scratch)
        else:
            run_judged(jobs, bundles, attempt, callbacks, slots, scratch, rule)
    except KeyboardInterrupt as interrupt:
        # Tune cleans up after an `Exception` only. Its workers and what they reserve go when nothing refers to them,
        # but a notebook keeps the traceback, and with it Tune's frames: the next sweep would wait forever.
        traceback.clear_frames(interrupt.__traceback__)
        gc.collect()
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class SlotCount:
    """How many Tune trials to hold, counted anew when the last count is old.

    A cluster that may grow holds a second trial for each that fits: those that wait are what its autoscaler sees.
    """

    def __init__(self, bundles: Sequence[dict[str, int | float]], per_place: int) -> None:
        self._bundles, self._per_place = bundles, per_place
        self._counted = -SECONDS_BETWEEN_SLOT_COUNTS
        self._slots = 0

    def __call__(self) -> int:
        """At least one."""
        if time.monotonic() - self._counted >= SECONDS_BETWEEN_SLOT_COUNTS:
            self._slots = self._per_place * _at_once(self._bundles)
            self._counted = time.monotonic()
        return self._slots


def _check_fits(bundles: Sequence[dict[str, int | float]]) -> None:
    """Refuse a trial that this machine can never start; a cluster may grow, so there it waits."""
    have = ray.cluster_resources()
    for resource, needed in _needed(bundles).items():
        if needed > have.get(resource, 0):
            raise ConfigError(f"a trial asks for {_request(resource, needed, have.get(resource, 0))}")


def _request(resource: str, needed: float, have: float) -> str:
    hint = "ask for less, or give a larger cluster's --address"
    if resource == "memory":
        return (
            f"{needed / GIB:.2f} GiB of memory (--memory-per-trial), Ray has "
            f"{have / GIB:.2f} for trials on this machine; {hint}"
        )
    return (
        f"{needed:g} {resource}s (--cpus-per-trial, --gpus-per-trial, the same for each of --fit-workers, one CPU "
        f"a scorer, and with --score-on cuda its GPUs), this machine has {have:g}; {hint}"
    )


def _at_once(bundles: Sequence[dict[str, int | float]]) -> int:
    """How many trials the cluster as it is can run at once."""
    have = ray.cluster_resources()
    fits = [have.get(resource, 0) // needed for resource, needed in _needed(bundles).items() if needed]
    return max(1, int(min(fits)))


def _needed(bundles: Sequence[dict[str, int | float]]) -> dict[str, float]:
    return {resource: sum(bundle.get(resource, 0) for bundle in bundles) for resource in ("CPU", "GPU", "memory")}


def trial_bundles(environment: Environment, memory: int, scorers: int) -> list[dict[str, int | float]]:
    """What a trial reserves: for its own process, and for each scorer."""
    own: dict[str, int | float] = {
        "CPU": environment.cpus_per_trial,
        "GPU": environment.gpus_per_trial,
        "memory": reserved_bytes(environment, memory),
    }
    gpus = scorer_gpus(environment)
    scorer: dict[str, int | float] = {"CPU": 1, "GPU": gpus} if gpus else {"CPU": 1}
    return [own, *[scorer] * scorers]
