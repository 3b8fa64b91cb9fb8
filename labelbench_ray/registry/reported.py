"""What can be checked of a registry's tables alone, where no ledgers come with them."""

from pathlib import Path
from typing import Any

from labelbench_ray.errors import RegistryError
from labelbench_ray.registry.archive import HOW
from labelbench_ray.registry.schema import protocol_id


def check_reported(trials_file: Path, trials: Any, rounds_file: Path, rounds: Any) -> None:  # noqa: ANN401
    """Refuse tables that contradict themselves or each other; `valid` has checked both.

    Raises:
        RegistryError: a trial or round has another protocol, number of labels or last value than the rest states.
    """
    stated: dict[str, dict[str, Any]] = {}
    for row in trials.to_pylist():
        name = row["fingerprint"]
        if row["protocol_id"] != protocol_id(row):
            raise RegistryError(
                f"{trials_file}: trial {name}: protocol_id is {row['protocol_id']}, its columns give "
                f"{protocol_id(row)}; {HOW}"
            )
        if row["num_labels"] != row["rounds"] * row["budget"]:
            raise RegistryError(
                f"{trials_file}: trial {name}: num_labels is {row['num_labels']}, {row['rounds']} rounds of "
                f"{row['budget']} buy others; {HOW}"
            )
        stated[name] = row
    for row in rounds.to_pylist():
        trial = stated[row["fingerprint"]]
        if row["num_labels"] != trial["budget"] * (row["round"] + 1):
            raise RegistryError(
                f"{rounds_file}: trial {row['fingerprint']}, round {row['round']}: num_labels is {row['num_labels']}, "
                f"{trial['budget']} are bought a round; {HOW}"
            )
        is_last = row["round"] == trial["rounds"] - 1 and row["metric"] == trial["metric"]
        if is_last and row["value"] != trial["value"]:
            raise RegistryError(
                f"{trials_file}: trial {row['fingerprint']}: value is {trial['value']}, its last round states "
                f"{row['value']}; {HOW}"
            )
