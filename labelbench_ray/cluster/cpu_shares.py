"""How many actors embed, and the CPUs that they and their readers ask for."""

import math
from collections.abc import Sequence
from typing import NamedTuple

# Actors with a full CPU each would starve the tasks that feed them; the operating system shares the cores well enough.
CPUS_PER_ACTOR = 0.5
CPUS_PER_READER = 1.0
"""Decoding keeps a core busy, and a reader holds the decoded rows of a shard. Differs from the actors', or Ray Data
would fuse reading into them, and a GPU would wait for the decoding."""
CPUS_PER_READER_OF_SMALL_NODES = 0.25
"""Where a node has one CPU, an actor and a reader share it."""


class Actors(NamedTuple):
    """How many actors embed."""

    most: int
    at_first: int
    """Started at once. Further ones, up to `most`, are asked for while shards wait, and begin as their nodes come."""


class Shares(NamedTuple):
    """CPUs that a reader and an actor on CPUs ask for."""

    reader: float
    actor: float


def cpu_shares(cpus_of_nodes: Sequence[float], actors: int) -> Shares:
    """Shares with which a reader fits beside the actors, wherever Ray places them: else embedding would stand still."""
    nodes = [cpus for cpus in cpus_of_nodes if cpus]
    reader = CPUS_PER_READER if min(nodes, default=0) >= 2 else CPUS_PER_READER_OF_SMALL_NODES
    free = max(0.0, sum(nodes) - len(nodes) * reader)
    return Shares(reader, min(CPUS_PER_ACTOR, math.floor(100 * free / actors) / 100))
