"""The id of a batch."""

from labelbench_ray.campaign import record
from labelbench_ray.campaign.record import Batch


def made(**fields: object) -> Batch:
    stated = {"campaign": "c", "number": 0, "row_ids": ("a", "b"), "budget": 2, "strategy": "margin", "chosen_by": "x"}
    return Batch.model_validate(stated | {"model": "", "answers": "", "labels": 0, "out": "b1"} | fields)


def test_the_id_of_a_batch_is_computed_once(monkeypatch):
    computed = []
    monkeypatch.setattr(record, "digest", lambda value: computed.append(value) or "digest")
    batch = made()
    assert [batch.id, batch.id] == ["digest", "digest"]
    assert len(computed) == 1


def test_a_copy_with_other_rows_has_their_id():
    batch = made()
    first = batch.id
    assert batch.model_copy(update={"row_ids": ("c", "d")}).id == made(row_ids=("c", "d")).id != first
    assert batch == made()
