"""labelbench_ray: which labels to buy, with which strategy, and what that saves.

The public names are imported when they are first used: workers and `labelbench --help` import this package, too.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from labelbench_ray.api.quick import quick
    from labelbench_ray.api.results import results
    from labelbench_ray.api.run import run
    from labelbench_ray.api.select import select
    from labelbench_ray.config import Trial, grid
    from labelbench_ray.planning.search import Search, choice, integers, loguniform, uniform
    from labelbench_ray.plugins import Part
    from labelbench_ray.storage.versions import __version__

__all__ = [
    "Part",
    "Search",
    "Trial",
    "__version__",
    "choice",
    "grid",
    "integers",
    "loguniform",
    "quick",
    "results",
    "run",
    "select",
    "uniform",
]
HOMES: Final = {
    "Part": "labelbench_ray.plugins",
    "Search": "labelbench_ray.planning.search",
    "Trial": "labelbench_ray.config",
    "choice": "labelbench_ray.planning.search",
    "grid": "labelbench_ray.config",
    "integers": "labelbench_ray.planning.search",
    "loguniform": "labelbench_ray.planning.search",
    "quick": "labelbench_ray.api.quick",
    "results": "labelbench_ray.api.results",
    "run": "labelbench_ray.api.run",
    "select": "labelbench_ray.api.select",
    "uniform": "labelbench_ray.planning.search",
    "__version__": "labelbench_ray.storage.versions",
}
"""The module of each public name."""


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(importlib.import_module(HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *HOMES})
