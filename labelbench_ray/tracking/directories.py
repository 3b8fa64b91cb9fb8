"""Which folders of an experiment have a run in MLflow; without MLflow, whose import takes seconds."""

from pathlib import Path

from labelbench_ray.ledger.finetunes import FOLDER, HEADER
from labelbench_ray.ledger.records import Grid
from labelbench_ray.ledger.shared import shared_directories


def tracked_directories(folder: Path, grid: Grid) -> list[Path]:
    """Each trial and fine-tune of an experiment that has begun: those of earlier grids and shared ones as well."""
    shared = shared_directories(folder, grid)
    found = [*folder.glob("*/trial.json"), *folder.glob(f"*/{FOLDER}/*/{HEADER}")]
    found += [path for each in shared for path in (each / "trial.json", *each.glob(f"{FOLDER}/*/{HEADER}"))]
    return sorted(path.parent for path in found)
