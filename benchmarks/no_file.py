"""From a folder of 300 photos to a printed answer, no Python written: `labelbench run --dataset photos/`, cold.

.venv/bin/python benchmarks/no_file.py [--images 300] [--tiny]

The folder is generated, one folder a class, 320 pixels each, with spaces and an umlaut in its names; everything else is
chosen by the command: `efficientnet_lite0`, three strategies, ten seeds, ten rounds. Measured: the whole command, from
the start of its process in a fresh folder to its end, Ray not started; CPU seconds are those of all processes of its
session. The timeline states when the command's events came, and how many CPU seconds all processes had taken by then.
The events of embedding come when it has ended: a child process embeds so few images while Ray starts. Then come the
start of the slots (until the first trial), the trials (until `sweep_ended`), and MLflow and the report. `answer` is
the verdict as it was printed.
`--tiny` takes 60 images, the encoder `pixels` and two short rounds without Ray, to see that it works.
"""

import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from command import LABELBENCH, cpu_seconds, histories
from machine import parser, show
from photos import make_photos
from quickstart import SECONDS_BETWEEN, timeline
from sampling import sample

TARGET = 90.0
"""Wall seconds on two idle cores, at most."""
TINY = ("--tiny", "--executor=local", "--encoder=pixels(size=32)", "--seeds=2", "--strategies=margin,random")


def main(words: Sequence[str] | None = None) -> None:
    """Make the folder, run the command, and show."""
    options = parser(__doc__)
    options.add_argument("--images", type=int, default=300)
    options.add_argument("--tiny", action="store_true", help="few images, two short rounds without Ray")
    arguments = options.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="labelbench-") as folder:
        make_photos(Path(folder) / "photos", 60 if arguments.tiny else arguments.images)
        log = Path(folder) / "log"
        before = Path.cwd()
        os.chdir(folder)
        try:
            line = [str(LABELBENCH), "run", "--dataset", "photos/", *(TINY if arguments.tiny else ())]
            sampled = sample(line, log, SECONDS_BETWEEN)
        finally:
            os.chdir(before)
        printed = log.read_text()
        print(printed, file=sys.stderr)
        runs = Path(folder) / "runs" / ("photos.tiny" if arguments.tiny else "photos")
        found, seen = histories(runs), timeline(runs / "events.jsonl", sampled)
    spent = sampled.by_role()
    measured = {
        "wall_seconds": sampled.wall,
        "cpu_seconds": sum(spent.values()),
        "cpu_seconds_by_role": spent,
        "trials": len(found),
        "trials_cpu_seconds": cpu_seconds(found),
        "timeline": seen,
        "answer": answer(printed),
    }
    limit = {} if arguments.tiny else {"wall_seconds_at_most": TARGET}
    show("no_file", measured, limit, met=arguments.tiny or sampled.wall <= TARGET)


def answer(printed: str) -> str:
    """The verdict as it was printed, in one line."""
    found = re.search(r"^image_folder\(.*?\)\s+(.+?)^strategy ", printed, re.MULTILINE | re.DOTALL)
    assert found, printed
    return " ".join(found[1].split())


if __name__ == "__main__":
    main()
