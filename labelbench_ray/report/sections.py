"""The whole report as a value: one section a setting, each with its answer, cautions, comparisons and costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from labelbench_ray.costs import ASSUMED, Cost, Prices
from labelbench_ray.ledger.origin import Origin
from labelbench_ray.ledger.state import TrialState
from labelbench_ray.report.cautions import cautions, of_embeddings
from labelbench_ray.report.comparison_cautions import Caution
from labelbench_ray.report.continual import Continued, continual
from labelbench_ray.report.contributions import Ablation, ablations
from labelbench_ray.report.costs import Embedding, Embeddings, StrategyCost, costs, embeddings
from labelbench_ray.report.curves import Experiment, Run, Setting, differing, read
from labelbench_ray.report.experiments import merged, with_baseline
from labelbench_ray.report.fidelity import Trust, trusts
from labelbench_ray.report.finetuned import FineTuned, finetuned
from labelbench_ray.report.multitask import Multitask, multitask
from labelbench_ray.report.noise import NoisyLabels, Survival, noisy_labels, survivals
from labelbench_ray.report.over_settings import OverSettings, over_settings
from labelbench_ray.report.protocols import Protocol, Whole, protocols, wholes
from labelbench_ray.report.published.beside import Beside, beside_labelbench
from labelbench_ray.report.rare_classes import RareClasses, rare_classes
from labelbench_ray.report.relative import Relative, bounds, relatives
from labelbench_ray.report.searched import Searched, searched
from labelbench_ray.report.selectors import Selectors, selectors
from labelbench_ray.report.shift import Shift, shifts
from labelbench_ray.report.statistics.comparison import Comparison, Curves, compare
from labelbench_ray.report.statistics.spreads import power_line
from labelbench_ray.report.threshold import Block, Threshold, blocks, threshold
from labelbench_ray.report.verdict import Verdict, judge

NOTHING_KNOWN: Final[Mapping[str, Cost]] = {}
NO_WARNINGS: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """One setting. `comparisons` holds the metrics that are there; the first decides the verdict."""

    title: str
    setting: Setting
    comparisons: tuple[Comparison, ...]
    verdict: Verdict
    cautions: tuple[Caution, ...]
    costs: tuple[StrategyCost, ...]
    finetuned: tuple[FineTuned, ...]
    rare: RareClasses | None
    """None where no class of the pool is rare."""
    shifts: tuple[Shift, ...]
    """Evaluation splits beyond the usual ones, beside the test rows."""
    noise: NoisyLabels | None
    """None where every answer is right and names a class."""
    published: tuple[Beside, ...]
    """Beside each published setting on the same data set."""
    bounds: tuple[Curves, ...]
    """Upper bounds, which see labels, on the metric that decides; nothing ranks them."""
    relatives: tuple[Relative, ...]
    """Each strategy beside the baseline on the metric that decides: speed-up, deficiency and normalized gain."""

    @property
    def main(self) -> Comparison | None:
        """The comparison that decides, if any trial has a round."""
        return self.comparisons[0] if self.comparisons else None

    @property
    def pooled(self) -> bool:
        """Whether the spread over seeds is pooled over strategies."""
        rows = self.main.rows if self.main else ()
        return any(row.difference.area.pooling > 1 for row in rows if row.difference)

    @property
    def intervals(self) -> str:
        """What the intervals include, in a sentence; empty where there are none."""
        return self.main.intervals if self.main else ""

    @property
    def power(self) -> str:
        """What the seeds can show; empty where that is not known."""
        return power_line(self.main) if self.main else ""


@dataclass(frozen=True, slots=True, eq=False)
class Across:
    """Results that need several settings or fine-tunes of the full model; each may be empty."""

    ablations: tuple[Ablation, ...]
    protocols: tuple[Protocol, ...]
    wholes: tuple[Whole, ...]
    continual: tuple[Continued, ...]
    multitask: tuple[Multitask, ...]
    noise: tuple[Survival, ...]
    selectors: tuple[Selectors, ...]
    trusts: tuple[Trust, ...]
    measured: tuple[Block, ...]
    threshold: Threshold | None
    search: Searched | None
    over_settings: OverSettings | None
    """None with fewer than two settings or three strategies."""


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """All that is known of an experiment. `embeddings` has the stores of which it is known what they took."""

    experiment: str
    strategies: tuple[str, ...]
    sections: tuple[Section, ...]
    across: Across
    embeddings: dict[str, Embedding]
    prices: Prices
    origin: Origin | None = None
    owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def noun(self) -> str:
        """The metric that decides, within a sentence, where it is the same of all settings."""
        nouns = {section.setting.noun for section in self.sections}
        return nouns.pop() if len(nouns) == 1 else "metric"

    @property
    def nouns(self) -> str:
        """Its plural."""
        return "accuracies" if self.noun == "accuracy" else f"{self.noun} values"

    @property
    def differing(self) -> tuple[str, ...]:
        """The fields of the recipe in which the settings differ."""
        return differing(section.setting for section in self.sections)

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every trial of the grid."""
        return tuple(run for section in self.sections for run in section.setting.runs)

    @property
    def troubles(self) -> tuple[Run, ...]:
        """The trials that are not finished."""
        return tuple(run for run in self.runs if run.state is not TrialState.DONE)


