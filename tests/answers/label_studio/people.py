"""Annotators in a real Label Studio, and what their answers come to."""

import json
from pathlib import Path
from typing import Any

from labelbench_ray.answers.fold import Vote, row_states
from labelbench_ray.answers.log import AnswerLog
from tests.servers.label_studio import LabelStudioServer


def chosen(*labels: str, control: str = "label", shown: str = "text") -> list[dict[str, Any]]:
    """What the page holds once these choices are ticked beside what it shows."""
    return [{"from_name": control, "to_name": shown, "type": "choices", "value": {"choices": list(labels)}}]


class People:
    """Annotators of a project, played by the first user."""

    def __init__(self, server: LabelStudioServer, project: int) -> None:
        self.server, self.project = server, project
        tasks = server.call("GET", "/api/tasks/", params={"project": project, "fields": "all", "page_size": 100})[
            "tasks"
        ]
        self.tasks = {task["meta"]["row_id"]: task["id"] for task in tasks}
        assert len(self.tasks) == len(tasks)

    def answer(self, row_id: str, user: int, result: list[dict[str, Any]], **others: Any) -> int:
        given = {"result": result, "completed_by": user, "lead_time": 2.5, **others}
        number: int = self.server.call("POST", f"/api/tasks/{self.tasks[row_id]}/annotations/", json=given)["id"]
        return number

    def correct(self, annotation: int, result: list[dict[str, Any]]) -> None:
        self.server.call("PATCH", f"/api/annotations/{annotation}/", json={"result": result})

    def next_task(self) -> dict[str, Any]:
        """The task that the page shows next, as the page gets it."""
        task: dict[str, Any] = self.server.call("GET", f"/api/projects/{self.project}/next")
        return task

    def next(self) -> str:
        """The row that the page shows next."""
        row_id: str = self.next_task()["meta"]["row_id"]
        return row_id

    def export(self, path: Path, *row_ids: str) -> Path:
        """The menu Export, of these rows alone where rows are given."""
        asked = {"exportType": "JSON", "ids[]": [self.tasks[row_id] for row_id in row_ids]}
        tasks = self.server.call("GET", f"/api/projects/{self.project}/export", params=asked)
        path.write_text(json.dumps(tasks))
        return path


def states(log: AnswerLog, vote: Vote | None = None) -> dict[str, tuple[Any, ...]]:
    """By row, where two answers are wanted: state, labels, and how many submitted, skipped, are unsure, are paid."""
    names = ("state", "labels", "submitted", "skipped", "unsure", "answers")
    rows = row_states(log.read(), 2, vote=vote).to_pylist()
    return {row["row_id"]: tuple(row[name] for name in names) for row in rows}
