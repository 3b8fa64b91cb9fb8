"""What a trial costs in computing: mean seconds by stage, per strategy."""

from dataclasses import dataclass
from statistics import fmean

from labelbench_ray.report.curves import Run, Setting

CPU = "CPU time"
WALL = "all stages"


@dataclass(frozen=True, slots=True)
class Cost:
    """Mean seconds of one strategy's trials: stage -> seconds, with the sum of the stages and the CPU seconds."""

    strategy: str
    trials: int
    stages: dict[str, float]
    wall: float
    cpu: float


def costs(setting: Setting) -> tuple[Cost, ...]:
    """One line a strategy, over the compared trials."""
    lines = ((name, [run for run in setting.compared if run.strategy == name]) for name in setting.strategies)
    return tuple(_cost(name, runs) for name, runs in lines if runs)


def stages(lines: tuple[Cost, ...]) -> tuple[str, ...]:
    """The stages of any line, in the order in which they were recorded."""
    return tuple(dict.fromkeys(stage for line in lines for stage in line.stages))


def _cost(strategy: str, runs: list[Run]) -> Cost:
    names = dict.fromkeys(stage for run in runs for record in run.records for stage in record.seconds)
    mean = {name: fmean(sum(record.seconds.get(name, 0.0) for record in run.records) for run in runs) for name in names}
    cpu = fmean(sum(record.cpu_seconds for record in run.records) for run in runs)
    return Cost(strategy, len(runs), mean, sum(mean.values()), cpu)
