"""The engine of all trainers by gradient descent: taken up again it ends with the same bits; parts and processes."""

import io
import multiprocessing
import socket
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from labelbench_ray.trainers import EmbeddedInputs, FitData, PreviousRound, PseudoLabels
from labelbench_ray.trainers.der import Der
from labelbench_ray.trainers.engine.data import Validated, embedded_data
from labelbench_ray.trainers.engine.descent import Descent, Step
from labelbench_ray.trainers.engine.device import ALONE, Device
from labelbench_ray.trainers.engine.replay import Replay
from labelbench_ray.trainers.mir import Mir
from labelbench_ray.trainers.sds2 import Sds2
from labelbench_ray.trainers.supervised import Supervised
from tests.trainers.made_up import clusters, method

DIMENSIONS, CLASSES = 16, 4
EPOCHS = 6


class Killed(Exception):
    """Stands for the end of a process."""


@dataclass
class InBytes:
    """Checkpoints as they would lie on disk; the process dies after saving one of them."""

    kill_after: int | None = None
    saved: list[bytes] = field(default_factory=list)

    def load(self) -> dict[str, Any] | None:
        return torch.load(io.BytesIO(self.saved[-1]), weights_only=True) if self.saved else None

    def save(self, state: dict[str, Any]) -> None:
        torch.save(state, into := io.BytesIO())
        self.saved.append(into.getvalue())
        if len(self.saved) == self.kill_after:
            raise Killed


def labeled(rows: int) -> FitData[EmbeddedInputs]:
    """The clusters with that many labels."""
    data, more = clusters()
    return embedded_data(
        more.embeddings_BD[:rows],
        more.labels_B[:rows],
        data.inputs.validation,
        data.num_classes,
        data.inputs.standardization,
        np.arange(rows),
        data.unlabeled_ids_U,
        data.inputs.pairs,
    )


def module(dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(DIMENSIONS, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, CLASSES))


def weights(of: nn.Module) -> list[Tensor]:
    return [weight.detach().clone() for weight in of.parameters()]


def descended(trainer: Descent, given: FitData, dropout: float = 0.0, device: Device = ALONE) -> list[Tensor]:
    trained = module(dropout)
    trainer.descend(trained, given, 11, device)
    return weights(trained)


COURSES = {
    "mixup": (Supervised(epochs=EPOCHS, batch_size=16, learning_rate=0.03), 0.0),
    "dropout": (Supervised(epochs=EPOCHS, batch_size=16, learning_rate=0.03, gradient_clip=0.5), 0.5),
    "flexmatch": (method("flexmatch", epochs=EPOCHS, batch_size=16, learning_rate=0.03), 0.0),
    "softmatch": (method("softmatch", epochs=EPOCHS, batch_size=16, epoch_steps=2), 0.2),
    "freematch, the last": (method("freematch", epochs=EPOCHS, batch_size=16, keep="last"), 0.0),
    "accuracy": (Supervised(epochs=EPOCHS, batch_size=16, learning_rate=0.03, keep="accuracy", patience=10), 0.0),
    "counted": (Supervised(epochs=EPOCHS, batch_size=16, learning_rate=0.003, mixup=0, until_accuracy=1.0), 0.0),
    "stops early": (Supervised(epochs=EPOCHS, batch_size=16, learning_rate=3.0, patience=1), 0.0),
}


@pytest.mark.parametrize("name", COURSES)
def test_killed_after_any_epoch_it_continues_and_ends_with_the_same_bits(name: str):
    trainer, dropout = COURSES[name]
    given = labeled(40) if "match" not in name else clusters()[0]
    whole = descended(trainer, given, dropout)
    trainer.descend(module(dropout), given, 11, checkpoints=(counted := InBytes()))
    assert name == "stops early" or len(counted.saved) == EPOCHS - 1
    for epoch in range(1, len(counted.saved) + 1):
        checkpoints = InBytes(kill_after=epoch)
        with pytest.raises(Killed):
            trainer.descend(module(dropout), given, 11, checkpoints=checkpoints)
        torch.manual_seed(epoch)
        continued = module(dropout)
        trainer.descend(continued, given, 11, checkpoints=checkpoints)
        for mine, theirs in zip(weights(continued), whole, strict=True):
            assert torch.equal(mine, theirs)


