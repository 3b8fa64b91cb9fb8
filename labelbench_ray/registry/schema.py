"""The two tables of a registry: their columns, their names and their version."""

from typing import Any, Final

import pyarrow as pa

from labelbench_ray.config import digest
from labelbench_ray.exports.columns import NUMBER, TEXT, TIME, WHOLE

VERSION: Final = "1"
METADATA: Final = {"schema": "labelbench registry", "schema_version": VERSION}
TRIALS_FILE: Final = ".trials.parquet"
ROUNDS_FILE: Final = ".rounds.parquet"
LEDGERS_FILE: Final = ".ledgers.zip"
SECONDS: Final = pa.map_(TEXT, NUMBER)
TRIALS: Final = pa.schema(
    {
        "fingerprint": TEXT,
        "protocol_id": TEXT,
        "dataset": TEXT,
        "encoder": TEXT,
        "strategy": TEXT,
        "seed": WHOLE,
        "proxy": TEXT,
        "trainer": TEXT,
        "corrupter": TEXT,
        "oracle": TEXT,
        "first_batch": TEXT,
        "task": TEXT,
        "budget": WHOLE,
        "rounds": WHOLE,
        "num_labels": WHOLE,
        "metric": TEXT,
        "value": NUMBER,
        "data_hash": TEXT,
        "encoder_hash": TEXT,
        "store": TEXT,
        "compute": TEXT,
        "wall_seconds": SECONDS,
        "cpu_seconds": SECONDS,
        "gpu_seconds": SECONDS,
        "finished": TIME,
        "versions": pa.map_(TEXT, TEXT),
        "commit": TEXT,
        "machine": TEXT,
        "submitter": TEXT,
        "ledger_sha256": TEXT,
    },
    METADATA,
)
"""One row a trial, by fingerprint. `metric` decides, `value` is that of the last round; seconds are by stage."""
ROUNDS: Final = pa.schema(
    {
        "fingerprint": TEXT,
        "round": WHOLE,
        "num_labels": WHOLE,
        "split": TEXT,
        "metric": TEXT,
        "value": NUMBER,
        "record_sha256": TEXT,
    },
    METADATA,
)
"""One row a round and metric, by fingerprint, round and metric."""
TRIAL_KEY: Final = ("fingerprint",)
ROUND_KEY: Final = ("fingerprint", "round", "metric")
PROTOCOL: Final = (
    "data_hash",
    "encoder_hash",
    "task",
    "first_batch",
    "budget",
    "rounds",
    "proxy",
    "trainer",
    "corrupter",
    "oracle",
)
"""What trials must share to be ranked together: data, embeddings, first batch, checkpoints, model, and who answers.

Checkpoints are the multiples of `budget` up to `rounds` of them.
"""


def protocol_id(row: dict[str, Any]) -> str:
    """Names the protocol of a trial, given its row."""
    return digest({field: row[field] for field in PROTOCOL})
