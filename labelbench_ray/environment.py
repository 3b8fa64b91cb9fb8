"""Where data lies and what hardware there is: everything that a run needs and that no number depends on.

Each field is an option of the command line, with the default and the help text given here: see `commands/options`.
"""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal

from labelbench_ray.errors import ConfigError

ROW_SECONDS: Final = 20.0
MOST_SHARD_ROWS: Final = 65_536
"""A reader holds the decoded rows of a shard, and a network's actor its embeddings."""
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


WHERE: Final = "Where"
WHAT: Final = "What runs"
QUICK: Final = "Instead of an experiment file"
RESOURCES: Final = "Ray and resources"
EMBEDDING: Final = "Embedding"
OUTPUT: Final = "Output"
PLAN, EMBED, RUN, FINETUNE = "plan", "embed", "run", "finetune"


def _option(
    default: Any,  # noqa: ANN401  like `dataclasses.field`
    help: str,
    section: str,
    unused: tuple[str, ...] = (),
    **limits: float | bool,
) -> Any:  # noqa: ANN401
    """A field with what its option needs.

    Args:
        section: of the help text.
        unused: the commands that accept it, so that one command line serves them all, and that it does not act on.
        limits: as `click.IntRange` and `click.FloatRange` take them.
    """
    return field(default=default, metadata={"help": help, "section": section, "unused": unused, "limits": limits})


def _required(help: str, default: str | None, unused: tuple[str, ...] = ()) -> dict[str, Any]:
    """The metadata of a field that is always given; `default`: of its option."""
    return {"help": help, "default": default, "section": WHERE, "unused": unused}


