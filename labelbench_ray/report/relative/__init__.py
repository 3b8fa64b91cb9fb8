"""How each strategy stands to random, and to a bound that sees labels: speed-up, deficiency and normalized gain."""

from collections.abc import Sequence
from dataclasses import dataclass

from labelbench_ray.ledger.state import TrialState
from labelbench_ray.report.curves import Setting
from labelbench_ray.report.statistics.comparison import Comparison, Curves, common_seeds, curves_of
from labelbench_ray.report.statistics.relative import (
    Quotient,
    SpeedUp,
    deficiency,
    normalized_gain,
    speed_up,
)


@dataclass(frozen=True, slots=True, eq=False)
class Relative:
    """One strategy beside the baseline, by their common seeds. Intervals hold for all strategies at once."""

    strategy: str
    is_bound: bool
    """It sees labels of the pool, so it is an upper bound and not a strategy to use."""
    seeds: int
    speed: SpeedUp
    deficiency: Quotient | None
    """None where the baseline's curve does not rise."""
    gain: Quotient | None
    """None without a bound, or where the bound is not above the baseline."""


def bounds(setting: Setting, comparison: Comparison) -> tuple[Curves, ...]:
    """The finished trials that see labels, a curve a strategy, at the checkpoints of the others."""
    runs = [run for run in setting.runs if run.sees_labels and run.state is TrialState.DONE]
    fit = [run for run in runs if {*comparison.labels} <= {*run.curve(comparison.metric)}]
    return tuple(
        curves_of(name, [run for run in fit if run.strategy == name], comparison.metric, comparison.labels)
        for name in sorted({run.strategy for run in fit})
    )


def relatives(comparison: Comparison, bounds: Sequence[Curves] = ()) -> tuple[Relative, ...]:
    """Every strategy that is compared with the baseline, in the order of the rows, then the bounds.

    The normalized gain is by the first bound.
    """
    reference = comparison.row(comparison.baseline)
    if reference is None:
        return ()
    strategies = [row.curves for row in comparison.rows if row.difference is not None]
    above = [bound for bound in bounds if common_seeds(bound, reference.curves)]
    return tuple(
        _relative(curves, reference.curves, above, max(1, comparison.compared)) for curves in (*strategies, *above)
    )


def _relative(curves: Curves, reference: Curves, bounds: Sequence[Curves], comparisons: int) -> Relative:
    seeds = common_seeds(curves, reference)
    mine_ST, baseline_ST = curves.at(seeds), reference.at(seeds)
    is_bound = any(curves is bound for bound in bounds)
    return Relative(
        curves.strategy,
        is_bound,
        len(seeds),
        speed_up(curves.labels_T, mine_ST, baseline_ST, comparisons),
        deficiency(mine_ST, baseline_ST, comparisons),
        None if is_bound or not bounds else _gain(curves, reference, bounds[0], comparisons),
    )


def _gain(curves: Curves, reference: Curves, bound: Curves, comparisons: int) -> Quotient | None:
    seeds = tuple(sorted(set(common_seeds(curves, reference)) & set(bound.seeds)))
    if not seeds:
        return None
    return normalized_gain(curves.labels_T, curves.at(seeds), reference.at(seeds), bound.at(seeds), comparisons)
