"""What the shared fits of a killed trial leave behind; deleted without importing what fits need (torch, Ray Train)."""

from contextlib import suppress
from pathlib import Path
from typing import Final

from ray import PlacementGroupID
from ray.util import remove_placement_group
from ray.util.placement_group import PlacementGroup

from labelbench_ray.storage.atomic import remove

GROUP: Final = "group"
"""Holds the id of the workers' placement group."""


def end_fits(directory: Path) -> None:
    """Delete what the fits of a killed trial left."""
    for path in directory.glob(".fit-*"):
        end_fit(path)


def end_fit(scratch: Path) -> None:
    """Delete what a fit left, including its workers: after a kill of the trial's process they would keep their CPUs.

    Ray Train's own cleanup asks the dashboard whether the trial is alive, and there may be no dashboard.
    """
    with suppress(FileNotFoundError):
        remove_placement_group(PlacementGroup(PlacementGroupID(bytes.fromhex((scratch / GROUP).read_text("utf-8")))))
    remove(scratch)
