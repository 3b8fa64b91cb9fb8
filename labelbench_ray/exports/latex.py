"""The table that a paper prints: one `table` environment a setting, with booktabs rules.

A file is read by `\\input{...}` in a document that has `\\usepackage{booktabs}`.
"""

import re
from collections.abc import Iterator
from typing import Final

from labelbench_ray.report import words
from labelbench_ray.report.sections import Report, Section
from labelbench_ray.report.statistics.comparison import Comparison, Row
from labelbench_ray.report.statistics.paired import LEVEL, Estimate
from labelbench_ray.report.strategy_lines import by_gain
from labelbench_ray.storage.versions import __version__

COMMANDS: Final = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    words.NO_BREAK: "~",
    words.MINUS: "$-$",
    words.NONE: "--",
    "±": r"$\pm$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "÷": r"$\div$",
}
"""Characters with a meaning in LaTeX, and those that its usual fonts lack."""


def latex(report: Report) -> str:
    """Every setting's table of strategies."""
    head = [
        f"% {report.experiment.replace(chr(10), ' ')}: written by labelbench_ray {__version__}; needs "
        r"\usepackage{booktabs}",
    ]
    tables = [
        "\n".join(_table(report.experiment, number, section, section.main))
        for number, section in enumerate(report.sections, 1)
        if section.main
    ]
    return "\n\n".join([*head, *tables]) + "\n"


def escaped(text: str) -> str:
    """Any text as LaTeX that prints it."""
    return "".join(COMMANDS.get(character, character) for character in text)


def _table(experiment: str, number: int, section: Section, comparison: Comparison) -> Iterator[str]:
    label = re.sub(r"[^A-Za-z0-9]+", "-", f"{experiment}-{number}").strip("-")
    gains = comparison.compared > 0
    yield r"\begin{table}"
    yield r"\centering"
    yield rf"\caption{{{escaped(_caption(section, comparison))}}}"
    yield rf"\label{{tab:{label}}}"
    yield rf"\begin{{tabular}}{{l{'r' * (4 if gains else 2)}}}"
    yield r"\toprule"
    yield _line(_head(comparison, gains))
    yield r"\midrule"
    yield from (_line(_cells(row, gains)) for row in by_gain(comparison))
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield r"\end{table}"


def _line(cells: list[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _head(comparison: Comparison, gains: bool) -> list[str]:
    last = words.count(comparison.labels[-1])
    plain = ["Strategy", f"{comparison.metric} with {last} labels (%)"]
    more = [f"Gain over {comparison.baseline} (points)", "p", "Labels saved"] if gains else ["Mean over the curve (%)"]
    return list(map(escaped, [*plain, *more]))


def _cells(row: Row, gains: bool) -> list[str]:
    plain = [escaped(row.strategy), _percentage(row.final)]
    if not gains:
        return [*plain, _percentage(row.area)]
    if row.difference is None:
        return [*plain, "--", "--", "--"]
    area, adjusted = row.difference.area, row.difference.area_adjusted
    gain = escaped(words.points(area))
    is_certain = area.has_interval and adjusted < 1 - LEVEL
    p_value = escaped(words.p_value(adjusted).removeprefix("p ").removeprefix("= ")) if area.has_interval else "--"
    return [
        *plain,
        rf"\textbf{{{gain}}}" if is_certain else gain,
        p_value,
        escaped(words.saved_fully(row.difference.saving)),
    ]


def _percentage(found: Estimate) -> str:
    return escaped(words.accuracy(found).replace(f"{words.NO_BREAK}%", ""))


def _caption(section: Section, comparison: Comparison) -> str:
    first, last = words.count(comparison.labels[0]), words.count(comparison.labels[-1])
    counts = sorted({len(row.curves.seeds) for row in comparison.rows})
    seeds = words.several(counts[-1], "seed") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"
    alone = f"{section.title}: {comparison.metric} over {seeds}; ± is a strategy's own 95 % interval."
    if not comparison.compared:
        return alone
    intervals = words.intervals(comparison.compared, comparison.test_rows)
    return (
        f"{alone} Gain: difference from {comparison.baseline} in the mean over the learning curve ({first} to {last} "
        f"labels), paired by seed, with {intervals}; bold: p < 0.05 after Holm's "
        f"adjustment. Labels saved: at the highest mean {comparison.noun} of {comparison.baseline}."
    )
