"""An `Environment` from what a person gives: defaults that depend on other values, and limits checked.

The options of the command line and the arguments of `run` come together here.
"""

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypedDict, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError, unknown
from labelbench_ray.plugins.explanations import explain
from labelbench_ray.storage.remote import beside
from labelbench_ray.tracking.mlflow_address import sqlite_uri

Executors = Literal["ray", "local"]
HINTS: Final = get_type_hints(Environment)
CONSTRAINTS: Final = {("min", False): "ge", ("min", True): "gt", ("max", False): "le"}
"""Limits as click names them, and whether they are left out, as pydantic names them."""


class RunOptions(TypedDict, total=False):
    """What `run` takes beside its own arguments; `labelbench run --help` explains each."""

    cpus_per_trial: float
    gpus_per_trial: float
    score_on: Literal["cpu", "cuda"]
    memory_per_trial: float | None
    round_minutes: float | None
    early_stopping: bool
    max_hours: float | None
    max_cost: float | None
    fit_workers: int
    encoder_actors: int | None
    scorers: int
    scorer_rows: int
    max_reject_fraction: float
    shard_rows: int | None
    row_seconds: float
    events: str | None
    webhook: str | None
    verbose: bool


def environment_of(runs: Path, tracking_uri: str | None, address: str | None, others: Mapping[str, Any]) -> Environment:
    """The environment of checked values.

    Args:
        runs: where ledgers and reports lie.
        tracking_uri: None: a sqlite file in `runs`.
        address: None and "local": a Ray of its own.
        others: the other fields by name; those left out have their defaults.
    """
    if address in (None, "local"):
        address = None
        # Read when Ray is imported, later: a Ray of our own then listens on loopback, as on a Windows machine, and not
        # on every network that this one is on.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    uri = tracking_uri or sqlite_uri(beside(runs) / "mlflow.db")
    return Environment(runs=runs, tracking_uri=uri, address=address, **others)


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of an environment as a person gives them in Python; paths are checked elsewhere.

    Raises:
        ConfigError: an unknown name, or a value that the field cannot have.
    """
    limits = {field.name: field.metadata.get("limits", {}) for field in fields(Environment)}
    for name in given:
        if name not in RunOptions.__annotations__ and name != "executor":
            raise ConfigError(unknown("option", name, [*RunOptions.__annotations__, "executor"]))
    return {name: _checked(name, value, limits[name]) for name, value in given.items()}


def _checked(name: str, value: Any, limits: Mapping[str, Any]) -> Any:  # noqa: ANN401  of any field
    bounds = {
        CONSTRAINTS[bound, limits.get(f"{bound}_open", False)]: limit
        for bound, limit in limits.items()
        if bound in ("min", "max")
    }
    kind: Any = Annotated[HINTS[name], Field(**bounds)]
    try:
        adapter = TypeAdapter[Any](kind, config=ConfigDict(strict=True, allow_inf_nan=False))
        return adapter.validate_python(value)
    except ValidationError as error:
        raise ConfigError(f"{name}: {explain(error)}") from error
