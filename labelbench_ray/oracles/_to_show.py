"""Rows of a pool as annotation tools show them."""

from collections.abc import Sequence

from labelbench_ray.answers.to_show import FileAt, Payload, ToShow, batch_to_show
from labelbench_ray.oracles import PoolRows
from labelbench_ray.types import Ids


def rows_to_show(rows: PoolRows, ids_B: Ids) -> tuple[ToShow, ...]:
    """These rows in their order: files where the data set has them, else the bytes of each, or its text."""
    payloads: Sequence[Payload] = [FileAt(location) for location in rows.locations(ids_B)]
    if not rows.modality.traits.is_file:
        payloads = [each if isinstance(each, str) else each.decode(errors="replace") for each in rows.payloads(ids_B)]
    return batch_to_show(rows.row_ids(ids_B), payloads or rows.payloads(ids_B))
