"""An experiment's report: the page in its folder, and the table in the terminal."""

import itertools
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Final
from urllib.parse import quote

from rich.console import Console

from labelbench_ray import report
from labelbench_ray.api.results import Results
from labelbench_ray.console.progress import meter
from labelbench_ray.costs import NOTHING, Cost, Prices
from labelbench_ray.embeddings.augmented import read_view_manifest
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.errors import OtherVersionError, StoreError
from labelbench_ray.exports.formats import csv_bytes
from labelbench_ray.report.curves import Experiment, read
from labelbench_ray.report.experiments import merged, with_baseline
from labelbench_ray.report.sections import compose
from labelbench_ray.storage.atomic import publish

TABLES: Final = "tables"
HOLDS: Final = {
    "savings": "what each strategy gains and saves, by setting and metric",
    "comparisons": "each pair of strategies, by setting and metric",
    "trials": "each trial with its state and final metrics",
    "rounds": "each recorded round with every metric",
}
"""The tables beside a page; bought labels are not among them, since there may be millions."""


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


def write_tables(experiment: Experiment, folder: Path) -> dict[str, str]:
    """Write an experiment's tables as CSV into a folder beside its page: what each holds, by its address from there."""
    if PurePath(experiment.name).name != experiment.name:  # a foreign record may hold any name
        return {}
    found = Results((experiment,))
    (folder / TABLES).mkdir(parents=True, exist_ok=True)
    written = {}
    for table, holds in HOLDS.items():
        name = f"{experiment.name}.{table}.csv"
        publish(folder / TABLES / name, csv_bytes(getattr(found, table)()))
        written[f"{TABLES}/{quote(name)}"] = holds
    return written


def write_report(
    folder: Path | Sequence[Path],
    page: Path,
    console: Console,
    prices: Prices,
    store: Path,
    baseline: str | None = None,
) -> Path:
    """Write an experiment's page, with its tables beside it, and print the table of strategies.

    Several folders are reported as one experiment.

    Args:
        store: where the embeddings lie, for what they took.
        baseline: the strategy that others are compared with; None: random.

    Raises:
        ConfigError: no trial has the baseline's strategy, or several experiments do not fit together.
    """
    with meter(console, "writing the report"):
        folders = folder if isinstance(folder, Sequence) else [folder]
        experiment = with_baseline(merged([read(each) for each in folders]), baseline)
        built = compose(experiment, prices, store_costs(store, console), store_warnings(store))
        report.write(built, page, write_tables(experiment, page.parent))
    console.print(report.render(built))
    console.print(f"report: {page}", soft_wrap=True, highlight=False, markup=False)
    return page
