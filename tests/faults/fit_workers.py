"""kill -9 of one of two workers that share the fit of a vision transformer, on a local Ray of three CPUs.

.venv/bin/python -m tests.faults.fit_workers

What must hold: the command ends with status 0; the epoch after the last checkpoint is repeated and nothing else; chosen
ids and labels are those of the same trial in one process, and so are the trained weights up to rounding (2e-5). The
suite (tests/ray/test_parallel_fit.py) does this to a small convolution. Exit status 1 if something does not hold.
"""

import io
import sys
import tempfile
from pathlib import Path

import ray
from rich.console import Console

from benchmarks.command import ROOT
from benchmarks.machine import parser, show
from labelbench_ray.api.run_plan import run_plan
from labelbench_ray.config import Part, Trial
from labelbench_ray.environment import ONE_THREAD, Environment
from labelbench_ray.planning import plan
from labelbench_ray.planning.experiment import Experiment
from tests.shared_fits import check_shared, mortal_trial
from tests.small_models import make_clip

CPUS = 3


def main() -> int:
    """Run with two workers, compare with one process, and show."""
    parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory(prefix="labelbench-") as name:
        folder = Path(name)
        encoder = Part.of("open_clip", **make_clip(folder).encoder.model_dump())
        trial = mortal_trial(encoder, folder / "diary")
        environment = Environment(
            folder / "runs",
            folder / "store",
            folder / "data",
            f"sqlite:///{folder / 'mlflow.db'}",
            None,
            cpus_per_trial=1.0,
            fit_workers=2,
        )
        console = Console(file=io.StringIO(), width=200)
        ray.init(
            address="local",
            num_cpus=CPUS,
            include_dashboard=False,
            log_to_driver=False,
            runtime_env={"env_vars": ONE_THREAD | {"PYTHONPATH": str(ROOT)}},
        )
        try:
            status = run_plan(plan.plan(Experiment("tests.grid", (trial,)), environment), environment, console)
        finally:
            ray.shutdown()
        differs = "the run failed" if status else difference(trial, environment, folder / "alone")
    if status:
        print(console.file.getvalue(), file=sys.stderr)
    held = status == 0 and not differs
    show("faults/fit_workers", {"status": status, "differs": differs}, {"status": 0, "differs": ""}, met=held)
    return 0 if held else 1


def difference(trial: Trial, environment: Environment, alone: Path) -> str:
    """What differs from the fit in one process; empty where nothing does."""
    try:
        check_shared(trial, environment, alone)
    except AssertionError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    sys.exit(main())
