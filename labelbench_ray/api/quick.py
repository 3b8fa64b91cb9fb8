"""`quick`: the trials for a place of data, from Python; `labelbench run --dataset PLACE` makes the same ones."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from labelbench_ray.plugins import Part, importable
from labelbench_ray.storage.folders import folder_place

if TYPE_CHECKING:
    from labelbench_ray.planning.quick import QuickExperiment


def quick(
    dataset: str | Path,
    *,
    strategies: Iterable[str | Part] | None = None,
    encoder: str | Part | None = None,
    proxy: str | Part | None = None,
    trainer: str | Part | None = None,
    corrupter: str | Part | None = None,
    seeds: int | None = None,
    rounds: int | None = None,
    budget: int | None = None,
    label: str | None = None,
    text: str | None = None,
    image: str | None = None,
    row_id: str | None = None,
    classes: Iterable[str] = (),
    data_root: str | Path = "data",
) -> "QuickExperiment":
    """The trials that compare strategies on your data; what you leave out is chosen by what the data are.

    Print what it returns to see what the data are read as and what was chosen. To run it:
    `study = quick("photos"); run(study.trials, name=study.name, data_root=study.data_root)`.

    Args:
        dataset: a folder or file below the working directory or `data_root`, a URI, or a data set by name.
        strategies: those to compare, by name or as parts.
        encoder: what embeds the rows.
        proxy: the model that is fitted in every round.
        trainer: how it is fitted.
        corrupter: label noise; none by default.
        seeds: trials of each strategy.
        rounds: of each trial.
        budget: labels bought in each round.
        label, text, image, row_id: names of columns.
        classes: class names in order, where the data do not have them.
        data_root: where data sets lie.

    Raises:
        UserError: there are no such data, they are not recognized, or a choice does not fit them.
    """
    from labelbench_ray.datasets.recognition import Stated
    from labelbench_ray.planning.quick import QuickRequest, quick_experiment

    importable(str(Path.cwd()))
    request = QuickRequest(
        dataset=str(dataset),
        strategies=None if strategies is None else tuple(map(Part.model_validate, strategies)),
        encoder=_part(encoder),
        proxy=_part(proxy),
        trainer=_part(trainer),
        corrupter=_part(corrupter),
        seeds=seeds,
        rounds=rounds,
        budget=budget,
        stated=Stated(label, text, image, row_id, tuple(classes)),
    )
    return quick_experiment(request, folder_place(str(data_root)))


def _part(named: str | Part | None) -> Part | None:
    return None if named is None else Part.model_validate(named)
