"""Where an experiment's results come from: the command, the commit of the experiment's files, and the machine.

Recorded beside the trials for people who read the report, never part of an identity.
"""

import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from labelbench_ray.console.redaction import redacted, redacted_command
from labelbench_ray.plugins import Frozen

OURS: Final = {"labelbench", "__main__"}
PROCESSORS: Final = Path("/proc/cpuinfo")


class Origin(Frozen):
    """Each text is empty where it is not known. No secret and no home folder is in them."""

    command: str = ""
    commit: str = ""
    """`git describe --always --dirty` of the repository that the experiment's file lies in."""
    machine: str = ""
    """Processor, cores, memory and system of the machine on which the command ran."""


def origin(folder: Path) -> Origin:
    """That of the running process, for an experiment whose file lies in `folder`."""
    return Origin(command=command_line(sys.argv), commit=commit(folder), machine=machine())


def command_line(words: list[str]) -> str:
    """A command without secrets: each word is redacted, and the home folder is `~`; a script by its file's name."""
    if not words or not words[0] or words[0] == "-c":
        return ""
    first, *others = words
    if Path(first).stem in OURS:
        return shlex.join(["labelbench", *map(_public, redacted_command(others))])
    name = Path(first).name
    return "" if name.startswith(("ipykernel", "colab_kernel", "pytest")) else f"python {shlex.quote(_public(name))}"


def commit(folder: Path) -> str:
    """The state of the repository around a folder; "" without one or without git."""
    git = shutil.which("git")
    if git is None or not any((above / ".git").exists() for above in (folder, *folder.parents)):
        return ""
    describe = [git, "--no-optional-locks", "-C", str(folder), "describe", "--always", "--dirty"]
    try:
        described = subprocess.run(describe, capture_output=True, text=True, check=False, timeout=10, encoding="utf-8")
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return described.stdout.strip()


def machine() -> str:
    """`AMD EPYC 9554, 16 cores, 126 GiB, Linux x86_64`."""
    parts = [_processor(), f"{_cores()} core{'s' if _cores() != 1 else ''}", _memory()]
    return ", ".join(filter(None, [*parts, f"{platform.system()} {platform.machine()}"]))


def _public(word: str) -> str:
    home = str(Path.home())
    shown = redacted(word)
    return shown.replace(home, "~") if len(home) > 1 else shown


def _processor() -> str:
    try:
        lines = PROCESSORS.read_text("utf-8", "replace").splitlines()
    except OSError:  # not on Linux
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (ValueError, OSError, AttributeError):  # not on this system
        return ""
