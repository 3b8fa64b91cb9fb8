"""A training run: steps, epochs, early stopping, and the state that a checkpoint holds.

Every random choice comes from one generator and from torch's own. Checkpoints hold the states of both, so a fit that is
killed and resumed ends with the same bits.
"""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from labelbench_ray.trainers.engine.checkpoints import Checkpoints
from labelbench_ray.trainers.engine.data import FitData, Inputs, PseudoLabels, Validated, Work
from labelbench_ray.trainers.engine.device import Device
from labelbench_ray.trainers.engine.kept import Keep, KeptEpoch, merged
from labelbench_ray.trainers.engine.step import State, Step
from labelbench_ray.types import Ids

SHOWN_IDS: Final = 5
WARMUP_CAP: Final = 0.1


class Method(Protocol):
    """What a training run needs of a method: settings, batches and loss. See `Descent`."""

    @property
    def epochs(self) -> int: ...

    @property
    def batch_size(self) -> int: ...

    @property
    def weight_decay(self) -> float: ...

    @property
    def warmup_steps(self) -> int: ...

    @property
    def keep(self) -> Keep: ...

    @property
    def patience(self) -> int: ...

    @property
    def epoch_steps(self) -> int: ...

    @property
    def gradient_clip(self) -> float | None: ...

    @property
    def accumulation(self) -> int: ...

    def places(self, data: FitData[Inputs]) -> Ids: ...

    def rate(self, data: FitData[Inputs]) -> float: ...

    def unlabeled_batch(self, data: FitData[Inputs]) -> int: ...

    def begin(self, data: FitData[Inputs]) -> State: ...

    def done(self, state: State, device: Device) -> bool: ...

    def loss(self, step: Step) -> Tensor: ...


