"""The metrics of many runs at once: from a database by few queries, from a server by a call a metric and run."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from mlflow.entities import Run
from mlflow.store.tracking.dbmodels.models import SqlMetric
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

Written = Counter[tuple[str, int, float]]
"""How often each (metric, number of labels, value) is there."""
RUNS_AT_ONCE = 200
"""Fewer than sqlite accepts variables in a query."""


def read_histories(client: MlflowClient, runs: Sequence[Run]) -> Mapping[str, Written]:
    """What is there of each run, by its id."""
    store = client._tracking_client.store
    if isinstance(store, SqlAlchemyStore):
        return _from_database(store, runs)
    return {run.info.run_id: Counter(_from_server(client, run)) for run in runs}


def _from_database(store: SqlAlchemyStore, runs: Sequence[Run]) -> Mapping[str, Written]:
    found: dict[str, Written] = {run.info.run_id: Counter() for run in runs}
    waiting = iter(found)
    with store.ManagedSessionMaker() as session:
        while some := list(islice(waiting, RUNS_AT_ONCE)):
            columns = (SqlMetric.run_uuid, SqlMetric.key, SqlMetric.step, SqlMetric.value)
            for run_id, name, step, value in session.query(*columns).filter(SqlMetric.run_uuid.in_(some)):
                found[run_id][name, step, value] += 1
    return found


def _from_server(client: MlflowClient, run: Run) -> Iterator[tuple[str, int, float]]:
    for name in run.data.metrics:
        for point in client.get_metric_history(run.info.run_id, name):
            yield name, point.step, point.value
