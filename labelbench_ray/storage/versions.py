"""Versions of the code that made a number: recorded beside it, never part of its identity."""

import platform
import shutil
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

OURS = "labelbench-ray"
PACKAGES = (OURS, "ray", "torch", "numpy", "scikit-learn", "pyarrow", "open_clip_torch", "mlflow")


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on, and our commit when run from a checkout."""
    found = {"python": platform.python_version()} | {package: _version(package) for package in PACKAGES}
    checkout = Path(__file__).parent.parent
    if (checkout / ".git").exists() and (git := shutil.which("git")):
        described = subprocess.run(
            [git, "-C", str(checkout), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
        )
        found["commit"] = described.stdout.strip() or "unknown"
    return found


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # our package, when a job ships the code without installing it
        return "unknown"