@dataclass
class TrainingRun:
    """One fit. A checkpoint holds everything that changes from epoch to epoch."""

    method: Method
    module: nn.Module
    data: FitData[Inputs]
    seed: int
    device: Device
    epoch: int = 0
    kept: KeptEpoch = field(default_factory=KeptEpoch)
    waited: int = 0
    is_done: bool = False
    row_passes: int = 0
    """Of this process."""
    steps_of_epoch: list[PseudoLabels] = field(default_factory=list)
    """The pseudo-labels of each step of this epoch."""
    waiting_U: Ids = field(default_factory=lambda: np.empty(0, np.int64))
    """Places of the unlabeled rows that this pass has not read yet."""

    def run(self, checkpoints: Checkpoints) -> None:
        if found := checkpoints.load():
            self._restore(found)
        with _seeded(self.seed, found["torch"] if found else None):
            while self._goes_on:
                self.steps_of_epoch.clear()
                self._pass()
                self._judge()
                self.epoch += 1
                self.is_done = self.method.done(self.state, self.device)
                # No checkpoint after the last epoch: a fit that is killed there repeats that epoch.
                if self._goes_on:
                    checkpoints.save(self._snapshot())
        self.module.load_state_dict(self.kept.weights)
        self.module.eval()
        row_passes = int(self.device.gather(torch.tensor([self.row_passes])).sum())
        if self.device.rank == 0:  # the first process reports for all
            self.data.on_work(Work(self.epoch, row_passes))
            if self.kept.pseudo_labels:
                self.report(self.kept.pseudo_labels)

    @property
    def _goes_on(self) -> bool:
        return self.epoch < self.method.epochs and self.waited < self.method.patience and not self.is_done

    def __post_init__(self) -> None:
        method = self.method
        self.report = self.data.on_pseudo_labels
        self.data = replace(self.data, on_pseudo_labels=self.steps_of_epoch.append)
        self.rng = np.random.default_rng(self.seed)
        self.places_P = method.places(self.data)
        passes = math.ceil(method.epoch_steps / math.ceil(len(self.places_P) / method.batch_size))
        self.passes, self.steps = passes, passes * math.ceil(len(self.places_P) / method.batch_size)
        self.unlabeled_size = method.unlabeled_batch(self.data)
        self.state = {name: kept.to(self.device.kind) for name, kept in method.begin(self.data).items()}
        self.wrapped = self.device.wrap(self.module)
        # The fused kernel needs a third of the time of the default at a proxy's sizes.
        self.optimizer = torch.optim.AdamW(
            [weight for weight in self.module.parameters() if weight.requires_grad],
            method.rate(self.data),
            weight_decay=method.weight_decay,
            fused=True,
        )
        factor = partial(learning_rate_factor, warmup=method.warmup_steps, total=method.epochs * self.steps)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, factor)
        self.scaler = self.device.scaler()

    def _pass(self) -> None:
        self.module.train()
        done = self.epoch * self.steps
        counting = self.module.register_forward_hook(self._count)
        for _ in range(self.passes):
            for batch_B in np.array_split(self.rng.permutation(self.places_P), self.steps // self.passes):
                self._step(batch_B, self._unlabeled(), done)
                done += 1
        counting.remove()

    def _count(self, module: nn.Module, inputs: object, outputs: Tensor) -> None:
        """Count a forward pass as 1 a row, and the backward pass that follows where there are gradients as 2."""
        self.row_passes += len(outputs) * (3 if outputs.requires_grad else 1)

    def _unlabeled(self) -> Ids:
        """The next unlabeled rows. A new pass over them starts when the remaining rows do not fill a batch."""
        if self.unlabeled_size and len(self.waiting_U) < self.unlabeled_size:
            rows, wanted = len(self.data.unlabeled_ids_U), self.method.epochs * self.steps * self.unlabeled_size
            # From a pool larger than what the fit reads in all, draw only as many rows as it reads.
            few = wanted < rows
            self.waiting_U = self.rng.choice(rows, wanted, replace=False) if few else self.rng.permutation(rows)
        batch_U, self.waiting_U = self.waiting_U[: self.unlabeled_size], self.waiting_U[self.unlabeled_size :]
        return batch_U

    def _step(self, batch_B: Ids, batch_U: Ids, done: int) -> None:
        device = self.device
        progress = done / (self.method.epochs * self.steps)
        self.optimizer.zero_grad(set_to_none=True)
        # Every process and every part needs a row, since a mean over none is NaN: few rows are repeated for all
        # processes, and give fewer parts than asked for.
        batch_B, batch_U = (np.tile(rows, device.size if len(rows) < device.size else 1) for rows in (batch_B, batch_U))
        parts = min([self.method.accumulation] + [len(rows) // device.size for rows in (batch_B, batch_U) if len(rows)])
        labeled, unlabeled = (_share(rows, device, parts) for rows in (batch_B, batch_U))
        for part_B, part_U in zip(labeled, unlabeled, strict=True):
            # Parallel gradients are averaged over the processes, so each is weighted by its rows.
            share = len(part_B) * device.size / len(batch_B)
            balance = len(part_U) * device.size / len(batch_U) / share if len(batch_U) else 1.0
            step = Step(
                self.wrapped,
                self.data,
                device,
                self.state,
                part_B,
                part_U,
                self.epoch,
                progress,
                self.rng,
                balance,
                self.optimizer,
            )
            with device.autocast():
                loss = self.method.loss(step)
            if not math.isfinite(value := float(loss.detach())):
                raise self._diverged(value, done, step)
            self.scaler.scale(loss * share if share != 1 else loss).backward()  # type: ignore[no-untyped-call]
        if self.method.gradient_clip is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.module.parameters(), self.method.gradient_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()

    def _judge(self) -> None:
        score = self._score()
        if score >= self.kept.score:
            weights = copy.deepcopy(self.module.state_dict())
            self.kept, self.waited = KeptEpoch(score, weights, merged(self.steps_of_epoch, self.device)), 0
        else:
            self.waited += 1

    def _score(self) -> tuple[float, ...]:
        """Larger for a better epoch; for a later one where validation rows are absent or not used."""
        keep, validate = self.method.keep, self.data.validate
        if keep == "last" or validate is None:
            return (float(self.epoch),)
        self.module.eval()
        found = validate(self.module)
        if self.device.size > 1:
            # One process decides for all: results may differ in the last bits, and one that stops would block the rest.
            found = Validated(*self.device.gather(torch.tensor([[found.accuracy, found.loss]]))[0].tolist())
        if not math.isfinite(found.loss):
            raise FloatingPointError(
                f"{self._name()}: validation loss {found.loss} after epoch {self.epoch} at learning "
                f"rate {self._learning_rate():.3g}; lower `learning_rate`"
            )
        return found.score(keep)

    def _diverged(self, value: float, done: int, step: Step) -> FloatingPointError:
        data = self.data
        labeled = data.labeled_ids_L[step.labeled_B].tolist()
        unlabeled = data.unlabeled_ids_U[step.unlabeled_U].tolist()
        shown = ", ".join(map(str, labeled[:SHOWN_IDS])) + (", ..." if len(labeled) > SHOWN_IDS else "")
        error = FloatingPointError(
            f"{self._name()}: loss {value} at step {done} (epoch {self.epoch}), learning rate "
            f"{self._learning_rate():.3g}, labeled rows {shown}; lower `learning_rate` or set `gradient_clip`"
        )
        error.add_note(f"pool ids of the batch: labeled {labeled}, unlabeled {unlabeled}")
        return error

    def _name(self) -> str:
        return type(self.method).__module__.rpartition(".")[2]

    def _learning_rate(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def _snapshot(self) -> dict[str, Any]:
        return {
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict()["last_epoch"],
            "scaler": self.scaler.state_dict(),
            "state": self.state,
            "waiting": torch.from_numpy(self.waiting_U),
            "rng": self.rng.bit_generator.state,
            "torch": [torch.get_rng_state(), *torch.cuda.get_rng_state_all()],
            "course": [self.epoch, self.waited],
            "row_passes": self.row_passes,
        } | self.kept.state()

    def _restore(self, found: dict[str, Any]) -> None:
        self.module.load_state_dict(found["module"])
        self.kept = KeptEpoch.of_state(found)
        self.optimizer.load_state_dict(found["optimizer"])
        self.schedule.last_epoch = found["schedule"]
        self.scaler.load_state_dict(found["scaler"])
        for name, kept in found["state"].items():
            self.state[name].copy_(kept)
        self.waiting_U = found["waiting"].numpy()
        self.rng.bit_generator.state = found["rng"]
        self.row_passes = found.get("row_passes", 0)
        self.epoch, *_, self.waited = found["course"]  # older checkpoints have the lowest loss in between


def _share(rows_B: Ids, device: Device, parts: int) -> list[Ids]:
    """This process's rows of a batch, cut into parts."""
    return np.array_split(rows_B[device.rank :: device.size], parts)


@contextmanager
def _seeded(seed: int, states: list[Tensor] | None) -> Iterator[None]:
    """Seed or restore torch's own generators (dropout, image mixing), and put their earlier states back at the end."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        if states is not None:
            torch.set_rng_state(states[0])
            torch.cuda.set_rng_state_all(states[1 : 1 + torch.cuda.device_count()])  # fewer GPUs than then
        yield


def learning_rate_factor(step: int, warmup: int, total: int) -> float:
    """Linear warm-up over min(warmup, total / 10) steps to 1, then half a cosine to 0 at `total`."""
    capped = min(warmup, int(WARMUP_CAP * total))
    if step < capped:
        return (step + 1) / capped
    return 0.5 * (1 + math.cos(math.pi * (step - capped) / max(1, total - capped)))
