"""The caution for numbers that several versions of the code made."""

from collections import Counter
from typing import Final

from labelbench_ray.ledger.provenance import MAY_DIFFER, Versions, describe, numeric, version_words
from labelbench_ray.report import words
from labelbench_ray.report.curves import Setting

MOST_TRIALS: Final = 3
"""Trials that are listed one by one."""


def several_versions(setting: Setting) -> str:
    """Which versions made how much of a setting, and which trials are made by several; "" where one made all."""
    counts = _counts(setting)
    if len(counts) < 2:
        return ""
    made = [
        f"{words.several(number, 'record')} by {version_words(versions, counts)}"
        for versions, number in counts.most_common()
    ]
    mixed = [
        f"{run.strategy}, seed {run.trial.seed}: {text}"
        for run in setting.runs
        if (text := describe(run.provenances).removesuffix(f": {MAY_DIFFER}"))
    ]
    more = len(mixed) - MOST_TRIALS
    within = f" Within one trial: {'; '.join(mixed[:MOST_TRIALS])}{f'; and {more} more' if more > 0 else ''}."
    return f"Rounds and fine-tunes: {words.listed(made)}; {MAY_DIFFER}.{within if mixed else ''}"


def _counts(setting: Setting) -> Counter[Versions]:
    """How many rounds and fine-tunes each made."""
    counts: Counter[Versions] = Counter()
    for run in setting.runs:
        counts.update({each.versions: len(each.rounds) for each in run.provenances})
        counts.update(
            found
            for records in run.finetunes.values()
            for record in records.values()
            if (found := numeric(record.versions))
        )
    return counts