def test_killed_after_any_epoch_a_fit_reports_the_same_rows_of_the_epoch_that_it_keeps():
    """The validation rows find the second epoch best: it lies before most kills."""
    trainer, _ = COURSES["flexmatch"]
    whole = reported(trainer, InBytes())
    assert [each.epoch for each in whole] == [1]
    for kills in range(1, EPOCHS):
        checkpoints = InBytes(kill_after=kills)
        with pytest.raises(Killed):
            reported(trainer, checkpoints)
        (found,) = reported(trainer, checkpoints)
        for name in ("epoch", "ids_U", "pseudo_labels_U", "weights_U"):
            np.testing.assert_array_equal(getattr(found, name), getattr(whole[0], name))


def reported(trainer: Descent, checkpoints: InBytes) -> list[PseudoLabels]:
    """What a fit reports whose second epoch is the best on the validation rows."""
    received: list[PseudoLabels] = []
    scores = iter([0.5, 0.9, *[0.7] * EPOCHS][len(checkpoints.saved) :])
    given = replace(clusters()[0], on_pseudo_labels=received.append, validate=lambda _: Validated(next(scores), 1.0))
    trainer.descend(module(), given, 11, checkpoints=checkpoints)
    return received


@pytest.mark.parametrize("parts", [2, 3, 100])
def test_a_batch_in_parts_follows_the_gradient_of_the_whole(parts: int):
    """Also where parts are unequal, or more than rows."""
    given = labeled(37)
    plain = Supervised(epochs=2, batch_size=16, mixup=0)
    for mine, theirs in zip(
        descended(plain.model_copy(update={"accumulation": parts}), given), descended(plain, given), strict=True
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


def test_unlabeled_rows_in_parts_follow_the_gradient_of_the_whole():
    """3 labeled and 50 unlabeled rows in two parts: labeled 2 + 1, unlabeled 25 + 25, each row with its own weight."""
    given = labeled(3)
    plain = method("fixmatch", epochs=2, batch_size=10, threshold=0.0, learning_rate=0.01)
    for mine, theirs in zip(
        descended(plain.model_copy(update={"accumulation": 2}), given), descended(plain, given), strict=True
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)


class Recorded(Descent):
    """A hundred times the cross-entropy; notes its steps."""

    def loss(self, step: Step) -> Tensor:
        inputs = step.data.inputs.labeled(step.labeled_B, step.epoch)
        STEPS.append((step.epoch, len(step.labeled_B), step.progress))
        return 100 * cross_entropy(step.module(inputs), step.labels_B)


STEPS: list[tuple[int, int, float]] = []


@pytest.mark.parametrize("clip", [None, 0.01, 1.0])
def test_clipping_bounds_the_norm_of_the_gradient(clip: float | None, monkeypatch: pytest.MonkeyPatch):
    norms, adam_step = [], torch.optim.AdamW.step

    def watched(self: torch.optim.AdamW, *given: Any) -> Any:
        grads = [weight.grad for group in self.param_groups for weight in group["params"]]
        norms.append(torch.cat([grad.flatten() for grad in grads]).norm().item())
        return adam_step(self, *given)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    Recorded(epochs=1, batch_size=8, gradient_clip=clip).descend(module(), labeled(40), 0)
    assert len(norms) == 5
    assert max(norms) == pytest.approx(clip, rel=1e-3) if clip else min(norms) > 1.0


@pytest.mark.parametrize(("rows", "wanted", "steps"), [(40, 1, 5), (40, 5, 5), (40, 6, 10), (3, 8, 8), (1, 1, 1)])
def test_an_epoch_is_as_many_whole_passes_as_make_the_steps_asked_for(rows: int, wanted: int, steps: int):
    STEPS.clear()
    trainer = Recorded(epochs=2, batch_size=8, epoch_steps=wanted, learning_rate=1e-4, patience=9)
    trainer.descend(module(), labeled(rows), 0)
    assert [epoch for epoch, _, _ in STEPS] == [0] * steps + [1] * steps
    assert sum(size for _, size, _ in STEPS) == 2 * rows * (steps // -(-rows // 8))
    np.testing.assert_allclose([progress for _, _, progress in STEPS], np.arange(2 * steps) / (2 * steps))


PARALLEL = {
    "supervised": (Supervised(epochs=2, batch_size=15, mixup=0), 37),
    "flexmatch": (method("flexmatch", epochs=3, batch_size=11, unlabeled_ratio=3, threshold=0.6), 13),
    "one labeled row": (method("flexmatch", epochs=2, batch_size=11, threshold=0.6), 1),
}


class Noting(Replay):
    """Notes the newest rows of its steps."""

    def loss(self, step: Step) -> Tensor:
        NEWEST.append(torch.from_numpy(step.labeled_B.copy()))
        return super().loss(step)


class NotingDer(Noting, Der):
    pass


class NotingMir(Noting, Mir):
    pass


class NotingSds2(Noting, Sds2):
    pass


NEWEST: list[Tensor] = []
REPLAYING: dict[str, Replay] = {
    each.__name__: each(batch_size=5, older_per_newest=2.0, learning_rate=0.03, **settings)
    for each, settings in {
        NotingDer: {"epochs": 30, "mixup": 0.0, "until_accuracy": 0.9, "keep": "last"},
        NotingMir: {"epochs": 2, "virtual": "optimizer"},
        NotingSds2: {"epochs": 2},
    }.items()
}


def replayed(trainer: Replay, device: Device = ALONE) -> dict[str, list[Tensor]]:
    """A fit of 13 newest rows after 27 older ones: its weights, and the newest rows of its steps."""
    NEWEST.clear()
    older = PreviousRound(27, dict)
    given = replace(
        labeled(40), previous=(older,), logits=lambda _, places_B: np.zeros((len(places_B), CLASSES), np.float32)
    )
    return {"weights": descended(trainer, given, device=device), "newest": list(NEWEST)}


def one_process(rank: int, port: int, folder: str) -> None:
    """A process of a fit by two."""
    from torch import distributed

    from labelbench_ray.trainers.engine.parallel import process_group

    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    for name, (trainer, rows) in PARALLEL.items():
        received: list[PseudoLabels] = []
        given = replace(labeled(rows), on_pseudo_labels=received.append)
        found = descended(trainer, given, device=process_group())
        torch.save(found, Path(folder) / f"{name} {rank}.pt")
        torch.save([torch.from_numpy(each.ids_U) for each in received], Path(folder) / f"{name} {rank} ids.pt")
    for name, replaying in REPLAYING.items():
        torch.save(replayed(replaying, process_group()), Path(folder) / f"{name} {rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def by_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes left the weights of every parallel fit."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")  # a spawned one would import torch anew, for seconds
    processes = [context.Process(target=one_process, args=(rank, port, str(folder))) for rank in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=100)
        assert process.exitcode == 0
    return folder


@pytest.mark.parametrize("name", PARALLEL)
def test_two_processes_fit_as_one_does(name: str, by_two: Path):
    trainer, rows = PARALLEL[name]
    alone = descended(trainer, labeled(rows))
    first, second = (torch.load(by_two / f"{name} {rank}.pt", weights_only=True) for rank in (0, 1))
    for mine, theirs, expected in zip(first, second, alone, strict=True):
        assert torch.equal(mine, theirs)
        torch.testing.assert_close(mine, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", REPLAYING)
def test_8_two_processes_draw_what_one_draws_and_end_with_the_same_weights(name: str, by_two: Path):
    """Test 8 of continual training: the newest rows of each step, and the stop by their accuracy; older rows are each
    process's own."""
    alone = replayed(REPLAYING[name])["newest"]
    first, second = (torch.load(by_two / f"{name} {rank}.pt", weights_only=True) for rank in (0, 1))
    steps = min(len(alone), len(first["newest"]))
    assert steps >= 2 * 3
    assert len(first["newest"]) == len(second["newest"])
    assert len(alone) == steps or "Der" in name, "epochs that accuracy ends may be one more or less"
    for mine, theirs, expected in zip(first["newest"][:steps], second["newest"][:steps], alone[:steps], strict=True):
        assert sorted([*mine.tolist(), *theirs.tolist()]) == sorted(expected.tolist())
        assert min(expected.tolist()) >= 27
    for mine, theirs in zip(first["weights"], second["weights"], strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("name", PARALLEL)
def test_the_first_of_two_processes_reports_the_rows_of_both(name: str, by_two: Path):
    """One process reports the epoch that is kept, whose steps each read the same rows."""
    trainer, rows = PARALLEL[name]
    alone: list[PseudoLabels] = []
    descended(trainer, replace(labeled(rows), on_pseudo_labels=alone.append))
    first, second = (torch.load(by_two / f"{name} {rank} ids.pt", weights_only=True) for rank in (0, 1))
    assert len(second) == 0
    assert [sorted(ids.tolist()) for ids in first] == [sorted(each.ids_U.tolist()) for each in alone]
    assert len(first) == (name != "supervised")
