"""What the parent run of an experiment states: the verdict, what each strategy gains and saves, and the data sets."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labelbench_ray import report
from labelbench_ray.report import Report
from labelbench_ray.report.curves import Run
from labelbench_ray.report.sections import Section
from labelbench_ray.report.statistics.comparison import Row
from labelbench_ray.report.statistics.winner import CrossFitted

VERDICT = "Verdict"
"""The section of the parent's metrics in MLflow's charts."""
UNUSABLE = re.compile(r"[^\w\-. :]+")
"""What the name of a metric must not hold."""


@dataclass(frozen=True, slots=True)
class DataInput:
    """A data set with the encoder that embedded it."""

    name: str
    source: str
    """Where it lies, as JSON."""
    digest: str
    """The beginning of the store's content hash."""


@dataclass(frozen=True, slots=True)
class ExperimentSummary:
    """What is known of an experiment as a whole."""

    note: str
    """Markdown."""
    metrics: dict[str, float]
    inputs: tuple[DataInput, ...]
    commit: str | None
    """The commit of a checkout that made the last rounds."""
    owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


def read_summary(folder: Path) -> ExperimentSummary:
    """Summarize an experiment's folder, as its report does.

    Raises:
        LedgerError: its ledger is damaged.
    """
    built = report.build(folder)
    return ExperimentSummary(
        _note(built), dict(_metrics(built)), tuple(_inputs(built)), _commit(built), built.owner, built.tags
    )


def _note(built: Report) -> str:
    """The verdict of each setting, with its cautions."""
    several = len(built.sections) > 1
    parts = []
    for section in built.sections:
        title = f"### {section.title}\n\n" if several else ""
        cautions = "".join(f"\n- {caution.title}" for caution in section.cautions)
        verdict = f"{title}**{section.verdict.headline}** {section.verdict.detail}"
        parts.append(f"{verdict}\n\nCautions:{cautions}" if cautions else verdict)
    return "\n\n".join([*parts, "The artifact `report.html` has all comparisons; the ledger has all numbers."])


def _metrics(built: Report) -> Iterator[tuple[str, float]]:
    for section in built.sections:
        title = f"{section.title}: " if len(built.sections) > 1 else ""
        named = [
            (f"{row.strategy} {name}", value)
            for row in (section.main.rows if section.main else ())
            for name, value in _of_row(row)
        ]
        for name, value in (*named, *_of_winner(section.verdict.winner)):
            if math.isfinite(value):
                yield f"{VERDICT}/{UNUSABLE.sub(' ', f'{title}{name}').strip()}", value


def _of_row(row: Row) -> Iterator[tuple[str, float]]:
    """The gain of the mean curve over the baseline, its adjusted p, and the fraction of labels saved."""
    if row.difference is None:
        return
    yield "gain in points", 100 * row.difference.area.value
    yield "p", row.difference.area_adjusted
    if row.difference.saving.reached:
        yield "labels saved", row.difference.saving.fraction


def _of_winner(fitted: CrossFitted | None) -> Iterator[tuple[str, float]]:
    """What the best strategy gains and saves where the other seeds choose it."""
    if fitted is None or fitted.candidates == 1:
        return
    yield "chosen by the other seeds gain in points", 100 * fitted.gain
    if fitted.saving.reached:
        yield "chosen by the other seeds labels saved", fitted.saving.fraction


def _inputs(built: Report) -> Iterator[DataInput]:
    seen = set()
    for section in built.sections:
        for run in _runs(section):
            if run.store and run.store not in seen:
                seen.add(run.store)
                trial = run.trial
                source = {"dataset": trial.dataset.model_dump(mode="json"), "encoder": str(trial.encoder)}
                yield DataInput(str(trial.dataset), json.dumps(source), run.store[:16])


def _commit(built: Report) -> str | None:
    found = [run.versions.get("commit") for section in built.sections for run in _runs(section)]
    return next((commit for commit in reversed(found) if commit), None)


def _runs(section: Section) -> Iterator[Run]:
    yield from section.setting.runs
