"""`results`: what experiments recorded, as tidy tables.

from labelbench_ray import results

found = results("runs")
found.savings().to_pandas()
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from labelbench_ray.errors import ConfigError
from labelbench_ray.exports.labels import labels_table
from labelbench_ray.exports.strategies import Compared, compared, comparisons_table, savings_table
from labelbench_ray.exports.trials import rounds_table, trials_table
from labelbench_ray.ledger.experiments import experiment_folders
from labelbench_ray.report.curves import Experiment, read
from labelbench_ray.report.experiments import with_baseline
from labelbench_ray.storage.remote import place


@dataclass(frozen=True)
class Results:
    """What experiments recorded. Each method makes a `pyarrow.Table`; `.to_pandas()` gives a data frame.

    `docs/results.md` lists the columns.
    """

    experiments: tuple[Experiment, ...]

    def rounds(self) -> Any:  # noqa: ANN401  pyarrow has no types
        """One row a recorded round: every metric, seconds by stage, versions."""
        return rounds_table(self.experiments)

    def trials(self) -> Any:  # noqa: ANN401
        """One row a trial: its state, its metrics at the last recorded round, what it took in all."""
        return trials_table(self.experiments)

    def savings(self) -> Any:  # noqa: ANN401
        """One row a strategy and metric: what it reaches, its gain over the baseline, the labels that it saves."""
        return savings_table(self._compared)

    def comparisons(self) -> Any:  # noqa: ANN401
        """One row a pair of strategies and metric: their difference over the seeds that both have."""
        return comparisons_table(self._compared)

    def labels(self, store: str | Path = "store") -> Any:  # noqa: ANN401
        """One row a bought label; `store` is where the embeddings lie, which hold row ids and class names."""
        return labels_table(self.experiments, place(str(store)))

    @cached_property
    def _compared(self) -> list[Compared]:
        return list(compared(self.experiments))


def results(paths: str | Path | Iterable[str | Path], baseline: str | None = None) -> Results:
    """What the ledgers of these experiments hold.

    Args:
        paths: an experiment's folder, a folder of experiments, or several of either; paths or URIs.
        baseline: the strategy with which others are compared; None: random.

    Raises:
        ConfigError: no folder, a folder holds no experiment, or an experiment has no such baseline.
        LedgerError: an `experiment.json` is damaged. A damaged trial has that state instead.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    if not given:
        raise ConfigError("results: no folder is given; name at least one, as in results('runs')")
    folders = [folder for path in given for folder in experiment_folders(place(str(path)))]
    return Results(tuple(with_baseline(read(folder), baseline) for folder in dict.fromkeys(folders)))
