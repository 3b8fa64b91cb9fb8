"""What a sweep of 10,000 trials costs beside Tune: planning, identities, status, ledgers and report, by trials.

.venv/bin/python benchmarks/many_trials.py [--trials 250 1000 4000] [--profile PART]

Ledgers of two rounds with made-up numbers, written by the ledger's own records, of four strategies and as many seeds as
it takes; nothing is run. Each part is measured at every size in CPU seconds and private memory, its exponent is fitted,
and milliseconds a trial and the CPU seconds of 10,000 trials follow from the largest size:

identity  every trial's plug-ins are built and its fingerprint is hashed
plan      `labelbench plan` with all trials done: built, checked, ledgers read
grid      `experiment.json` is written and read
status    `labelbench status`: ledgers read, table and summary
read      a report's ledgers are read
compose   the report's figures and tables are made of them
page      the page is drawn
tables    the tables beside the page

Wanted: at most 1 ms a trial and part but those that read ledgers, and no exponent above 1.1.
"""

import cProfile
import pstats
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from machine import parser, show
from private_memory import used
from projection import projected
from synthetic_ledgers import write_ledgers

from labelbench_ray import report
from labelbench_ray.api.report import write_tables
from labelbench_ray.commands import status
from labelbench_ray.config import Part, Trial, grid
from labelbench_ray.costs import ASSUMED
from labelbench_ray.embeddings.complete import complete_store
from labelbench_ray.embeddings.local import LocalEmbedder
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.environment import Environment
from labelbench_ray.ledger.experiments import read_grid, write_grid
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.plan import plan
from labelbench_ray.report.curves import read
from labelbench_ray.report.sections import compose
from labelbench_ray.trial.parts import build

TRIALS = 10_000
STRATEGIES = ("random", "margin", "confidence", "entropy")
SIZES = [250, 1000, 4000]
BASE = Trial(
    dataset=Part.of("digits", max_rows=300),
    encoder="pixels",
    strategy="random",
    trainer="logistic",
    seed=0,
    rounds=2,
    budget=5,
)
READ_LEDGERS = ("plan", "status", "read")
MOST_MS = dict.fromkeys(("identity", "grid", "compose", "page", "tables"), 1.0) | dict.fromkeys(READ_LEDGERS, 2.0)
MOST_EXPONENT = 1.1


def trials_of(count: int) -> list[Trial]:
    """A grid of four strategies and as many seeds as it takes."""
    return grid(BASE, strategy=list(STRATEGIES), seed=range(max(1, count // len(STRATEGIES))))


def calls(folder: Path, store: EmbeddingStore, count: int) -> dict[str, Callable[[], object]]:
    """The parts, each after those before it."""
    experiment = Experiment.of("many", trials_of(count))
    environment = Environment(
        runs=folder / str(count), store=store.directory.parent, data_root=folder, tracking_uri="", address=None
    )
    runs = environment.runs / experiment.name
    runs.mkdir(parents=True)
    write_ledgers(runs, list(experiment.trials), lambda trial: build(trial).fingerprint, store.manifest.content)
    found: dict[str, Any] = {}

    def keep(name: str, value: object) -> object:
        found[name] = value
        return value

    def planned() -> object:
        made = plan(experiment, environment)
        assert all(each.done for each in made.trials)
        return made

    def shown() -> object:
        made = status.read(runs)
        return status.table(made), status.summary(made), status.cautions(made)

    return {
        "identity": lambda: [build(trial) for trial in experiment.trials],
        "plan": planned,
        "grid": lambda: write_grid(runs, read_grid(runs)),
        "status": shown,
        "read": lambda: keep("read", read(runs)),
        "compose": lambda: keep("compose", compose(found["read"], ASSUMED, {}, {})),
        "page": lambda: report.write(found["compose"], runs / "report.html", {}),
        "tables": lambda: write_tables(found["read"], runs),
    }


def measure(folder: Path, sizes: Sequence[int], profile: str | None = None) -> dict[str, Any]:
    """Every part at every size, with exponents and projections; the profile of one at the largest size."""
    environment = Environment(
        runs=folder / "none", store=folder / "store", data_root=folder, tracking_uri="", address=None
    )
    store = complete_store(build(BASE).store_recipe, None, environment, LocalEmbedder(), lambda rows, total: None)
    by_part: dict[str, dict[int, dict[str, float]]] = {}
    for call in calls(folder / "first", store, len(STRATEGIES)).values():  # imports
        call()
    for size in sizes:
        for name, call in calls(folder, store, size).items():
            if name == profile and size == max(sizes):
                _profiled(call)
            by_part.setdefault(name, {})[size] = used(call)
            print(f"{name} of {size:,} trials: {by_part[name][size]}", file=sys.stderr)
    table = {name: {"by_trials": found, **projected(found, TRIALS)} for name, found in by_part.items()}
    for name, part in table.items():
        part["ms_a_trial"] = 1e3 * by_part[name][max(sizes)]["cpu_seconds"] / max(sizes)
    return table


def _profiled(call: Callable[[], object]) -> None:
    profiler = cProfile.Profile()
    profiler.runcall(call)
    pstats.Stats(profiler, stream=sys.stderr).sort_stats("cumulative").print_stats(45)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and show."""
    options = parser(__doc__)
    options.add_argument("--trials", type=int, nargs="+", default=SIZES, metavar="N")
    options.add_argument("--profile", metavar="PART", help="print where the CPU time of a part goes")
    given = options.parse_args(arguments)
    with TemporaryDirectory(prefix="labelbench-") as folder:
        measured = measure(Path(folder), given.trials, given.profile)
    target = {"ms_a_trial_at_most": MOST_MS, "exponent_at_most": MOST_EXPONENT}
    met = all(
        part["ms_a_trial"] <= MOST_MS[name] and part["cpu_seconds_last_exponent"] <= MOST_EXPONENT
        for name, part in measured.items()
    )
    show("many_trials", measured, target, met=met)


if __name__ == "__main__":
    main()
