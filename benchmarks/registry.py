"""CPU seconds of packing and checking 2,000 trials of 10 rounds, and the size of the leaderboard with 624 published.

.venv/bin/python benchmarks/registry.py [--seeds 500] [--rounds 10] [--budget 100] [--tiny]

The ledgers are made up, with as many metrics as those of real trials, of four strategies that ship, so that every
fingerprint is computed again. Nothing is run. `--tiny`: 12 trials of 2 rounds.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from machine import parser, show
from synthetic_ledgers import write_ledgers

from labelbench_ray.config import Trial, grid
from labelbench_ray.registry.boards import boards, published_boards, standings
from labelbench_ray.registry.check import check
from labelbench_ray.registry.leaderboard import leaderboard_page
from labelbench_ray.registry.pack import pack
from labelbench_ray.report.published.curves import published
from labelbench_ray.trial import parts

TARGET_SECONDS, TARGET_PAGE = 30, 3 * 2**20
STRATEGIES = ("random", "margin", "entropy", "confidence")
Value = TypeVar("Value")


def main(words: list[str] | None = None) -> None:
    """Pack, check, draw, and show."""
    options = parser(__doc__)
    for name, default in (("seeds", 500), ("rounds", 10), ("budget", 100)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--tiny", action="store_true")
    given = options.parse_args(words)
    seeds, rounds, budget = (3, 2, 5) if given.tiny else (given.seeds, given.rounds, given.budget)
    base = Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=rounds, budget=budget)
    trials = grid(base, strategy=STRATEGIES, seed=range(seeds))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_ledgers(place / "runs" / "a.b", trials, lambda trial: parts.build(trial).fingerprint)
        packed, packing = _timed(lambda: pack([place / "runs" / "a.b"], place / "P", place / "store", ""))
        checked, checking = _timed(lambda: check(packed.paths))
        packed_bytes = sum(path.stat().st_size for path in packed.paths)
    ours, theirs = boards(checked, checked[0].tiers), published_boards(published())
    ranked = standings(ours, theirs)
    page, drawing = _timed(lambda: leaderboard_page((*ours, *theirs), ranked))
    spent, size = packing + checking, len(page.encode())
    show(
        "registry",
        {
            "trials": len(trials),
            "rounds": rounds,
            "pack_cpu_seconds": packing,
            "check_cpu_seconds": checking,
            "pack_and_check_cpu_seconds": spent,
            "packed_bytes": packed_bytes,
            "page_cpu_seconds": drawing,
            "page_bytes": size,
            "trials_on_page": sum(board.trials for board in (*ours, *theirs)),
        },
        {"pack_and_check_cpu_seconds_at_most": TARGET_SECONDS, "page_bytes_at_most": TARGET_PAGE},
        met=spent <= TARGET_SECONDS and size <= TARGET_PAGE,
    )


def _timed(work: Callable[[], Value]) -> tuple[Value, float]:
    started = time.process_time()
    return work(), time.process_time() - started


if __name__ == "__main__":
    main()
