"""The tiers that an owner of a registry keeps: a table beside the submissions, written by the check alone.

`reproduced` takes computing, so it is kept by fingerprint and hash of the ledger: a trial that was altered since has
lost it. The other tiers follow from the files each time.
"""

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from labelbench_ray.errors import RegistryError
from labelbench_ray.exports.columns import TEXT, TIME
from labelbench_ray.ledger.origin import machine
from labelbench_ray.registry.check import Checked, Tier
from labelbench_ray.registry.schema import TIERS_FILE
from labelbench_ray.registry.tables import read_registry_table, table_bytes
from labelbench_ray.storage.atomic import publish
from labelbench_ray.storage.versions import __version__

TIERS: Final = pa.schema(
    {
        "fingerprint": TEXT,
        "ledger_sha256": TEXT,
        "tier": TEXT,
        "run_again": TEXT,
        "machine": TEXT,
        "version": TEXT,
        "given": TIME,
    },
    {"schema": "labelbench registry tiers", "schema_version": "1"},
)
"""One row a trial. `run_again`: the trial of its submission that was run; then where, by which version, and when."""
Tiers = dict[tuple[str, str], dict[str, Any]]
"""Rows by fingerprint and hash of the ledger."""


def read_tiers(path: Path) -> Tiers:
    """The rows of a table of tiers.

    Raises:
        RegistryError: there is none, it cannot be read, or states another tier.
    """
    if not path.is_file():
        raise RegistryError(
            f"{path}: there is no such file; `labelbench registry check FILE... --reproduce --tiers {path}` writes it"
        )
    rows = read_registry_table(path, {"1": TIERS}).to_pylist()
    if odd := next((row for row in rows if row["tier"] != Tier.REPRODUCED), None):
        raise RegistryError(
            f"{path}: trial {odd['fingerprint']}: tier is {odd['tier']!r}; only {Tier.REPRODUCED} is kept, the others "
            "follow from the files; write the table again with `labelbench registry check --reproduce`"
        )
    return {(row["fingerprint"], row["ledger_sha256"]): row for row in rows}


def given_tiers(submission: Checked, run_again: str) -> Tiers:
    """The rows of the trials that are reproduced now."""
    now, here = round(time.time() * 1000), machine()
    return {
        (each.fingerprint, each.ledger_sha256): {
            "fingerprint": each.fingerprint,
            "ledger_sha256": each.ledger_sha256,
            "tier": Tier.REPRODUCED.value,
            "run_again": run_again,
            "machine": here,
            "version": __version__,
            "given": now,
        }
        for each in submission.checked
        if each.fingerprint in submission.reproduced
    }


def write_tiers(path: Path, tiers: Tiers) -> None:
    """Write the table, by fingerprint.

    Raises:
        RegistryError: its name does not end as it should, so that it could be taken for another file.
    """
    if not path.name.endswith(TIERS_FILE):
        raise RegistryError(f"{path}: a table of tiers is named NAME{TIERS_FILE}; choose such a name")
    publish(path, table_bytes(pa.Table.from_pylist([tiers[key] for key in sorted(tiers)], schema=TIERS)))


def with_tiers(submissions: Iterable[Checked], tiers: Tiers) -> tuple[Checked, ...]:
    """The submissions, with the tiers that are kept for ledgers that still are as they were."""
    return tuple(
        replace(
            each,
            reproduced=each.reproduced
            | {mine.fingerprint for mine in each.checked if (mine.fingerprint, mine.ledger_sha256) in tiers},
        )
        for each in submissions
    )
