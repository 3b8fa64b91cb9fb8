"""Where data lies and what hardware there is: everything that a run needs and that no number depends on."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROW_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Environment:
    """The command line's options; see `labelbench run --help`."""

    runs: Path
    store: Path
    data_root: Path
    tracking_uri: str = field(repr=False)
    """May hold a password."""
    address: str | None
    cpus_per_trial: float = 1.0
    gpus_per_trial: float = 0.0
    memory_per_trial: float | None = None
    """GiB of private memory of a trial's process: reserved, and a trial that takes more is ended."""
    round_minutes: float | None = None
    """A trial without a new round for so long is ended."""
    early_stopping: bool = False
    """Trials that others dominate half-way are ended there; see `planning/early_stopping`."""
    fit_workers: int = 1
    """Workers that share each fit of a full model; 1: the trial's own process fits."""
    encoder_actors: int | None = None
    """Embedding actors; None: one for each GPU of the cluster, else one for each core."""
    scorers: int = 0
    """Scorer actors of each trial whose pool is large."""
    scorer_rows: int = 2_000_000
    """Pools with at least this many rows are large."""
    max_reject_fraction: float = 0.01
    """An embedding job stops when more than this share of the rows cannot be decoded."""
    row_seconds: float = ROW_SECONDS
    """A row whose decoding takes longer is rejected."""
    events: str | None = None
    """The file of the event log; None: see `events.events_file`."""
    verbose: bool = False
    """Tell people every event, too."""
