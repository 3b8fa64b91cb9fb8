"""How a table of prompts becomes a pool and held-out prompts: by task, and by a hash of each prompt's id."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.datasets import Groups, Split, Table
from labelbench_ray.errors import DataError
from labelbench_ray.pool.facts import DUPLICATE_OF, Facts

TASK = "task"


def prompt_splits(
    table: Table, tasks_N: NDArray[np.int64], names: tuple[str, ...], held_out_N: NDArray[np.bool_], facts: Facts
) -> dict[str, Split]:
    """The splits: `test` has the held-out prompts with their tasks as groups, `pool` the others with their facts.

    Args:
        table: all prompts.
        tasks_N: the number of each prompt's task.
        names: the tasks' names.
        held_out_N: which prompts are held out.
        facts: further facts of all prompts.
    """
    pool, test = np.flatnonzero(~held_out_N), np.flatnonzero(held_out_N)
    stated = Facts({**facts, TASK: tasks_N.astype(np.float64)}).take(pool)
    return {
        "pool": Split(table, pool, facts=stated),
        "validation": Split(table, range(0)),
        "test": Split(table, test, Groups(tasks_N[test], names)),
    }


def held_out(row_ids: Sequence[str], tasks_N: NDArray[np.int64], rows: int, where: str) -> NDArray[np.bool_]:
    """(N,) the prompts of the smallest hashes of each task, dealt to the tasks by their sizes (largest remainders).

    Raises:
        DataError: no prompt is left for the pool.
    """
    if rows >= len(row_ids):
        raise DataError(
            f"{where}: {len(row_ids):,} prompts, of which test_rows={rows:,} are held out, and none is left to choose "
            "from; lower `test_rows`"
        )
    sizes_T = np.bincount(tasks_N)
    exact_T = rows * sizes_T / len(row_ids)
    quotas_T = np.floor(exact_T).astype(np.int64)
    quotas_T[np.argsort(quotas_T - exact_T, kind="stable")[: rows - quotas_T.sum()]] += 1
    hashes_N = np.array(
        [int.from_bytes(blake2b(row_id.encode(errors="surrogatepass"), digest_size=8).digest()) for row_id in row_ids],
        np.uint64,
    )
    chosen_N = np.zeros(len(row_ids), np.bool_)
    for task, quota in enumerate(quotas_T.tolist()):
        mine = np.flatnonzero(tasks_N == task)
        chosen_N[mine[np.argsort(hashes_N[mine], kind="stable")[:quota]]] = True
    return chosen_N


def duplicates(prompts: Sequence[object], row_ids: Sequence[str], open_N: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N,) -1, or for a prompt that repeats another one the place of that one, which has the lowest id of them.

    Args:
        prompts: of any kind that compares equal; null repeats nothing.
        row_ids: their ids.
        open_N: the prompts of the pool; others repeat nothing and are repeated by nothing.
    """
    first: dict[object, int] = {}
    repeated_N = np.full(len(row_ids), -1.0)
    rows = np.flatnonzero(open_N)
    places: Mapping[int, int] = {int(row): place for place, row in enumerate(rows)}
    for row in sorted(rows.tolist(), key=lambda row: row_ids[row]):
        if prompts[row] is not None and (known := first.setdefault(prompts[row], row)) != row:
            repeated_N[row] = places[known]
    return repeated_N


def duplicates_note(facts: Facts) -> tuple[str, ...]:
    """What a plan states of prompts that repeat another one."""
    repeats = int((facts[DUPLICATE_OF] >= 0).sum()) if DUPLICATE_OF in facts else 0
    return (f"{repeats:,} prompts repeat another one and are not chosen (deduplicate)",) if repeats else ()
