"""The table of selectors, and what their fidelity is worth in words."""

from labelbench_ray.report import words
from labelbench_ray.report.cells import NOTHING, Cell, Table, bounded, gain
from labelbench_ray.report.selectors import Selector, Selectors
from labelbench_ray.report.statistics.paired import Estimate
from labelbench_ray.report.statistics.sufficiency import Sufficiency


def selector_table(found: Selectors) -> Table:
    """Each selector's final model, cost and fidelity."""
    baseline = found.lines[0].setting.baseline
    gpu = any(line.spent.gpu for line in found.lines)
    head = (
        "selector",
        f"final {found.noun}",
        "less by its own choice",
        f"labels to {baseline}'s highest",
        "CPU time of the rounds",
        *(["GPU time"] if gpu else []),
        "batches' overlap",
        "scores' rank correlation",
    )
    return Table(head, tuple(_row(line, gpu) for line in found.lines))


def enough_words(strategy: str, measure: str, found: Sufficiency) -> str:
    """Below which fidelity the final accuracy is lower, or that none is identified."""
    slope = f"{words.points(_tenth(found.slope))} for each 0.1, {words.p_value(found.slope.p_value)}"
    start = f"{strategy}, {measure}:"
    over = f"measured from {_two(found.least)} to {_two(found.most)}"
    if found.threshold is None:
        return f"{start} not identified. At equal numbers of labels the final model gains {slope} ({over})."
    value, low, high = (_two(each) for each in found.threshold)
    extrapolated = ", so the line was extended beyond what was measured" if found.beyond else ""
    return (
        f"{start} below {value} ({low} to {high}) the final model is worse than on the labels that it would choose "
        f"itself. At equal numbers of labels it gains {slope} ({over}{extrapolated})."
    )


def _row(line: Selector, gpu: bool) -> tuple[Cell, ...]:
    return (
        Cell(line.setting.recipe["proxy"], f"{line.strategy}, {words.several(line.seeds, 'seed')}"),
        Cell(words.accuracy(line.final)),
        gain(line.lost) if line.lost else NOTHING,
        Cell(words.needed(line.saving), words.saved_interval(line.saving)) if line.saving else NOTHING,
        Cell(words.seconds(line.spent.cpu), key=line.spent.cpu),
        *([Cell(words.seconds(line.spent.gpu), key=line.spent.gpu)] if gpu else []),
        bounded(line.overlap),
        bounded(line.correlation),
    )


def _tenth(slope: Estimate) -> Estimate:
    return Estimate(slope.value / 10, slope.low / 10, slope.high / 10, slope.p_value, slope.spread / 10, slope.seeds)


def _two(value: float) -> str:
    return words.signed(value, 2, plus="")
