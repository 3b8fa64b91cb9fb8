"""Where data lies and what hardware there is: everything that a run needs and that no number depends on.

Each field is an option of the command line, with the default and the help text given here: see `commands/options`.
"""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal

from labelbench_ray.errors import ConfigError

ROW_SECONDS: Final = 20.0
ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Variables by which every process that runs trials computes on one thread, and parallelism comes from processes: the
same sums in the same order on any machine, and no two workers compete for a core."""
NEED_RAY: Final = (
    "address",
    "memory_per_trial",
    "round_minutes",
    "early_stopping",
    "fit_workers",
    "encoder_actors",
    "scorers",
)
"""Options about processes beside the command's own, which `--executor local` does not start."""


def _option(default: Any, help: str, **limits: float | bool) -> Any:  # noqa: ANN401  like `dataclasses.field`
    """A field with what its option needs; `limits`: as `click.IntRange` and `click.FloatRange` take them."""
    return field(default=default, metadata={"help": help, "limits": limits})


@dataclass(frozen=True, slots=True)
class Environment:
    """The command line's options; see `labelbench run --help`."""

    runs: Path = field(metadata={"default": "runs", "help": "Where ledgers and reports lie; also s3://, gs://, az://."})
    store: Path = field(metadata={"default": "store", "help": "Where embeddings lie; also s3://, gs://, az://."})
    data_root: Path = field(metadata={"default": "data", "help": "Where data sets lie; also s3://, gs://."})
    tracking_uri: str = field(  # may hold a password
        repr=False, metadata={"help": "MLflow's; default: sqlite in RUNS/mlflow.db (for a RUNS by URI: ./mlflow.db)."}
    )
    address: str | None = field(
        default=None, metadata={"help": "A Ray cluster; default: a local one while the command runs."}
    )
    executor: Literal["ray", "local"] = _option(
        "ray",
        "Where trials run: in Ray's workers, or one after the other in this process, without Ray (for notebooks and "
        "debuggers).",
    )
    cpus_per_trial: float = _option(1.0, "CPUs reserved for each trial.", min=0, min_open=True)
    gpus_per_trial: float = _option(0.0, "GPUs reserved for each trial; trials with fractions share one.", min=0)
    memory_per_trial: float | None = _option(
        None,
        "GiB of its own that a trial's process may hold (Python included, embeddings not): reserved for it, and a "
        "trial that takes more is ended; default: what `labelbench plan` estimates is reserved, nothing is ended.",
        min=0,
        min_open=True,
    )
    round_minutes: float | None = _option(
        None,
        "A trial (or fine-tune) that records no round for this long is ended; default: none is.",
        min=0,
        min_open=True,
    )
    early_stopping: bool = _option(
        False,
        "For `run`: end a trial whose validation accuracy after half of its rounds is below the median of the trials "
        "that got there before it (Tune's ASHA). Saves computing and biases the report, which states that; which "
        "trials end depends on the order in which rounds finish. Without it, `run` resumes the trials that it ended.",
    )
    fit_workers: int = _option(
        1,
        "Workers that share each fit of a full model, on Ray Train, beside the trial's own process; each reserves "
        "--cpus-per-trial and, with --gpus-per-trial, one GPU. Numbers stay the same up to the rounding of sums, "
        "except with mixup, cutmix, dropout and batch statistics, which each worker draws for its share of a batch.",
        min=1,
    )
    encoder_actors: int | None = _option(None, "Embedding actors; default: one a GPU, else one a core.", min=1)
    scorers: int = _option(0, "Scorer actors of each trial whose pool is large.", min=0)
    scorer_rows: int = _option(2_000_000, "Pools with at least this many rows are large.", min=1)
    max_reject_fraction: float = _option(
        0.01, "Share of rows that may be undecodable; with more, embedding stops.", min=0, max=1
    )
    row_seconds: float = _option(
        ROW_SECONDS, "A row whose decoding takes longer is rejected, like one that ends its process.", min=1
    )
    events: str | None = _option(
        None,
        "File that gets a JSON line for every event of a trial, - for standard error; default: "
        "RUNS/EXPERIMENT/events.jsonl, and standard error where RUNS is a URI.",
    )
    verbose: bool = _option(False, "Print every event of a trial, one short line each.")

    def __post_init__(self) -> None:
        if self.executor == "ray":
            return
        defaults = {field.name: field.default for field in fields(self)}
        given = [name for name in NEED_RAY if getattr(self, name) != defaults[name]]
        if given:
            options = ", ".join(map(_as_typed, given))
            raise ConfigError(
                f"--executor {self.executor} starts no worker, so there is nothing that these options could apply to: "
                f"{options}; leave them out, or use --executor ray"
            )


def _as_typed(name: str) -> str:
    """An option by name, as people give it."""
    option = f"--{name.replace('_', '-')}"
    return f"{option} (or RAY_ADDRESS)" if name == "address" else option
