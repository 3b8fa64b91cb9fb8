"""One label a row from the answers of several annotators: `of("one_coin")` is a way to find it."""

import importlib
import importlib.util
from typing import Final

from labelbench_ray.answers.consensus.votes import Consensus, Method, Posterior, Votes
from labelbench_ray.errors import ConfigError, install_hint, unknown

__all__ = ["METHODS", "Consensus", "Method", "Posterior", "Votes", "of"]

METHODS: Final = ("majority", "one_coin", "crowdlab")
"""What a campaign's setting `consensus` names: the files and their functions here."""
PACKAGES: Final = {"crowdlab": "cleanlab"}
"""What a method needs beside the base installation."""


def of(name: str) -> Method:
    """The method with this name.

    Raises:
        ConfigError: there is no such method, or its package is not installed.
    """
    if name not in METHODS:
        raise ConfigError(f"consensus: {unknown('method', name, METHODS)}")
    package = PACKAGES.get(name)
    if package and importlib.util.find_spec(package) is None:
        raise ConfigError(f"consensus: {name!r} needs the package {package!r}: {install_hint(package)}")
    method: Method = getattr(importlib.import_module(f"{__name__}.{name}"), name)
    return method
