"""Which errors state that a process or a node was lost, so that the same work is tried again instead of reported.

What was lost may be a worker that this process only called: a scorer, or the node that a scorer's answer lay on.
"""

from ray.exceptions import (
    ActorPlacementGroupRemoved,
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayTaskError,
    TaskPlacementGroupRemoved,
    WorkerCrashedError,
)

LOST = (
    RayActorError,
    WorkerCrashedError,
    NodeDiedError,
    LocalRayletDiedError,
    ObjectLostError,
    OutOfMemoryError,
    TaskPlacementGroupRemoved,
    ActorPlacementGroupRemoved,
)


def is_death(error: BaseException) -> bool:
    """Whether an error states that a process or a node was lost, also where a task passed it on.

    An actor whose constructor raised is not one: it would raise again.
    """
    if isinstance(error, RayTaskError):
        return isinstance(error.cause, Exception) and error.cause is not error and is_death(error.cause)
    return isinstance(error, LOST) and not (isinstance(error, RayActorError) and error.actor_init_failed)
