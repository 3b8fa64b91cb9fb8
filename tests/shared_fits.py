"""A fit that two workers share, of which the second is killed once, against the same fit in one process."""

from pathlib import Path

import numpy as np

from labelbench_ray.config import Part, Trial
from labelbench_ray.environment import Environment
from labelbench_ray.ledger.trials import Ledger, read_history
from labelbench_ray.trial import parts
from labelbench_ray.trial.assembly import selection_job

BATCH = 24  # one step an epoch
KEYS = slice(32, 64)
"""Of a transformer 32 wide: the gradient of its key bias is 0 up to rounding, which AdamW scales up to a step."""


def mortal_trial(encoder: Part, diary: Path) -> Trial:
    """One round of a full model, in which the second worker is killed; it writes its epochs to `diary`."""
    return Trial(
        dataset=Part.of("digits", max_rows=120),
        encoder=encoder,
        strategy=Part(name="random"),
        proxy=Part.of("full_model", validation_rows=20),
        trainer=Part.of(
            "tests.ray.mortal", diary=str(diary), epochs=3, batch_size=BATCH, mixup=0.0, learning_rate=1e-3
        ),
        seed=0,
        rounds=1,
        budget=BATCH,
    )


def ledger(folder: Path, trial: Trial) -> Ledger:
    """The ledger of a trial below an experiment's folder."""
    directory = folder / parts.build(trial).fingerprint
    return Ledger(directory, read_history(directory).header)


def check_shared(trial: Trial, environment: Environment, alone: Path) -> None:
    """Assert that the recorded fit is what one process, which runs it now below `alone`, makes of it."""
    shared = ledger(environment.runs / "tests.grid", trial)
    diary = Path(str(trial.trainer.settings["diary"])).read_text().split()
    assert diary == ["0", "1", "1", "2"], "the epoch after the checkpoint is repeated, nothing else"
    for _ in selection_job(parts.build(trial), alone, environment).steps():
        pass
    (record,), (expected,) = shared.records(), ledger(alone, trial).records()
    assert (record.chosen, record.labels) == (expected.chosen, expected.labels)
    assert record.cpu["fit"] > expected.cpu["fit"] > 0, "what the workers spent is counted"
    found, wanted = shared.proxy(record), ledger(alone, trial).proxy(expected)
    assert found.keys() == wanted.keys()
    for name, tensor in found.items():
        compared = np.delete(tensor - wanted[name], KEYS if name.endswith("in_proj_bias") else [], axis=0)
        np.testing.assert_allclose(compared, 0, atol=2e-5)
    assert list(shared.directory.glob(".fit-*")) == []
