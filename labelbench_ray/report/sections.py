"""The whole report as a value: one section a setting, each with its answer, cautions, comparisons and costs."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from labelbench_ray.report.cautions import Caution, cautions
from labelbench_ray.report.comparison import Comparison, compare
from labelbench_ray.report.costs import Cost, costs
from labelbench_ray.report.curves import Experiment, Run, Setting, State, differing, read
from labelbench_ray.report.verdict import Verdict, judge

PRIMARY: Final = "Test Accuracy"
METRICS: Final = (PRIMARY, "Pool Accuracy", "Labeling Accuracy", "Balanced Test Accuracy")
"""The metrics that are shown where they are recorded. The first that is there decides."""


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """One setting. `comparisons` holds the metrics that are there; the first decides the verdict."""

    title: str
    setting: Setting
    comparisons: tuple[Comparison, ...]
    verdict: Verdict
    cautions: tuple[Caution, ...]
    costs: tuple[Cost, ...]

    @property
    def main(self) -> Comparison | None:
        """The comparison that decides, if any trial has a round."""
        return self.comparisons[0] if self.comparisons else None


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """All that is known of an experiment. `embedding_seconds` is 0 where it was not told."""

    experiment: str
    strategies: tuple[str, ...]
    sections: tuple[Section, ...]
    embedding_seconds: float

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every trial of the grid."""
        return tuple(run for section in self.sections for run in section.setting.runs)

    @property
    def troubles(self) -> tuple[Run, ...]:
        """The trials that are not finished."""
        return tuple(run for run in self.runs if run.state is not State.FINISHED)


def build(folder: Path, embedding_seconds: float = 0.0) -> Report:
    """The report on an experiment's folder, from its ledgers alone.

    Raises:
        LedgerError: the folder has no valid `experiment.json`.
    """
    experiment = read(folder)
    sections = tuple(_section(_title(setting, experiment), setting) for setting in experiment.settings)
    return Report(experiment.name, experiment.strategies, sections, embedding_seconds)


def _section(title: str, setting: Setting) -> Section:
    found = (compare(setting, metric) for metric in METRICS)
    comparisons = tuple(comparison for comparison in found if comparison is not None)
    main = comparisons[0] if comparisons else None
    return Section(title, setting, comparisons, _verdict(setting, main), cautions(setting, main), costs(setting))


def _verdict(setting: Setting, main: Comparison | None) -> Verdict:
    if main is not None:
        verdict = judge(main)
        return replace(verdict, headline=f"So far: {verdict.headline}") if setting.preliminary else verdict
    return Verdict("Nothing to compare yet.", f"None of {len(setting.runs)} trials has a finished round.")


def _title(setting: Setting, experiment: Experiment) -> str:
    fields = differing(experiment.settings) or ("dataset",)
    words = (
        setting.recipe[field] if field == "dataset" else f"{field.replace('_', ' ')} {setting.recipe[field]}"
        for field in fields
    )
    return ", ".join(words)
