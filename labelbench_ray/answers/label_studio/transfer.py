"""A batch to the server and its answers back."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from labelbench_ray.answers.formats.json_records import read_records
from labelbench_ray.answers.formats.label_studio import TOOL, read_tasks
from labelbench_ray.answers.formats.stated import Read, Source
from labelbench_ray.answers.label_studio.client import Json, Server, ServerError
from labelbench_ray.answers.label_studio.pictures import LocalFiles
from labelbench_ray.answers.label_studio.project import find_project, found_or_made
from labelbench_ray.answers.label_studio.tasks import BATCH, ROW_ID, BatchOfTasks, requests_of
from labelbench_ray.errors import ConfigError

NEWER: Final = "filter:tasks:updated_at"
"""Label Studio's name of a task's time of change, which moves when an annotation does."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did."""

    project: int
    page: str
    """Where people label."""
    sent: int
    there: int
    """Rows of the batch that the project had."""


def push(server: Server, named: str, batch: BatchOfTasks, pool: Path | None = None) -> Pushed:
    """Hand a batch to a project, which is made where there is none.

    Rows that the project has for this batch are left out, so that a push which broke off is repeated safely.

    Args:
        server: the server.
        named: the project's title or number.
        batch: the rows.
        pool: the pool's folder, for `LocalFiles`.

    Raises:
        UserError: the project does not fit, a row cannot be shown, or the server refuses.
    """
    tasks = list(requests_of(batch, batch.rows))  # before anything is made there: a row may be refused
    number = int(found_or_made(server, named, batch.wanted)["id"])
    if isinstance(batch.address, LocalFiles) and pool is not None:
        _show_files(server, number, batch.address, pool, [task for each in tasks for task in each])
    there = _rows_there(server.tasks(number), batch)
    sent = 0
    for request in tasks:
        missing = [task for task in request if task["meta"][ROW_ID] not in there]
        if missing:
            server.import_tasks(number, missing)
        sent += len(missing)
    return Pushed(number, f"{server.url}/projects/{number}/data", sent, len(batch.rows) - sent)


def pull(server: Server, named: str, since: datetime | None = None) -> Read:
    """The answers of a project.

    Args:
        server: the server.
        named: the project's title or number.
        since: fetches tasks that changed after it alone; None: all, which alone shows what was deleted.

    Raises:
        ConfigError: there is no such project.
        ServerError: the server refuses.
    """
    project = find_project(server, named)
    if project is None:
        raise ConfigError(f"--project {named!r}: {server.url} has no project with that title; push a batch first")
    number = int(project["id"])
    moment = datetime.now(UTC)
    data = (
        server.export(number) if since is None else json.dumps([*server.tasks(number, changed_after(since))]).encode()
    )
    name = f"{server.url}, project {number}"
    return read_tasks(Source(name, TOOL, moment, sha256(data).hexdigest()), read_records(name, data))


def changed_after(moment: datetime) -> str:
    """The filter for tasks that changed after a moment."""
    item = {
        "filter": NEWER,
        "operator": "greater",
        "type": "Datetime",
        "value": moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    return json.dumps({"filters": {"conjunction": "and", "items": [item]}})


def _rows_there(tasks: Iterable[Mapping[str, Any]], batch: BatchOfTasks) -> frozenset[str]:
    metas = (task.get("meta") for task in tasks)
    of_batch = (meta for meta in metas if isinstance(meta, dict) and meta.get(BATCH) == batch.batch)
    return frozenset(str(meta.get(ROW_ID)) for meta in of_batch)


def _show_files(server: Server, number: int, files: LocalFiles, pool: Path, tasks: Sequence[Json]) -> None:
    """Let the project show the pool's folder, and see that it does: people would find broken images."""
    folder = files.folder(pool)
    hint = (
        "start the server with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and "
        f"LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={files.server_root or files.root}, where it can read the folder"
    )
    if folder not in server.local_storages(number):
        try:
            server.add_local_storage(number, folder)
        except ServerError as error:
            raise ConfigError(
                f"{folder}: {server.url} may not show it, as it is not in its document root; {hint}"
            ) from error
    address = next(iter(tasks[0]["data"].values()))
    if not server.shows(address):
        raise ConfigError(f"{server.url}{address}: the server does not show the file; {hint}")
