"""The tables of prompts: what each design bought and made of it, from which tasks, and how designs overlap.

A trial of prompts measures nothing in its rounds: its curve is that of the language models that were fine-tuned on the
beginning of what it bought, see `curves.Run.curve`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from labelbench_ray.report import words
from labelbench_ray.report.cells import NOTHING, Cell, Table
from labelbench_ray.report.curves import Run, Setting

TOKENS, VERIFIED, NLL = "Response Tokens", "Test Verified", "Test Response NLL"
COVERED, CHOSEN_LENGTH, FAVORS_LENGTH = "Tasks Covered", "Chosen Prompt Tokens", "Score Length Correlation"
BOUGHT_OF: Final = "Bought of "
EMPTY: Final = Table((), ())


def prompt_tables(setting: Setting) -> tuple[tuple[str, str, Table], ...]:
    """Title, explanation and table; none for a setting whose rows are not prompts."""
    if not setting.trial.chooses_prompts:
        return ()
    found = (
        (
            "Quality by prompts and by response tokens",
            "Means over seeds. Uncertain prompts may have long responses, so equal numbers of prompts can differ in "
            "cost. The likelihood is the geometric mean probability of a response's token on held-out prompts, each "
            "task counted once.",
            quality_table(setting),
        ),
        (
            "Which prompts the designs choose",
            "Correlation of a design's score with the length of a prompt (Spearman), over the pool; prompts in common "
            "with random choice as a share of both (Jaccard). A design of uncertainty may collapse onto few tasks.",
            choice_table(setting),
        ),
        ("Share of the bought prompts by task", "Means over seeds; darker is more.", coverage_table(setting)),
        (
            "How far designs choose the same prompts",
            "Prompts in common as a share of those that either chose (Jaccard), means over seeds; darker is more."
            f"{_selected_once(setting)}",
            overlap_table(setting),
        ),
    )
    return tuple(each for each in found if each[2].rows)


def quality_table(setting: Setting) -> Table:
    """By design and budget: prompts, response tokens, and what the fine-tuned model makes of held-out prompts."""
    metric = setting.metrics[0]
    head = ("design", "prompts", "response tokens", setting.noun, "NLL, nats a token", "verified answers", "seeds")
    rows = []
    for strategy in setting.strategies:
        runs = [run for run in setting.of(strategy) if run.primary]
        for labels in sorted({labels for run in runs for labels in run.primary}):
            mine = [run for run in runs if labels in run.primary]
            rows.append(
                (
                    Cell(strategy),
                    Cell(words.count(labels)),
                    _mean(mine, TOKENS, labels, 0),
                    _mean(mine, metric, labels, 4),
                    _mean(mine, NLL, labels, 3),
                    _mean(mine, VERIFIED, labels, 3),
                    Cell(str(len(mine))),
                )
            )
    return Table(head, tuple(rows))


def choice_table(setting: Setting) -> Table:
    """By design: tasks covered, mean length, correlation with the length, overlap with the baseline."""
    head = ("design", "prompts", "tasks covered", "mean prompt tokens", "score and length", "in common with random")
    rows = []
    for strategy in setting.strategies:
        runs = [run for run in setting.of(strategy) if run.records]
        if runs:
            rows.append(
                (
                    Cell(strategy),
                    Cell(words.count(runs[0].records[-1].num_labeled)),
                    *(
                        _last(runs, name, digits)
                        for name, digits in ((COVERED, 1), (CHOSEN_LENGTH, 1), (FAVORS_LENGTH, 2))
                    ),
                    _in_common(setting, strategy, setting.baseline),
                )
            )
    return Table(head, tuple(rows))


def coverage_table(setting: Setting) -> Table:
    """By design and task: the share of the bought prompts."""
    runs = [run for run in setting.runs if run.records]
    names = [name for name in (runs[0].records[-1].metrics if runs else {}) if name.startswith(BOUGHT_OF)]
    if not names:
        return EMPTY
    rows = []
    for strategy in setting.strategies:
        mine = [run.records[-1] for run in setting.of(strategy) if run.records]
        if mine:
            counts_T = np.mean([[record.metrics.get(name, 0.0) for name in names] for record in mine], axis=0)
            shares_T = (counts_T / counts_T.sum()).tolist()
            rows.append((Cell(strategy), *(Cell(words.percent(share, 0), shade=share) for share in shares_T)))
    return Table(("design", *(name.removeprefix(BOUGHT_OF) for name in names)), tuple(rows))


def overlap_table(setting: Setting) -> Table:
    """Pairs of designs."""
    names = [name for name in setting.strategies if any(run.records for run in setting.of(name))]
    if len(names) < 2:
        return EMPTY
    rows = tuple(
        (
            Cell(one),
            *(
                replace(cell, shade=cell.key) if (cell := _in_common(setting, one, other)).key is not None else cell
                for other in names
            ),
        )
        for one in names
    )
    return Table(("design", *names), rows)


def _in_common(setting: Setting, one: str, other: str) -> Cell:
    """The mean over common seeds; nothing for a design beside itself."""
    if one == other:
        return NOTHING
    mine, theirs = setting.by_seed(one), setting.by_seed(other)
    seeds = [seed for seed in sorted(mine.keys() & theirs.keys()) if mine[seed].records and theirs[seed].records]
    pairs = [(_chosen(mine[seed]), _chosen(theirs[seed])) for seed in seeds]
    if not pairs:
        return NOTHING
    share = float(np.mean([len(first & second) / len(first | second) for first, second in pairs]))
    return Cell(f"{share:.2f}", key=share)


def _selected_once(setting: Setting) -> str:
    """Which designs chose the same prompts with every seed, in a sentence; "" for none, or with one seed."""
    same = []
    for strategy in setting.strategies:
        chosen = [_chosen(run) for run in setting.of(strategy) if run.records]
        if len(chosen) > 1 and all(each == chosen[0] for each in chosen):
            same.append(strategy)
    if not same:
        return ""
    return (
        f" With every seed {words.listed(same)} chose the same prompts: the variance of that selection is 0, not "
        "small, and the spread over seeds is that of fine-tuning alone."
    )


def _chosen(run: Run) -> set[int]:
    return {row for record in run.records for row in record.chosen}


def _mean(runs: Sequence[Run], metric: str, labels: int, digits: int) -> Cell:
    return _number((run.curve(metric).get(labels) for run in runs), digits)


def _last(runs: Sequence[Run], metric: str, digits: int) -> Cell:
    return _number((run.records[-1].metrics.get(metric) for run in runs), digits)


def _number(values: Iterable[float | None], digits: int) -> Cell:
    known = [value for value in values if value is not None]
    return Cell(f"{np.mean(known):,.{digits}f}", key=float(np.mean(known))) if known else NOTHING
