"""How a strategy compares with the baseline by each measure. All statements of the report are made from these values.

The mean over the learning curve decides; the accuracy at the end and the labels saved stand beside it, since a strategy
may equal the baseline by one measure and beat it by another.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from labelbench_ray.report import words
from labelbench_ray.report.statistics.comparison import Row
from labelbench_ray.report.statistics.paired import ENOUGH_PAIRS, LEVEL, Estimate
from labelbench_ray.report.statistics.savings import Saving


class Measure(StrEnum):
    """A measure by which a strategy is compared with the baseline."""

    AREA = "mean {} over the curve"
    FINAL = "final {}"
    SAVED = "labels saved"

    def of(self, noun: str) -> str:
        """As the tables name it, of a metric: "final accuracy"."""
        return self.format(noun)


class Standing(StrEnum):
    """How a strategy stands to the baseline, adjusted for the number of strategies."""

    REFERENCE = "baseline"
    BETTER = "significantly better"
    WORSE = "significantly worse"
    UNCLEAR = "not significantly different"
    FEW = "too few seeds to decide"
    UNPAIRED = "not compared"

    def to(self, baseline: str) -> str:
        """In words: "significantly better than random"."""
        with_its_name = {
            Standing.BETTER: f"{self.value} than {baseline}",
            Standing.WORSE: f"{self.value} than {baseline}",
            Standing.UNCLEAR: f"{self.value} from {baseline}",
        }
        return with_its_name.get(self, self.value)


DECIDED: Final = frozenset({Standing.BETTER, Standing.WORSE, Standing.UNCLEAR})


@dataclass(frozen=True, slots=True)
class Tested:
    """A mean difference from the baseline by one measure, with its interval and Holm's p."""

    measure: Measure
    estimate: Estimate
    adjusted: float

    @property
    def standing(self) -> Standing:
        """By Holm's p."""
        if self.estimate.seeds < ENOUGH_PAIRS:
            return Standing.FEW
        if not self.significant:
            return Standing.UNCLEAR
        return Standing.BETTER if self.estimate.value > 0 else Standing.WORSE

    @property
    def significant(self) -> bool:
        """Holm's p is below 5 %."""
        return self.adjusted < 1 - LEVEL

    @property
    def sharper(self) -> bool:
        """Holm's p decides although the interval, which holds for all strategies at once, includes 0."""
        return self.standing in (Standing.BETTER, Standing.WORSE) and not self.estimate.excludes_zero

    def __str__(self) -> str:
        return f"{words.signed(100 * self.estimate.value, words.digits(self.estimate))} points ({self.evidence})"

    @property
    def evidence(self) -> str:
        """`95 % interval: +0.8 to +1.6; p = 0.004`."""
        interval = words.points_interval(self.estimate)
        return "; ".join(
            filter(None, (interval and f"95{words.NO_BREAK}% interval: {interval}", words.p_value(self.adjusted)))
        )


@dataclass(frozen=True, slots=True)
class Saved:
    """The labels saved with their interval."""

    saving: Saving

    @property
    def measure(self) -> Measure:
        """Always the labels saved."""
        return Measure.SAVED

    @property
    def standing(self) -> Standing:
        """By the interval: on which side of 0 it lies."""
        if self.saving.moot:
            return Standing.UNPAIRED
        if self.saving.seeds < ENOUGH_PAIRS:
            return Standing.FEW
        if self.saving.part(self.saving.high_labels) > 0:
            return Standing.BETTER
        return Standing.WORSE if self.saving.part(self.saving.low_labels) < 0 else Standing.UNCLEAR

    def __str__(self) -> str:
        return words.saved_fully(self.saving)


@dataclass(frozen=True, slots=True)
class Findings:
    """One strategy against the baseline by all measures."""

    strategy: str
    area: Tested
    final: Tested
    saved: Saved

    @property
    def every(self) -> tuple[Tested | Saved, ...]:
        """The one that decides first."""
        return self.area, self.final, self.saved

    @property
    def disagree(self) -> bool:
        """The measures that decide lead to different results."""
        return len({found.standing for found in self.every if found.standing in DECIDED}) > 1


def findings(row: Row) -> Findings | None:
    """Compare a row's strategy with the baseline; None for the baseline itself, and where it is not compared."""
    if row.difference is None:
        return None
    return Findings(
        row.strategy,
        Tested(Measure.AREA, row.difference.area, row.difference.area_adjusted),
        Tested(Measure.FINAL, row.difference.final, row.difference.final_adjusted),
        Saved(row.difference.saving),
    )


def standing(row: Row) -> Standing:
    """How a row's strategy stands to the baseline by the measure that decides."""
    if row.is_baseline:
        return Standing.REFERENCE
    found = findings(row)
    return found.area.standing if found else Standing.UNPAIRED
