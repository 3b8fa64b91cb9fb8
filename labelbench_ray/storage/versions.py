"""Versions of the code that made a number: recorded beside it, never part of its identity."""

import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path

__version__ = "0.2.0"
OURS = "labelbench-ray"
PACKAGES = ("ray", "torch", "numpy", "scikit-learn", "pyarrow", "open_clip_torch", "mlflow")
CHECKOUT = Path(__file__).parents[2]
"""The folder that the package lies in, a repository unless it is installed."""


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on, and our commit when run from a checkout.

    Ours is that of the code that runs: an installation from a checkout may state an older one.
    """
    found = {"python": platform.python_version(), OURS: __version__}
    found |= {package: _version(package) for package in PACKAGES}
    if (CHECKOUT / ".git").exists() and (git := shutil.which("git")):
        describe = [git, "--no-optional-locks", "-C", str(CHECKOUT), "describe", "--always", "--dirty"]
        described = subprocess.run(describe, capture_output=True, text=True, check=False)
        found["commit"] = described.stdout.strip() or "unknown"
    return found


def _version(package: str) -> str:
    # Imported here: it takes 20 ms, and `labelbench --help` needs our own version only.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