@dataclass(frozen=True, slots=True)
class Environment:
    """The command line's options; see `labelbench run --help`."""

    runs: Path = field(metadata=_required("Where ledgers and reports lie; also s3://, gs://, az://.", "runs"))
    store: Path = field(metadata=_required("Where embeddings lie; also s3://, gs://, az://.", "store"))
    data_root: Path = field(metadata=_required("Where data sets lie; also s3://, gs://.", "data"))
    tracking_uri: str = field(  # may hold a password
        repr=False,
        metadata=_required(
            "MLflow's; default: sqlite in RUNS/mlflow.db (for a RUNS by URI: ./mlflow.db).", None, (PLAN, EMBED)
        ),
    )
    address: str | None = _option(None, "A Ray cluster; default: a local one while the command runs.", RESOURCES)
    executor: Literal["ray", "local"] = _option(
        "ray",
        "Where trials run: in Ray's workers, or one after the other in this process, without Ray (for notebooks and "
        "debuggers).",
        WHAT,
    )
    cpus_per_trial: float = _option(1.0, "CPUs reserved for each trial.", RESOURCES, (EMBED,), min=0, min_open=True)
    gpus_per_trial: float = _option(
        0.0, "GPUs reserved for each trial; trials with fractions share one.", RESOURCES, (PLAN, EMBED), min=0
    )
    score_on: Literal["cpu", "cuda"] = _option(
        "cpu",
        "Where trained models score the pool. With cuda (and --gpus-per-trial) products, softmax and the scores of "
        "some strategies run on the GPU; numbers then agree up to the rounding of sums.",
        RESOURCES,
        (EMBED, FINETUNE),
    )
    memory_per_trial: float | None = _option(
        None,
        "GiB of its own that a trial's process may hold (Python included, embeddings not): reserved for it, and a "
        "trial that takes more is ended; default: what `labelbench plan` estimates is reserved, nothing is ended.",
        RESOURCES,
        (EMBED,),
        min=0,
        min_open=True,
    )
    round_minutes: float | None = _option(
        None,
        "A trial (or fine-tune) that records no round for this long is ended; default: none is.",
        RESOURCES,
        (PLAN, EMBED),
        min=0,
        min_open=True,
    )
    early_stopping: bool = _option(
        False,
        "For `run`: end a trial whose validation accuracy after half of its rounds is below the median of the trials "
        "that got there before it (Tune's ASHA). Saves computing and biases the report, which states that; which "
        "trials end depends on the order in which rounds finish. Without it, `run` resumes the trials that it ended.",
        WHAT,
        (EMBED, FINETUNE),
    )
    max_hours: float | None = _option(
        None,
        "For `run`: end after this many hours; rounds under way are finished, and the same command goes on later.",
        WHAT,
        (PLAN, EMBED, FINETUNE),
        min=0,
        min_open=True,
    )
    max_cost: float | None = _option(
        None,
        "For `run`: end once this run took this much, by the prices below: CPU and GPU seconds that it recorded, and "
        "labels of people (simulated ones cost nothing). Rounds under way are finished; the same command goes on.",
        WHAT,
        (PLAN, EMBED, FINETUNE),
        min=0,
        min_open=True,
    )
    fit_workers: int = _option(
        1,
        "Workers that share each fit of a full model, on Ray Train, beside the trial's own process; each reserves "
        "--cpus-per-trial and, with --gpus-per-trial, one GPU. Numbers stay the same up to the rounding of sums, "
        "except with mixup, cutmix, dropout and batch statistics, which each worker draws for its share of a batch.",
        RESOURCES,
        (PLAN, EMBED),
        min=1,
    )
    encoder_actors: int | None = _option(
        None,
        "Embedding actors; default: one a GPU, else one a core; for up to 2,048 rows one, or a "
        "child process of a command without --address.",
        EMBEDDING,
        (PLAN, FINETUNE),
        min=1,
    )
    scorers: int = _option(
        0, "Scorer actors of each trial whose pool is large.", RESOURCES, (PLAN, EMBED, FINETUNE), min=0
    )
    scorer_rows: int = _option(
        2_000_000, "Pools with at least this many rows are large.", RESOURCES, (PLAN, EMBED, FINETUNE), min=1
    )
    max_reject_fraction: float = _option(
        0.01,
        "Share of rows that may be undecodable, but up to five rows are accepted; with more, embedding stops. 0: none.",
        EMBEDDING,
        (PLAN, FINETUNE),
        min=0,
        max=1,
    )
    shard_rows: int | None = _option(
        None,
        "Rows of the data set in each shard of a new store, a power of two; default: those of a store that is "
        "there, else 1024. More for many small embeddings, fewer for wide ones.",
        EMBEDDING,
        (PLAN, FINETUNE),
        min=1,
        max=MOST_SHARD_ROWS,
    )
    row_seconds: float = _option(
        ROW_SECONDS,
        "A row whose decoding takes longer is rejected, like one that ends its process.",
        EMBEDDING,
        (PLAN,),
        min=1,
    )
    events: str | None = _option(
        None,
        "File that gets a JSON line for every event of a trial, - for standard error; default: "
        "RUNS/EXPERIMENT/events.jsonl, and standard error where RUNS is a URI.",
        OUTPUT,
        (PLAN,),
    )
    webhook: str | None = field(  # the address is a secret
        default=None,
        repr=False,
        metadata={
            "help": "For `run`: an address that gets a POST of JSON when the run ends: how it ended, trials by state, "
            "the report's place. Best given by the variable, since others can see command lines.",
            "section": OUTPUT,
            "unused": (PLAN, EMBED, FINETUNE),
            "limits": {},
        },
    )
    verbose: bool = _option(False, "Print every event of a trial, one short line each.", OUTPUT, (PLAN,))

    def __post_init__(self) -> None:
        if self.shard_rows is not None and self.shard_rows & (self.shard_rows - 1):
            raise ConfigError(
                f"--shard-rows {self.shard_rows} is not a power of two, so that shards would end within the batches of "
                f"a network; give {1 << (self.shard_rows.bit_length() - 1)} or {1 << self.shard_rows.bit_length()}"
            )
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
