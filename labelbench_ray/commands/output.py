"""The console that commands print on."""

import sys
from collections.abc import Iterable
from typing import Final

from labelbench_ray.api.preparation import print_lines
from labelbench_ray.console.escaping import SafeConsole

console: Final = SafeConsole(width=None if sys.stdout.isatty() else 120)


def state(lines: Iterable[str]) -> None:
    """Print lines as they are, each uncut."""
    print_lines(console, lines)
