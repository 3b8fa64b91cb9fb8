"""Wall seconds of the first minute: `labelbench run experiments/quickstart.py`, nothing embedded, Ray not started.

.venv/bin/python benchmarks/quickstart.py

Measured: the whole command, from the start of the process to its end, in fresh folders: it embeds 1,797 digits, runs
40 trials, writes MLflow's store and the report. `make quickstart` is this command once `.venv` is there. The
limit is the trials' own CPU seconds spread over the cores: what a run without any start-up or bookkeeping would take.
"""

from command import ROOT, cpu_seconds, histories, places, run
from machine import CORES, parser, show

TARGET_SECONDS = 60.0


def main() -> None:
    """Run once and show."""
    arguments = parser(__doc__).parse_args()
    with places(arguments.data_root) as where:
        seconds = run("run", str(ROOT / "experiments" / "quickstart.py"), where)
        found = histories(where.runs / "quickstart.quickstart")
    trials = cpu_seconds(found)
    measured = {
        "wall_seconds": seconds,
        "trials": len(found),
        "trials_cpu_seconds": trials,
        "fraction_of_limit": trials / CORES / seconds,
    }
    show("quickstart", measured, {"wall_seconds_at_most": TARGET_SECONDS}, met=seconds <= TARGET_SECONDS)


if __name__ == "__main__":
    main()
