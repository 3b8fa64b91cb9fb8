"""What a report is on: experiments of different days as one, and the baseline.

In one experiment made of several, trials of equal recipes are one setting, whichever experiment ran them. Only what
shares data set, encoder, proxy, trainer, noise, oracle, first batch and budget is ranked together. Trials of one
setting that were computed from different embeddings, or by different versions, are named in the setting's cautions.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from labelbench_ray.errors import ConfigError
from labelbench_ray.report.curves import Experiment, Run, settings_of

JOINT: Final = " and "


def merged(experiments: Sequence[Experiment]) -> Experiment:
    """One experiment of all trials; a trial that several have counts once, with its most rounds.

    Raises:
        ConfigError: two experiments have different trials of one setting, strategy and seed.
    """
    if len(experiments) == 1:
        return experiments[0]
    runs: dict[str, Run] = {}
    for run in (run for each in experiments for setting in each.settings for run in setting.runs):
        known = runs.get(run.fingerprint)
        if known is None or len(run.records) > len(known.records):
            runs[run.fingerprint] = run
    settings = settings_of(runs.values())
    for setting in settings:
        _check_distinct(setting.runs)
    return Experiment(JOINT.join(dict.fromkeys(each.name for each in experiments)), settings)


def with_baseline(experiment: Experiment, name: str | None) -> Experiment:
    """The experiment with another baseline than random; None: as it is.

    Raises:
        ConfigError: no trial of the experiment has this strategy.
    """
    if name is None:
        return experiment
    baseline = baseline_among(experiment.strategies, name, experiment.name)
    return replace(experiment, settings=tuple(replace(setting, baseline=baseline) for setting in experiment.settings))


def baseline_among(strategies: Iterable[str], name: str, experiment: str = "the experiment") -> str:
    """The strategy that people mean by a name: exactly this one, or the only one of this plug-in.

    Raises:
        ConfigError: none is, or several are.
    """
    have = list(dict.fromkeys(strategies))
    found = [name] if name in have else [each for each in have if each.partition("(")[0] == name]
    if len(found) != 1:
        problem = "several strategies have this name" if found else f"{experiment} does not have this strategy"
        raise ConfigError(f"--baseline {name}: {problem}; give one of: {', '.join(found or have)}")
    return found[0]


def _check_distinct(runs: Iterable[Run]) -> None:
    """Refuse two trials that would count as two seeds although they are one."""
    known: dict[tuple[str, int], Run] = {}
    for run in runs:
        other = known.setdefault((run.strategy, run.trial.seed), run)
        if other is not run:
            raise ConfigError(
                f"{run.strategy}, seed {run.trial.seed}, is in {other.directory} and in {run.directory} as different "
                "trials of one recipe: another version of a plug-in made one of them. Report these experiments one by "
                "one"
            )