def build(
    folder: Path | Sequence[Path],
    prices: Prices = ASSUMED,
    stores: Mapping[str, Cost] = NOTHING_KNOWN,
    warnings: Mapping[str, str] = NO_WARNINGS,
    baseline: str | None = None,
) -> Report:
    """The report on an experiment's folder, from its ledgers alone.

    Args:
        folder: holds `experiment.json`; several are reported as one experiment, see `experiments.merged`.
        prices: what labels and computing cost.
        stores: what making each embedding store took, by its content hash, as far as it is known.
        warnings: what to know before trusting a store's embeddings, in the same way.
        baseline: the strategy that others are compared with; None: random.

    Raises:
        ConfigError: no trial has the baseline's strategy, or several experiments do not fit together.
        LedgerError: the folder has no valid `experiment.json`.
    """
    folders = folder if isinstance(folder, Sequence) else [folder]
    experiment = merged([read(each) for each in folders])
    return compose(with_baseline(experiment, baseline), prices, stores, warnings)


def compose(
    experiment: Experiment,
    prices: Prices = ASSUMED,
    stores: Mapping[str, Cost] = NOTHING_KNOWN,
    warnings: Mapping[str, str] = NO_WARNINGS,
) -> Report:
    """The report on what was read, see `build`."""
    settings = experiment.settings
    shared = embeddings((run for setting in settings for run in setting.runs), stores)
    sections = tuple(
        _section(title, setting, shared, warnings) for title, setting in zip(experiment.titles, settings, strict=True)
    )
    measured = blocks(settings)
    across = Across(
        () if experiment.search else ablations(settings),  # the points of a search are no parts
        protocols(settings, shared),
        wholes(settings, shared),
        continual(settings),
        multitask(settings),
        survivals(settings),
        selectors(settings),
        trusts(settings),
        measured,
        threshold(measured),
        searched(experiment),
        None if experiment.search else _over_settings(sections),
    )
    return Report(
        experiment.name,
        experiment.strategies,
        sections,
        across,
        shared,
        prices,
        experiment.origin,
        experiment.owner,
        experiment.tags,
    )


def _over_settings(sections: Sequence[Section]) -> OverSettings | None:
    compared = [section for section in sections if section.main is not None]
    data_sets = len({section.setting.recipe["dataset"] for section in compared})
    return over_settings([section.main for section in compared if section.main is not None], data_sets)


def _section(title: str, setting: Setting, shared: Embeddings, warnings: Mapping[str, str]) -> Section:
    found = (compare(setting, metric) for metric in setting.metrics)
    comparisons = tuple(comparison for comparison in found if comparison is not None)
    main = comparisons[0] if comparisons else None
    above = bounds(setting, main) if main else ()
    return Section(
        title,
        setting,
        comparisons,
        _verdict(setting, main),
        (*cautions(setting, main), *of_embeddings(setting, warnings)),
        costs(setting, shared),
        finetuned(setting),
        rare_classes(setting),
        shifts(setting),
        noisy_labels(setting),
        beside_labelbench(setting, main),
        above,
        relatives(main, above) if main else (),
    )


def _verdict(setting: Setting, main: Comparison | None) -> Verdict:
    if main is not None:
        verdict = judge(main)
        return replace(verdict, headline=f"So far: {verdict.headline}") if setting.preliminary else verdict
    labels = sum(len(record.chosen) for run in setting.compared for record in run.records)
    if labels:
        return Verdict(
            "No accuracy is measured.",
            f"The data set has no test rows with labels, so nothing shows how good a strategy is. {labels:,} labels "
            "are recorded. Give the data set a labeled test split to have accuracies here.",
        )
    return Verdict("Nothing to compare yet.", f"None of {len(setting.runs)} trials has a finished round.")
