"""The models of the devices that embed, as recorded beside a compute path."""

import platform
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from labelbench_ray.encoders import Device

CPU_INFO: Final = Path("/proc/cpuinfo")
ON_GPU: Final = re.compile(r"(?P<path>.* cuda)(?: \((?P<models>.+)\))?")
"""A compute path of our torch networks on a GPU, such as `torch float16 cuda (NVIDIA H200)`."""


@cache
def device_model(device: Device) -> str:
    """The model of this machine's processor or GPU."""
    if device == "cuda":
        import torch  # which readers do without

        return torch.cuda.get_device_name() if torch.cuda.is_available() else "cuda"
    lines = CPU_INFO.read_text("utf-8").splitlines() if CPU_INFO.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def without_models(compute: str) -> str:
    """A compute path without the models of GPUs that ran it."""
    match = ON_GPU.fullmatch(compute)
    return match["path"] if match else compute


def one_path(computes: Iterable[str]) -> str | None:
    """The one compute path of shards, with all models of GPUs that ran it; None for several paths."""
    distinct = sorted({*computes})
    if len(distinct) == 1:
        return distinct[0]
    found = [match for each in distinct if (match := ON_GPU.fullmatch(each))]
    if len(found) < len(distinct) or len({each["path"] for each in found}) != 1:
        return None
    models = sorted({model for each in found if each["models"] for model in each["models"].split(", ")})
    return f"{found[0]['path']} ({', '.join(models)})"
