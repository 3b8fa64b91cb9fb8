"""A small synthetic pool on which every strategy of a plan is tried before anything is embedded.

A user's strategy that raises, or whose scores have the wrong shape, is found in a second instead of after hours of
embedding. Its choice is discarded.
"""

from collections.abc import Iterable

import numpy as np

from labelbench_ray.errors import ConfigError
from labelbench_ray.plugins import Plugin
from labelbench_ray.strategies import NO_NOTE, ChosenRound, History, Strategy, UpperBound
from labelbench_ray.tasks import Task
from labelbench_ray.trial.parts import Parts
from labelbench_ray.types import Ids, Labels, PoolView
from labelbench_ray.user_code import raised, user_frames

ROWS, LABELED, BUDGET = 256, 32, 8
WIDEST_OF_OURS = 128
"""Built-in strategies accept any width, which tests show; some need seconds for a thousand dimensions."""


def check_strategies(built: Iterable[Parts], dimensions: int, classes: int) -> None:
    """Call each strategy of these trials once.

    Raises:
        ConfigError: a strategy raises, or returns something invalid.
    """
    tried: set[str] = set()
    for each in built:
        for strategy, name, begun in (
            (each.first_batch, f"first_batch {each.trial.first_batch}", False),
            (each.strategy, f"strategy {each.trial.strategy}", True),
        ):
            if name not in tried:
                tried.add(name)
                width = min(dimensions, WIDEST_OF_OURS) if _all_ours(strategy) else dimensions
                view = synthetic_view(width, classes, LABELED if begun else 0, each.task, strategy.facts)
                _try(strategy, name, view, each.trial.budget, each.task)


def synthetic_view(dimensions: int, classes: int, labeled: int, task: Task, facts: tuple[str, ...] = ()) -> PoolView:
    """A pool of random rows, the first `labeled` of them labeled; with none, probabilities are uniform.

    Each fact is 1 in every row: a number that counts, shares and indices may all have.
    """
    rng = np.random.default_rng(0)
    embeddings_ND = rng.standard_normal((ROWS, dimensions), np.float32)
    ids_L, ones = np.arange(labeled), {name: np.ones(ROWS) for name in facts}
    labels_L = task.made_up_labels(ids_L, classes)
    if not task.predicted:
        return PoolView.from_predictions(task.distribution, embeddings_ND, None, ids_L, labels_L, facts=ones)
    logits_NK = rng.standard_normal((ROWS, classes), np.float32) if labeled else np.zeros((ROWS, classes), np.float32)
    probabilities_NK = task.distribution.of_logits(logits_NK)
    return PoolView.from_predictions(task.distribution, embeddings_ND, probabilities_NK, ids_L, labels_L, facts=ones)


def _try(strategy: Strategy, name: str, view: PoolView, budget: int, task: Task) -> None:
    def ask(ids: Ids) -> Labels:
        return task.made_up_labels(ids, view.num_classes)

    few, rng = min(budget, BUDGET), np.random.default_rng(0)
    try:
        if isinstance(strategy, UpperBound):
            strategy.select_by_worth(view, few, rng, lambda ids_B: 0.0)
        else:
            strategy.select_with_notes(view, few, rng, ask, _history(view))
    except Exception as error:
        text = str(error) if isinstance(error, ValueError) and not user_frames(error) else raised(error)
        raise ConfigError(f"{name}, tried on {view.num_rows} made-up rows: {text}") from error


def _history(view: PoolView) -> History:
    """What was labeled, as one round that another strategy chose."""
    no_notes_L = np.full(len(view.labeled_L), NO_NOTE)
    return (ChosenRound(view.labeled_L, view.labels_L, no_notes_L),) if len(view.labeled_L) else ()


def _all_ours(plugin: Plugin) -> bool:
    ours = type(plugin).__module__.partition(".")[0] == __name__.partition(".")[0]
    return ours and all(_all_ours(inner) for inner in plugin.inner_plugins().values())
