"""Where the numbers of a report come from: when, by which command, code and machine, and on how many rows."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from labelbench_ray.ledger.experiments import tags_text
from labelbench_ray.report import words
from labelbench_ray.report.curves import Run, Setting
from labelbench_ray.report.sections import Report

Facts = tuple[tuple[str, str], ...]
"""Names and texts."""


def origin_facts(report: Report) -> Facts:
    """What is known of the experiment as a whole."""
    origin = report.origin
    named = [
        ("owner", report.owner or ""),
        ("tags", tags_text(report.tags)),
        ("recorded", recorded(report.runs)),
        ("command", origin.command if origin else ""),
        ("commit of the experiment", origin.commit if origin else ""),
        ("machine", origin.machine if origin else ""),
        ("versions", _versions(report.runs)),
    ]
    return tuple((name, text) for name, text in named if text)


def data_facts(setting: Setting) -> Facts:
    """The rows of each split and the classes of a setting's data, as far as they are known."""
    note = next((run.data for run in setting.runs if run.data.rows), None)
    if note is None:
        return ()
    rows = words.listed([f"{words.count(rows)} {split}" for split, rows in note.rows.items()])
    near = str(note.overlaps.near or "")
    counted = (("near-duplicates", near),) if near else ()
    return (("rows", rows), ("classes", words.count(note.num_classes)), *counted)


def recorded(runs: Iterable[Run]) -> str:
    """When the first and the last round ended, in coordinated universal time; "" without a round."""
    times = [record.finished for run in runs for record in run.records if record.finished]
    if not times:
        return ""
    first, last = (datetime.fromtimestamp(time / 1000, UTC) for time in (min(times), max(times)))
    if first.date() == last.date():
        return f"{first:%Y-%m-%d, %H:%M} to {last:%H:%M} UTC" if f"{first:%H:%M}" != f"{last:%H:%M}" else _minute(last)
    return f"{_minute(first)} to {_minute(last)}"


def _minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d, %H:%M} UTC"


def _versions(runs: Iterable[Run]) -> str:
    """Those that made the most rounds; a caution lists others."""
    counts = Counter[tuple[tuple[str, str], ...]]()
    for run in runs:
        counts.update({each.versions: len(each.rounds) for each in run.provenances if each.versions})
    most = counts.most_common(1)
    return ", ".join(f"{package} {version}" for package, version in most[0][0]) if most else ""
