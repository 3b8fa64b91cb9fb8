"""Rows as people see them: the order of a batch is a prefix order, whatever its size."""

from labelbench_ray.answers.to_show import FileAt, batch_to_show


def test_the_first_chosen_row_has_the_smallest_score_and_the_last_one_has_1():
    shown = batch_to_show(["b", "a", "c"], [FileAt("/pool/b.jpg"), "a text", b"bytes"])
    assert [row.row_id for row in shown] == ["b", "a", "c"]
    assert [row.score for row in shown] == [1 / 3, 2 / 3, 1]
    assert {row.suggestion for row in shown} == {None}
