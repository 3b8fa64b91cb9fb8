"""A process's share of a parallel fit, by torch.distributed."""

from functools import partial

import torch
from torch import Tensor, distributed
from torch.nn.parallel import DistributedDataParallel

from labelbench_ray.trainers.engine.device import Device, Precision


def process_group(device: str = "cpu", precision: Precision = "float32") -> Device:
    """The device of this process in the current process group."""
    return Device(
        kind=device,
        precision=precision,
        rank=distributed.get_rank(),
        size=distributed.get_world_size(),
        wrap=DistributedDataParallel,
        gather=partial(gathered, device=device),
    )


def gathered(rows: Tensor, device: str = "cpu") -> Tensor:
    """Rows of all processes, in the order of their ranks; their numbers of rows may differ."""
    size = distributed.get_world_size()
    own = rows.detach().to(device)
    counts = [torch.zeros(1, dtype=torch.int64, device=device) for _ in range(size)]
    distributed.all_gather(counts, torch.tensor([len(own)], device=device))
    most = max(int(count) for count in counts)
    padded = own.new_zeros(most, *own.shape[1:])
    padded[: len(own)] = own
    found = [torch.empty_like(padded) for _ in range(size)]
    distributed.all_gather(found, padded)
    return torch.cat([part[: int(count)] for part, count in zip(found, counts, strict=True)]).to(rows.device)
