"""`reproduce`: one trial of a submission is run again here; it should give the same rows, labels and metrics."""

import secrets
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import isclose
from pathlib import Path
from typing import Final

from labelbench_ray.api.run import run
from labelbench_ray.config import vary
from labelbench_ray.errors import ConfigError, RegistryError
from labelbench_ray.ledger.origin import machine
from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.ledger.trials import read_header, read_records
from labelbench_ray.registry.check import Checked
from labelbench_ray.registry.rows import lock_hash
from labelbench_ray.registry.trials import HEADER, RegistryTrial

TOLERANCE: Final = 1e-3
"""How far a metric may be from the ledger's, absolute or relative, where the two runs differ in their compute path."""


def sampled(submission: Checked, below: Callable[[int], int] = secrets.randbelow) -> RegistryTrial:
    """The trial that stands for a submission, drawn anew by each check: no file of the submission decides which.

    Args:
        submission: with its ledgers.
        below: a number from 0 up to, and without, the one that it is given.

    Raises:
        ConfigError: it has no trial of tier `checked`.
    """
    known = submission.checked
    if not known:
        raise ConfigError(f"{submission.name}: no trial is checked, so none can be run again; give its ledgers")
    return known[below(len(known))]


def reproduce(submission: Checked, packed: RegistryTrial, store: Path, data_root: Path) -> tuple[Checked, str]:
    """The submission with its new tier, and the first difference; "" where the trial came out the same.

    Raises:
        ConfigError: the trial's data are not in `data_root`.
        RegistryError: the trial fails here.
    """
    trial = vary(packed.header.trial, finetune=None)
    with tempfile.TemporaryDirectory(prefix="labelbench-") as folder:
        outcome = run(
            [trial],
            name="reproduced",
            runs=Path(folder),
            store=store,
            data_root=data_root,
            executor="local",
            progress=False,
        )
        if not outcome.done:
            reason = "; ".join(each.reason for each in outcome.trials)
            raise RegistryError(f"{submission.name}: trial {packed.fingerprint} cannot be run again here: {reason}")
        directory = outcome.folder / packed.fingerprint
        header = read_header(directory / HEADER)
        again = replace(packed, header=header, records=tuple(read_records(directory, header)))
    difference = first_difference(packed, again, tolerance(packed, again))
    same = () if difference else (each.fingerprint for each in submission.checked)
    return replace(submission, reproduced=frozenset(same)), difference


def tolerance(packed: RegistryTrial, again: RegistryTrial) -> float:
    """0 where embeddings, packages and machine are the same, as far as the submission states them."""
    same_embeddings = (packed.header.compute, packed.header.store) == (again.header.compute, again.header.store)
    same_machine = packed.submission.machine == machine()
    return 0 if same_embeddings and same_machine and lock_hash(packed) == lock_hash(again) else TOLERANCE


def first_difference(packed: RegistryTrial, again: RegistryTrial, tolerance: float) -> str:
    """Where two runs of a trial first differ in rows, labels or metrics, in words; "" where they do not."""
    for stated, found in zip(packed.records, again.records, strict=True):
        if difference := next(_differences(stated, found, tolerance), ""):
            return f"trial {stated.fingerprint}, round {stated.round}, {difference}"
    return ""


def _differences(stated: RoundRecord, found: RoundRecord, tolerance: float) -> Iterator[str]:
    for place, (theirs, ours) in enumerate(zip(stated.chosen, found.chosen, strict=True), 1):
        if theirs != ours:
            yield f"row {place}: its ledger states row {theirs}, here it chooses {ours}"
    for row, label, own in zip(stated.chosen, stated.labels, found.labels, strict=True):
        if label != own:
            yield f"label of row {row}: its ledger states {label}, here it is {own}"
    for name, given in sorted(stated.metrics.items()):
        computed = found.metrics.get(name)
        if computed is None:
            yield f"{name}: its ledger states {given!r}, here it is not measured"
        elif not isclose(given, computed, rel_tol=tolerance, abs_tol=tolerance):
            allowed = f", and at most {tolerance:g} between them is allowed" if tolerance else ""
            yield f"{name}: its ledger states {given!r}, here it is {computed!r}{allowed}"
