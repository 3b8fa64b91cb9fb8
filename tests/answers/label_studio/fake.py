"""Label Studio in memory: what `client.Server` does, without a server, and people who annotate."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from labelbench_ray.answers.label_studio.client import Json

BEGIN = datetime(2026, 5, 1, tzinfo=UTC)


@dataclass
class FakeServer:
    """Projects and their tasks, as the API states them."""

    url: str = "http://labels.example"
    made: list[Json] = field(default_factory=list)
    in_projects: dict[int, list[Json]] = field(default_factory=dict)
    annotations: int = 0

    def projects(self) -> Iterator[Json]:
        yield from self.made

    def project(self, number: int) -> Json:
        return self.made[number - 1]

    def create_project(self, settings: Mapping[str, Any]) -> Json:
        self.made.append({"id": len(self.made) + 1, **settings})
        self.in_projects[len(self.made)] = []
        return self.made[-1]

    def change_project(self, number: int, settings: Mapping[str, Any]) -> Json:
        self.made[number - 1] |= settings
        return self.made[number - 1]

    def tasks(self, project: int, query: str = "") -> Iterator[Json]:
        yield from self.in_projects[project]

    def import_tasks(self, project: int, tasks: Sequence[Json]) -> None:
        there = self.in_projects[project]
        there += [{**task, "id": len(there) + number, "annotations": []} for number, task in enumerate(tasks, 1)]

    def export(self, project: int) -> bytes:
        return json.dumps(self.in_projects[project]).encode()

    def local_storages(self, project: int) -> list[str]:
        return []

    def add_local_storage(self, project: int, folder: str) -> None:
        raise AssertionError("not used")

    def shows(self, path: str) -> bool:
        return True

    def annotate(self, row_id: str, *labels: str, user: int = 1, project: int = 1, **others: Any) -> Json:
        """A person labels the newest task of a row."""
        *_, task = [task for task in self.in_projects[project] if task["meta"]["row_id"] == row_id]
        self.annotations += 1
        result = [{"from_name": "label", "type": "choices", "value": {"choices": [*labels]}}] if labels else []
        at = (BEGIN + timedelta(minutes=self.annotations)).isoformat()
        given = {"id": self.annotations, "completed_by": user, "result": result, "updated_at": at, "lead_time": 2.0}
        task["annotations"].append(given | others)
        return task["annotations"][-1]
