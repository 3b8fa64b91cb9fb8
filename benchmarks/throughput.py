"""Wall seconds of a sweep: 9 strategies x 4 seeds x 10 rounds of 1,000 labels, here and on a cluster of three nodes.

.venv/bin/python benchmarks/throughput.py [--embeddings STORE] [--seeds 4] [--rounds 10] [--only here cluster] [--tiny]

Measured: `labelbench run` from start to end, with the report and MLflow, on a pool of 50,000 x 512 in 10 classes
that is embedded already; a linear proxy, two cores. `--embeddings` names a real store with 10 classes (CIFAR-10's, by
efficientnet_lite0), whose rows are projected to 512 dimensions at random, with a fixed seed, which keeps distances
roughly; without it the rows are those of round.py. Then the same sweep on `ray.cluster_utils.Cluster`: a head without
CPUs and two nodes with one each, every node with its own raylet and object store. CPU seconds by strategy and stage are
those of the ledger. The limit is what the rounds themselves take: their CPU seconds over the cores; its share of the
wall time is to be 0.92. `--tiny` sweeps a few rows by two strategies without Ray, to see that it works.
"""

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from command import Places, command, cpu_seconds, histories
from machine import CORES, parser, show
from numpy.typing import NDArray
from processes import end_members, start
from ray.cluster_utils import Cluster
from round import CLASSES, DIMENSIONS, synthetic

from labelbench_ray.config import Part, Trial
from labelbench_ray.datasets import SPLITS
from labelbench_ray.embeddings.shards import ShardRows
from labelbench_ray.embeddings.store import EmbeddingStore, SplitArrays
from labelbench_ray.environment import ONE_THREAD
from labelbench_ray.ledger.trials import History
from labelbench_ray.trial.parts import build
from tests.samples import write_store

STRATEGIES = ("random", "confidence", "margin", "entropy", "coreset", "badge", "bait", "galaxy", "direct")
TARGET_SECONDS, TARGET_SHARE, TARGET_RATIO = 480.0, 0.92, 1.15
TINY_ROWS = 4_000
SHARD_ROWS = 8192
EXPERIMENT = """from labelbench_ray.config import Part, Trial, grid


def sweep() -> list[Trial]:
    base = Trial(
        dataset=Part.of("image_folder", path="pool"), encoder=Part(name="pixels"), strategy="random", seed=0,
        rounds={rounds}, budget={budget},
    )
    return grid(base, strategy={strategies}, seed=range({seeds}))
"""


def main(words: Sequence[str] | None = None) -> None:
    """Sweep and show."""
    options = parser(__doc__)
    options.add_argument("--embeddings", type=Path, help="a real store to take the rows from")
    options.add_argument("--seeds", type=int, default=4)
    options.add_argument("--rounds", type=int, default=10)
    options.add_argument("--strategies", nargs="+", default=list(STRATEGIES))
    options.add_argument("--only", nargs="+", choices=["here", "cluster"], default=["here", "cluster"])
    options.add_argument("--tiny", action="store_true", help="a few rows without Ray")
    arguments = options.parse_args(words)
    settings = {"rounds": arguments.rounds, "strategies": arguments.strategies, "seeds": arguments.seeds}
    settings["budget"], added, names = 1000, list[str](), arguments.only
    if arguments.tiny:
        settings = {"rounds": 2, "strategies": ["random", "margin"], "seeds": 1, "budget": 100}
        added, names = ["--executor=local"], ["here"]
    measured: dict[str, Any] = {"rows": "CIFAR-10" if arguments.embeddings else "synthetic"}
    with tempfile.TemporaryDirectory(prefix="labelbench-") as fresh:
        folder = Path(fresh)
        file = folder / "sweep.py"
        file.write_text(EXPERIMENT.format(**settings))
        make_store(folder / "store", rows_of(arguments.embeddings, TINY_ROWS if arguments.tiny else None))
        for name in names:
            measured[name] = sweep(folder, name, added)
    if len(names) == 2:
        measured["ratio"] = measured["cluster"]["wall_seconds"] / measured["here"]["wall_seconds"]
    here = measured.get("here", {"wall_seconds": 0.0, "fraction_of_limit": 1.0})
    target = {
        "wall_seconds_at_most": TARGET_SECONDS,
        "fraction_of_limit_at_least": TARGET_SHARE,
        "ratio_at_most": TARGET_RATIO,
    }
    met = here["wall_seconds"] <= TARGET_SECONDS and here["fraction_of_limit"] >= TARGET_SHARE
    show("throughput", measured, target, met=met and measured.get("ratio", 0) <= TARGET_RATIO)


