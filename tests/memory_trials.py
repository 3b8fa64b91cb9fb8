"""A trial on a small data set in memory, run into a ledger as a worker does."""

from itertools import islice
from pathlib import Path

from labelbench_ray.config import Part, Trial
from labelbench_ray.ledger.records import COSTS
from labelbench_ray.ledger.trials import Header, Ledger, RoundRecord, read_records
from labelbench_ray.trial import parts
from labelbench_ray.trial.fit_light import LightFitter, in_process
from labelbench_ray.trial.loop import Loop
from tests.samples import make_embedded

TRIAL = Trial(
    dataset="digits",
    encoder="pixels",
    strategy="margin",
    seed=0,
    rounds=4,
    budget=5,
    trainer=Part.of("supervised", epochs=2, learning_rate=0.05),
)
HEADER = Header(fingerprint=parts.build(TRIAL).fingerprint, trial=TRIAL, store="memory", compute="numpy", versions={})
EMBEDDED = make_embedded()


def run(folder: Path, rounds: int | None = None) -> list[RoundRecord]:
    """What is missing, as a worker runs it; at most so many rounds."""
    with Ledger.open(folder, HEADER) as ledger:
        fitter = LightFitter(parts.build(TRIAL), EMBEDDED, (), in_process(EMBEDDED))
        return list(islice(Loop(parts.build(TRIAL), ledger, fitter).rounds(), rounds))


def numbers(records: list[RoundRecord]) -> list[int]:
    return [record.round for record in records]


def chosen_and_measured(folder: Path) -> list[dict]:
    return [record.model_dump(exclude=COSTS) for record in read_records(folder, HEADER)]
