"""What can be checked of a registry's tables alone, where no ledgers come with them."""

from collections import Counter
from pathlib import Path
from typing import Any

from labelbench_ray.errors import RegistryError
from labelbench_ray.registry.archive import HOW
from labelbench_ray.registry.schema import ROUND_KEY, protocol_id


def check_reported(trials_file: Path, trials: Any, rounds_file: Path, rounds: Any) -> None:  # noqa: ANN401
    """Refuse tables that contradict themselves or each other.

    Raises:
        RegistryError: a trial or round is missing or repeated, or has another protocol, number of labels or last value
            than the rest states.
    """
    stated: dict[str, dict[str, Any]] = {}
    for row in trials.to_pylist():
        name = row["fingerprint"]
        if name in stated:
            raise RegistryError(f"{trials_file}: trial {name} is there twice; {HOW}")
        if row["protocol_id"] != protocol_id(row):
            raise RegistryError(
                f"{trials_file}: trial {name}: protocol_id is {row['protocol_id']}, its columns give "
                f"{protocol_id(row)}; {HOW}"
            )
        stated[name] = row
    seen: dict[str, set[int]] = {name: set() for name in stated}
    last: dict[tuple[str, str], float] = {}
    for row in rounds.to_pylist():
        trial = stated.get(row["fingerprint"])
        where = f"{rounds_file}: trial {row['fingerprint']}, round {row['round']}"
        if trial is None:
            raise RegistryError(f"{where}: {trials_file.name} holds no such trial; {HOW}")
        if row["round"] is None or row["num_labels"] != trial["budget"] * (row["round"] + 1):
            raise RegistryError(
                f"{where}: num_labels is {row['num_labels']}, {trial['budget']} are bought a round; {HOW}"
            )
        seen[row["fingerprint"]].add(row["round"])
        if row["round"] == trial["rounds"] - 1:
            last[row["fingerprint"], row["metric"]] = row["value"]
    _check_complete(trials_file, rounds_file, stated, seen, last)
    for key, count in Counter(zip(*(rounds[name].to_pylist() for name in ROUND_KEY), strict=True)).items():
        if count > 1:
            raise RegistryError(
                f"{rounds_file}: trial {key[0]}, round {key[1]}, {key[2]}: is there {count} times; {HOW}"
            )


def _check_complete(
    trials_file: Path,
    rounds_file: Path,
    stated: dict[str, dict[str, Any]],
    seen: dict[str, set[int]],
    last: dict[tuple[str, str], float],
) -> None:
    for name, row in stated.items():
        if lacking := sorted({*range(row["rounds"])} ^ seen[name]):
            raise RegistryError(f"{rounds_file}: trial {name}, round {lacking[0]}: is missing or too many; {HOW}")
        if row["num_labels"] != row["rounds"] * row["budget"]:
            raise RegistryError(
                f"{trials_file}: trial {name}: num_labels is {row['num_labels']}, {row['rounds']} rounds of "
                f"{row['budget']} buy others; {HOW}"
            )
        if last.get((name, row["metric"])) != row["value"]:
            raise RegistryError(
                f"{trials_file}: trial {name}: value is {row['value']}, its last round states "
                f"{last.get((name, row['metric']))}; {HOW}"
            )
