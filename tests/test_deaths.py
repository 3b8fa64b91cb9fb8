"""Which errors count as the death of a worker."""

import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError, NodeDiedError, ObjectLostError, RayTaskError

from labelbench_ray.cluster.deaths import is_death


def passed_on(error: Exception) -> Exception:
    """As the caller of a task sees what the task raised."""
    return RayTaskError(
        "select", "Traceback ...", error, proctitle="ray::", pid=1, ip="127.0.0.1"
    ).as_instanceof_cause()


@pytest.mark.parametrize(
    "error",
    [
        ActorDiedError(),
        ActorUnavailableError("its node does not answer", None),
        NodeDiedError("lost"),
        ObjectLostError("0" * 56, None, ""),
    ],
    ids=lambda error: type(error).__name__,
)
def test_lost_actors_nodes_and_objects_are_deaths_also_when_passed_on(error: Exception) -> None:
    assert is_death(error)
    assert is_death(passed_on(error))


def test_what_a_worker_raises_is_none() -> None:
    raised = RuntimeError("of the user's")
    assert not is_death(raised)
    assert not is_death(passed_on(raised))
    in_constructor = RayTaskError("__init__", "Traceback ...", raised, proctitle="ray::", pid=1, ip="127.0.0.1")
    assert not is_death(ActorDiedError(in_constructor)), "a constructor that raised would raise again"
