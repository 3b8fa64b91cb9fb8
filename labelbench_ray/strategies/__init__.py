"""Query strategies: (view, budget, rng) -> pool ids. One file each; the file's name is the strategy's name.

Every strategy returns exactly `budget` distinct unlabeled ids, the same for the same inputs, whatever the order of the
pool's rows and the number of its shards. Ties are broken by a hash of (a key drawn once from `rng`, the pool id), never
by position: pools that are stored class by class would otherwise give class-biased ties.

A strategy refines one of five base classes. `RowStrategy` needs the score of a row, `RankingStrategy` a score that may
depend on the whole view, `Wrapper` the rows among which another strategy chooses, `Strategy` the choice itself, and
`MemoryStrategy` the choice given the earlier rounds and the notes that it wrote for their rows.

An `UpperBound` is none that can be used: it sees labels, and is in no list of every strategy.
"""

from labelbench_ray import plugins
from labelbench_ray.strategies._notes import NO_NOTE, Chosen, ChosenRound, History
from labelbench_ray.strategies._ranking import Score, best_rows, subkey, tie_hash
from labelbench_ray.strategies._strategy import PACKAGE, MemoryStrategy, RankingStrategy, RowStrategy, Strategy, Want
from labelbench_ray.strategies._upper_bound import UpperBound, Worth
from labelbench_ray.strategies._wrapper import Composed, Wrapper

__all__ = [
    "NO_NOTE",
    "PACKAGE",
    "Chosen",
    "ChosenRound",
    "Composed",
    "History",
    "MemoryStrategy",
    "RankingStrategy",
    "RowStrategy",
    "Score",
    "Strategy",
    "UpperBound",
    "Want",
    "Worth",
    "Wrapper",
    "best_rows",
    "create",
    "names",
    "subkey",
    "tie_hash",
]


def create(name: str, /, **settings: object) -> Strategy:
    """The strategy of that name with these settings; `ConfigError` (a `ValueError`) names what is unknown."""
    return plugins.build(Strategy, PACKAGE, plugins.Part.model_validate({"name": name, "settings": settings}))


def names() -> list[str]:
    """The strategies that ship here, sorted; upper bounds, which see labels, are not among them."""
    return [name for name in plugins.names(PACKAGE) if not plugins.load(Strategy, PACKAGE, name).sees_labels]
