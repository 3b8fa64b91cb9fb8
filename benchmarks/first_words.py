"""How soon a command shows something on a terminal: the first words, and the first bar.

.venv/bin/python benchmarks/first_words.py [--tries 3]

`labelbench run experiments/quickstart.py --tiny` is started in a fresh folder on a pseudo-terminal of 80 columns, some
times, and the best is shown: wall seconds, and the CPU seconds that the command's own process had spent by then, which
say more where other work has the cores. Wanted: words within 1 s and a bar with its total within 3 s of the start, on
idle cores.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from machine import parser, show  # noqa: E402

from tests.terminals import record  # noqa: E402

WORDS, BAR = r"\S", r"━+ \d+/\d+ "
WANTED = {"words": 1.0, "bar": 3.0}
"""Seconds."""


def main() -> None:
    """Start the command and show."""
    options = parser(__doc__)
    options.add_argument("--tries", type=int, default=3)
    tries = options.parse_args().tries
    found = []
    for _ in range(tries):
        with tempfile.TemporaryDirectory(prefix="labelbench-") as folder:
            recording = record(Path(folder), "run", str(ROOT / "experiments/quickstart.py"), "--tiny")
        assert recording.status == 0, recording.final
        found.append({name: recording.first(pattern) for name, pattern in (("words", WORDS), ("bar", BAR))})
    best = {name: min((each[name] for each in found), key=lambda chunk: chunk.seconds) for name in WANTED}
    measured = {name: {"seconds": chunk.seconds, "cpu_seconds": chunk.cpu} for name, chunk in best.items()}
    met = all(measured[name]["seconds"] <= seconds for name, seconds in WANTED.items())
    show("first_words", measured, {name: {"seconds": seconds} for name, seconds in WANTED.items()}, met=met)


if __name__ == "__main__":
    main()
