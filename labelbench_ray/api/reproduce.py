"""`reproduce`: one trial of a submission is run again here, to see whether it chooses the same rows."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from labelbench_ray.api.run import run
from labelbench_ray.config import vary
from labelbench_ray.errors import ConfigError, RegistryError
from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.ledger.trials import read_header, read_records
from labelbench_ray.registry.check import Checked
from labelbench_ray.registry.trials import HEADER, RegistryTrial


def sampled(submission: Checked) -> RegistryTrial:
    """The trial that stands for a submission: random, keyed by the hash of its table, so always the same one.

    Raises:
        ConfigError: it has no trial of tier `checked`.
    """
    known = submission.checked
    if not known:
        raise ConfigError(f"{submission.name}: no trial is checked, so none can be run again; give its ledgers")
    return known[int(submission.sha256, 16) % len(known)]


def reproduce(submission: Checked, store: Path, data_root: Path) -> tuple[Checked, str]:
    """The submission with its new tier, and the first difference; "" where the trial chose the same rows.

    Raises:
        ConfigError: there is no checked trial, or its data are not in `data_root`.
        RegistryError: the trial fails here.
    """
    packed = sampled(submission)
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
        records = read_records(directory, read_header(directory / HEADER))
    difference = first_other_row(packed.records, records)
    same = () if difference else (each.fingerprint for each in submission.checked)
    return replace(submission, reproduced=frozenset(same)), difference


def first_other_row(packed: Sequence[RoundRecord], records: Sequence[RoundRecord]) -> str:
    """The first row that two runs of a trial did not both choose, in words; "" where there is none."""
    for stated, found in zip(packed, records, strict=True):
        for place, (theirs, ours) in enumerate(zip(stated.chosen, found.chosen, strict=True), 1):
            if theirs != ours:
                return (
                    f"trial {stated.fingerprint}, round {stated.round}, row {place}: its ledger states row {theirs}, "
                    f"here it chooses {ours}"
                )
    return ""
