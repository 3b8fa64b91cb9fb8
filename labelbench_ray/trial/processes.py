"""What computes for a trial: its own process alone, or on a cluster others beside it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from labelbench_ray.embeddings.store import embedded
from labelbench_ray.proxies.multitask.fit import one_by_one
from labelbench_ray.trainers.engine.device import Device
from labelbench_ray.trial.fit_light import Fitter, OpenView, in_process

if TYPE_CHECKING:
    from labelbench_ray.trial.fit_full import FullFitter


@dataclass(frozen=True, slots=True)
class FitWorkers:
    """The workers that share a fit."""

    count: int = 1
    cpus: float = 1.0
    """Of each."""
    gpus: int = 0
    """Of each."""

    @property
    def resources(self) -> dict[str, float]:
        """What one of them reserves."""
        return {"CPU": self.cpus, "GPU": float(self.gpus)}

    @property
    def threads(self) -> int:
        """What one of them augments images with."""
        return max(1, int(self.cpus))

    @property
    def bundles(self) -> list[dict[str, float]]:
        """What they reserve beside the trial's own; nothing where the fit is in the trial's process."""
        return [self.resources] * self.count if self.count > 1 else []


IN_PROCESS: Final = FitWorkers()
MakeFitter = Callable[[Device], "FullFitter"]


class Processes(Protocol):
    """What computes for a trial: its own process, and on a cluster others beside it."""

    @property
    def scorers(self) -> int:
        """Scorer actors that the trial starts."""
        ...

    @property
    def fit_workers(self) -> FitWorkers:
        """Workers that share its fits."""
        ...

    def view(self, store: Path) -> AbstractContextManager[OpenView]:
        """How strategies see the pool of a store."""
        ...

    def fitter(self, make: MakeFitter, directory: Path) -> Fitter:
        """The fitter of a full model, with what it needs on disk in the trial's directory."""
        ...

    def map(self, function: Callable[[Any], Any], items: Sequence[Any], /) -> list[Any]:
        """A function of every item, in the order of the items: in this process, or in tasks of a cluster."""
        ...

    def is_death(self, error: Exception) -> bool:
        """Whether the error states that a process or a node was lost: the trial did not fail and is resumed."""
        ...


@dataclass(frozen=True, slots=True)
class OneProcess:
    """The trial's own process alone (a `Processes`)."""

    fit_workers: FitWorkers = IN_PROCESS
    """One; with a GPU where it may use it."""
    scorers: int = 0

    def view(self, store: Path) -> AbstractContextManager[OpenView]:
        """Views that this process computes."""
        return nullcontext(in_process(embedded(store)))

    def fitter(self, make: MakeFitter, directory: Path) -> Fitter:
        """Fits in this process."""
        return make(Device("cuda" if self.fit_workers.gpus else "cpu", threads=self.fit_workers.threads))

    def map(self, function: Callable[[Any], Any], items: Sequence[Any], /) -> list[Any]:
        """One after the other."""
        return one_by_one(function, items)

    def is_death(self, error: Exception) -> bool:
        """No other process can be lost."""
        return False


ONE_PROCESS: Final = OneProcess()
