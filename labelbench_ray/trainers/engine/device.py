"""Where a fit computes: device, precision, and this process's share of a parallel fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Precision = Literal["float32", "bfloat16", "float16"]


def _same_module(module: nn.Module) -> nn.Module:
    return module


def _same_tensor(tensor: Tensor) -> Tensor:
    return tensor


@dataclass(frozen=True, slots=True)
class Device:
    """One process on one device; several share a fit when `size` is more than 1."""

    kind: str = "cpu"
    """As torch names it: cpu or cuda."""
    precision: Precision = "float32"
    threads: int = 1
    """Threads that prepare images; no number depends on them."""
    rank: int = 0
    size: int = 1
    wrap: Callable[[nn.Module], nn.Module] = _same_module
    """Wraps a module so that its gradients are averaged over the processes."""
    gather: Callable[[Tensor], Tensor] = _same_tensor
    """Collects the rows of all processes in the order of their ranks, without gradients."""

    def autocast(self) -> torch.autocast:
        """The context of a forward pass."""
        import torch

        lower = self.precision != "float32"
        return torch.autocast(
            self.kind, dtype=getattr(torch, self.precision) if lower else torch.bfloat16, enabled=lower
        )

    def scaler(self) -> torch.amp.GradScaler:
        """Loss scaling, which only float16 needs."""
        import torch

        return torch.amp.GradScaler(self.kind, enabled=self.precision == "float16")


ALONE = Device()