def sweep(folder: Path, name: str, options: Sequence[str]) -> dict[str, Any]:
    """Run the sweep in fresh folders, here or on a cluster."""
    places = Places(folder / "data", folder / name, folder / "store")
    line = command("run", f"{folder / 'sweep.py'}:sweep", places, *options)
    if name == "here":
        return measure(line, places)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "env_vars": ONE_THREAD})
    try:
        for _ in range(CORES):
            cluster.add_node(num_cpus=1, env_vars=ONE_THREAD)
        cluster.wait_for_nodes()
        return measure([*line, f"--address={cluster.address}"], places)
    finally:
        cluster.shutdown()


def measure(line: list[str], places: Places) -> dict[str, Any]:
    """Wall seconds of a command line, and what its ledgers say of CPU seconds."""
    log = places.runs.with_suffix(".log")
    clock = time.perf_counter()
    process = start(line, log)
    try:
        status = process.wait()
    finally:
        end_members(process.pid)
    wall = time.perf_counter() - clock
    sys.stderr.write(log.read_text())
    assert status == 0, f"exit status {status}"
    found = histories(places.runs / "sweep.sweep")
    return {
        "wall_seconds": wall,
        "rounds": sum(len(history.records) for history in found),
        "cpu_seconds_of_rounds": cpu_seconds(found),
        "fraction_of_limit": cpu_seconds(found) / CORES / wall,
        "cpu_seconds_by_strategy": by_strategy(found),
    }


def by_strategy(found: list[History]) -> dict[str, dict[str, float]]:
    """CPU seconds by stage, of all of a strategy's rounds."""
    sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for history in found:
        for record in history.records:
            for stage, seconds in record.cpu.items():
                sums[str(history.header.trial.strategy)][stage] += seconds
    return {name: dict(stages) for name, stages in sums.items()}


def rows_of(real: Path | None, most: int | None) -> dict[str, SplitArrays]:
    """Every split of 512 dimensions; `most`: of made-up rows a split."""
    if real is None:
        embedded = synthetic()
        made = {split: getattr(embedded, split) for split in SPLITS}
        return {split: SplitArrays(each.embeddings_ND[:most], each.labels_N[:most]) for split, each in made.items()}
    embedded = EmbeddingStore.open(real.resolve()).arrays()
    normal = np.random.default_rng(0).standard_normal((embedded.pool.embeddings_ND.shape[1], DIMENSIONS))
    projection = np.linalg.qr(normal)[0].astype(np.float32)
    return {split: projected(getattr(embedded, split), projection) for split in SPLITS}


def projected(rows: SplitArrays, projection: NDArray[np.float32]) -> SplitArrays:
    """The rows in fewer dimensions."""
    return SplitArrays((rows.embeddings_ND.astype(np.float32) @ projection).astype(np.float16), rows.labels_N)


def make_store(below: Path, splits: dict[str, SplitArrays]) -> None:
    """A finished store of these rows, under the name that the experiment looks for."""
    parts = build(
        Trial(
            dataset=Part.of("image_folder", path="pool"),
            encoder=Part(name="pixels"),
            strategy=Part(name="random"),
            seed=0,
            rounds=1,
            budget=1,
        )
    )
    cuts = {split: range(0, len(rows.labels_N), SHARD_ROWS) for split, rows in splits.items()}
    # Lists: generators would look the split up once all are made, and find the last one.
    shards = {split: [_shard(splits[split], first) for first in starts] for split, starts in cuts.items()}
    write_store(below / parts.embedding, shards, classes=tuple(map(str, range(CLASSES))), dimensions=DIMENSIONS)


def _shard(rows: SplitArrays, first: int) -> ShardRows:
    cut = slice(first, first + SHARD_ROWS)
    names = [f"{row:09d}" for row in range(first, first + len(rows.labels_N[cut]))]
    return ShardRows(names, rows.labels_N[cut], rows.embeddings_ND[cut], {})


if __name__ == "__main__":
    main()
