"""Groups of evaluation splits as a store's manifest states them."""

from labelbench_ray.datasets import Source
from labelbench_ray.plugins import Frozen


class StoredGroups(Frozen):
    """The groups of an evaluation split."""

    names: tuple[str, ...]
    sha256: str
    """Hash of the names and of the group of every row, as the data set had them."""


def group_hashes(source: Source) -> dict[str, str]:
    """The hash of the groups of each evaluation split that has some."""
    return {name: groups.sha256 for name, groups in stored_groups(source).items()}


def stored_groups(source: Source) -> dict[str, StoredGroups]:
    """The groups of a data set's evaluation splits, by split."""
    return {
        name: StoredGroups(names=split.groups.names, sha256=split.groups.sha256())
        for name, split in source.splits.items()
        if split.groups
    }
