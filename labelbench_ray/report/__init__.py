"""The answer: which strategy to use and what it saves, from an experiment's ledgers alone.

report = build(Path("runs/quickstart.grid"))
console.print(render(report))
write(report, Path("runs/quickstart.grid/report.html"))
"""

from collections.abc import Mapping
from pathlib import Path

from labelbench_ray.report.page import NO_TABLES, page
from labelbench_ray.report.sections import Report, build
from labelbench_ray.report.terminal import render
from labelbench_ray.storage.atomic import publish

__all__ = ["Report", "build", "page", "render", "write"]


def write(report: Report, path: Path, tables: Mapping[str, str] = NO_TABLES) -> None:
    """Write the report as one self-contained HTML page, whole or not at all; `tables` as of `page`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    publish(path, page(report, tables).encode())
