"""The two tables of a registry: their columns, their names and their versions."""

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

from labelbench_ray.config import digest
from labelbench_ray.exports.columns import NUMBER, TEXT, TIME, WHOLE

VERSION: Final = "2"
METADATA: Final = {"schema": "labelbench registry", "schema_version": VERSION}
TRIALS_FILE: Final = ".trials.parquet"
ROUNDS_FILE: Final = ".rounds.parquet"
LEDGERS_FILE: Final = ".ledgers.zip"
TIERS_FILE: Final = ".tiers.parquet"
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
        "imbalance": NUMBER,
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
        "price": NUMBER,
        "currency": TEXT,
        "finished": TIME,
        "versions": pa.map_(TEXT, TEXT),
        "lock_hash": TEXT,
        "commit": TEXT,
        "machine": TEXT,
        "submitter": TEXT,
        "ledger_sha256": TEXT,
    },
    METADATA,
)
"""One row a trial, by fingerprint. `metric` decides, `value` is that of the last round; seconds are by stage.

`imbalance`: rows of the pool's largest class over those of its smallest. `price`: labels and computing of all rounds,
at the submitter's prices. `lock_hash`: of the versions that the rounds ran with.
"""
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
SINCE_2: Final = {"imbalance", "price", "currency", "lock_hash"}
TRIALS_BY_VERSION: Final[Mapping[str, Any]] = {
    "1": pa.schema([field for field in TRIALS if field.name not in SINCE_2], METADATA | {"schema_version": "1"}),
    VERSION: TRIALS,
}
"""What may be read: a column that an older version lacks is null, or what the ledgers state."""
ROUNDS_BY_VERSION: Final[Mapping[str, Any]] = {
    "1": ROUNDS.with_metadata(METADATA | {"schema_version": "1"}),
    VERSION: ROUNDS,
}
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
