"""Connecting to Ray: a cluster by address, or a local one for as long as the command runs."""

import gc
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

# Read when Ray is imported. Tune's own display is off: the driver shows trials, failures and the time left itself.
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
# Nor is its own record of the sweep written while it runs, which takes longer with every trial: the ledger is ours.
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "1000000000")
# Workers stay where the command was started: relative paths in settings (weights, templates) mean the same there.
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray

# Every process computes on one thread, and parallelism comes from processes: the same sums in the same order on any
# machine, and no two actors fight for a core.
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
CHATTY = ("ray.data", "ray.tune", "ray._private.authentication")


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Join the cluster at `address` (or the one that runs this job), else start a local one; leave it at the end."""
    if ray.is_initialized():
        yield
        return
    if address is None:
        # Ray Data's actors make the core log, as an error, that their constructors' arguments lie in the object store.
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    ray.init(
        address=address or "local",
        include_dashboard=False if address is None else None,
        log_to_driver=False,
        runtime_env={"env_vars": WORKER_ENVIRONMENT},
        logging_level=logging.ERROR,
    )
    try:
        yield
    finally:
        gc.collect()  # what refers to Ray must go before Ray does
        ray.shutdown()
