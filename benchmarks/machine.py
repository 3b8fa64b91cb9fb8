"""What every benchmark says about the machine, and the form of its answer: one JSON object on standard output."""

import argparse
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from labelbench_ray.storage.versions import versions

CORES = len(os.sched_getaffinity(0))
LOAD_AT_START = os.getloadavg()
"""Taken before the benchmark itself loads the machine: what others do on it."""


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options that all benchmarks take; `all.py` passes them on."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument(
        "--data-root", type=Path, default=os.environ.get("LABELBENCH_DATA_ROOT", "data"), help="where data sets lie"
    )
    made.add_argument("--runs", type=Path, help="where ledgers lie; default: a fresh folder, deleted at the end")
    made.add_argument("--store", type=Path, help="where embeddings lie; default: a fresh folder, deleted at the end")
    return made


def machine() -> dict[str, Any]:
    """Processor, cores, load by others, versions."""
    return {
        "processor": _processor(),
        "cores": CORES,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_average_at_start": [round(load, 2) for load in LOAD_AT_START],
        "system": platform.platform(),
        "versions": versions() | {"onnxruntime": version("onnxruntime")},
    }


def show(benchmark: str, measured: dict[str, Any], target: dict[str, Any], *, met: bool) -> None:
    """Print the answer: what was measured, what the issue asks for, and whether that is reached."""
    answer = {"benchmark": benchmark, "measured": rounded(measured), "target": rounded(target), "met": met}
    print(json.dumps(answer | {"machine": machine()}, indent=1))


def show_measured(benchmark: str, measured: dict[str, Any]) -> None:
    """Print figures that have no target."""
    print(json.dumps({"benchmark": benchmark, "measured": rounded(measured), "machine": machine()}, indent=1))


def show_skipped(benchmark: str, why: str) -> None:
    """Print that this benchmark cannot run here, and what it needs."""
    print(json.dumps({"benchmark": benchmark, "skipped": why}, indent=1))


def rounded(value: Any) -> Any:  # noqa: ANN401  JSON of any shape
    """The same with numbers of at most four significant digits, as far as they are not whole."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    if isinstance(value, float):
        return round(value) if abs(value) >= 10_000 else float(f"{value:.4g}")
    return value


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
