"""An experiment's report: the page in its folder, and the table in the terminal."""

import itertools
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from labelbench_ray import report
from labelbench_ray.console.progress import meter
from labelbench_ray.costs import NOTHING, Cost, Prices
from labelbench_ray.embeddings.augmented import read_view_manifest
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.errors import OtherVersionError, StoreError


def store_costs(folder: Path, console: Console) -> dict[str, Cost]:
    """The cost of each store in a folder and of its first views, under the names of a report's `Run.embeddings`.

    One that cannot be read is reported and left out.
    """
    costs: dict[str, Cost] = {}
    for path in sorted(folder.glob("*/manifest.json")):
        try:
            store = EmbeddingStore.open(path.parent)
            costs |= _view_costs(store)
        except (StoreError, OtherVersionError) as error:
            console.print(f"not counted: {error}", style="yellow", markup=False, soft_wrap=True)
        else:
            costs[store.manifest.content] = store.manifest.spent
    return costs


def _view_costs(store: EmbeddingStore) -> dict[str, Cost]:
    costs: dict[str, Cost] = {}
    for folder in (store.directory / "views").glob("*"):
        spent = NOTHING
        for count in itertools.count(1):
            if not (folder / str(count - 1) / "manifest.json").is_file():
                break
            spent += read_view_manifest(store, folder.name, count - 1).spent
            costs[f"{store.manifest.content}/{folder.name}:{count}"] = spent
    return costs


def store_warnings(folder: Path) -> dict[str, str]:
    """What to know before trusting the embeddings of the stores in a folder, by content hash, where there is anything.

    One that cannot be read is left out: `store_costs` names it.
    """
    warnings: dict[str, str] = {}
    for path in sorted(folder.glob("*/manifest.json")):
        with suppress(StoreError, OtherVersionError):
            manifest = EmbeddingStore.open(path.parent).manifest
            warnings |= {manifest.content: manifest.warning} if manifest.warning else {}
    return warnings


def write_report(
    folder: Path | Sequence[Path],
    page: Path,
    console: Console,
    prices: Prices,
    store: Path,
    baseline: str | None = None,
) -> Path:
    """Write an experiment's page and print its table; several folders are reported as one experiment.

    Args:
        store: where the embeddings lie, for what they took.
        baseline: the strategy that others are compared with; None: random.

    Raises:
        ConfigError: no trial has the baseline's strategy, or several experiments do not fit together.
    """
    with meter(console, "writing the report"):
        built = report.build(folder, prices, store_costs(store, console), store_warnings(store), baseline)
        report.write(built, page)
    console.print(report.render(built))
    console.print(f"report: {page}", soft_wrap=True, highlight=False, markup=False)
    return page
