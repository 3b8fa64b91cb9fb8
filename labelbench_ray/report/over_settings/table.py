"""The tables and the sentence on all settings together."""

from math import isfinite

from labelbench_ray.report import words
from labelbench_ray.report.cells import NOTHING, Cell, Table
from labelbench_ray.report.over_settings import OverSettings
from labelbench_ray.report.statistics.mean_saving import ChosenSaving, MeanSaving


def rank_sentence(over: OverSettings) -> str:
    """What the ranks show, and how far they can be trusted."""
    found = over.ranks
    best, rest = found.strategies[0], list(found.strategies[1:])
    behind = [name for name, p_value in zip(rest, found.adjusted_MM[0, 1:], strict=True) if p_value < 0.05]
    sentences = [
        f"Over {words.several(found.settings, 'setting')} on {words.several(over.data_sets, 'data set')}, {best} has "
        f"the best average rank ({found.average_M[0]:.2f} of {len(found.strategies)}).",
        f"It is ahead of {words.listed(behind)}." if behind else "No strategy is behind it for sure.",
    ]
    if over.chosen_saving:
        sentences.append(_by_other_settings(over.chosen_saving, best))
    sentences.append(f"Friedman's test that all strategies are equal: {words.p_value(found.p_value)}.")
    if found.settings < found.settings_needed:
        sentences.append(
            f"At least {found.settings_needed} settings are needed before any two of {len(found.strategies)} "
            "strategies can differ at 5 % after Holm's adjustment."
        )
    if over.data_sets < found.settings:
        sentences.append("Settings on one data set are not independent, so p-values are too small.")
    if over.left_out:
        sentences.append(f"Left out, because some setting does not have it: {words.listed(list(over.left_out))}.")
    return " ".join(sentences)


def _by_other_settings(found: ChosenSaving, best: str) -> str:
    """What the best one saves without the luck of the settings that made it the best."""
    if {*found.chosen} == {best}:
        return "For each setting the other settings choose it, too, so the choice does not flatter its saving."
    names = words.listed([f"{name} for {count}" for name, count in found.times.items()])
    bound = "at most " if found.unreached else ""
    return (
        f"Chosen by the other settings ({names} of {len(found.chosen)}), the best strategy saves {bound}"
        f"{words.percent(found.fraction, 0)} of the labels on average; the table's savings are by the settings that "
        "chose it."
    )


def rank_table(over: OverSettings) -> Table:
    """A row a strategy: its rank, its settings won and lost against the baseline, and what it saves."""
    base = over.baseline
    head = (
        "strategy",
        "average rank",
        f"settings ahead / equal / behind {base}",
        f"probability of better / equal / worse than {base}",
        "mean saving",
        "not reached",
    )
    return Table(head, tuple(_row(over, place) for place in range(len(over.strategies))))


def _row(over: OverSettings, place: int) -> tuple[Cell, ...]:
    name, saving, posterior = over.strategies[place], over.savings[place], over.against_baseline[place]
    rank = Cell(f"{over.ranks.average_M[place]:.2f}")
    if posterior is None:
        return Cell(name, "baseline" if name == over.baseline else ""), rank, NOTHING, NOTHING, NOTHING, NOTHING
    base = over.strategies.index(over.baseline)
    counts = (over.wins.wins_MM[place, base], over.wins.ties_MM[place, base], over.wins.losses_MM[place, base])
    shares = (posterior.better, posterior.equal, posterior.worse)
    return (
        Cell(name),
        rank,
        Cell(" / ".join(str(count) for count in counts), key=float(counts[0])),
        Cell(" / ".join(f"{share:.2f}" for share in shares), key=posterior.better),
        _saving(saving),
        NOTHING if saving is None else Cell(f"{saving.unreached} of {saving.settings}", key=float(saving.unreached)),
    )


def _saving(saving: MeanSaving | None) -> Cell:
    if saving is None:
        return NOTHING
    note = f"{words.percent(saving.low, 0)} to {words.percent(saving.high, 0)}" if isfinite(saving.low) else ""
    return Cell(f"{'at most ' if saving.unreached else ''}{words.percent(saving.fraction, 0)}", note, saving.fraction)


def win_table(over: OverSettings) -> Table:
    """Row against column: settings in which the row is ahead, over p; shaded by the share of settings."""
    names = over.strategies
    rows = [
        (Cell(name), *(_win(over, first, second) for second in range(len(names)))) for first, name in enumerate(names)
    ]
    return Table(("ahead of", *names), tuple(rows))


def _win(over: OverSettings, first: int, second: int) -> Cell:
    if first == second:
        return NOTHING
    won = int(over.wins.wins_MM[first, second])
    return Cell(str(won), words.p_value(over.ranks.adjusted_MM[first, second]), shade=won / over.ranks.settings)


def penalty_table(over: OverSettings) -> Table:
    """Row against column: in how many settings' worth of checkpoints the row is significantly ahead."""
    names, most = over.strategies, max(1.0, float(over.penalties_MM.max()))
    rows = [
        (
            Cell(name),
            *(
                NOTHING if first == second else Cell(f"{value:.2f}", key=float(value), shade=float(value) / most)
                for second, value in enumerate(over.penalties_MM[first])
            ),
        )
        for first, name in enumerate(names)
    ]
    average = tuple(Cell(f"{value:.2f}") for value in over.penalties_MM.mean(axis=0))
    return Table(("beats", *names), (*rows, (Cell("mean: how often it is beaten"), *average)))
