"""The batch that people are handed: every row once, in order; nothing that they wrote is lost."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelbench_ray.datasets import Modality
from labelbench_ray.oracles.files import Files
from tests.oracles.questions import Asked, MadeUpRows

ROWS = ("007", "=1+1", "'=x", "-", 'say "hi", twice\nor more')


def posted(asked: Asked) -> list[dict[str, str]]:
    Files().post(asked.question())
    return list(csv.DictReader(io.StringIO((asked.directory / "batch.csv").read_text(), newline="")))


def test_the_batch_lists_the_rows_in_the_order_in_which_they_were_chosen(tmp_path):
    rows = posted(Asked(tmp_path, ["b", "a"]))
    assert rows == [
        {"row_id": "b", "text": "text of b", "order": "0", "strategy": "margin", "label": ""},
        {"row_id": "a", "text": "text of a", "order": "1", "strategy": "margin", "label": ""},
    ]
    assert (tmp_path / "batch.csv").read_bytes().startswith(b"row_id,text,")
    assert (tmp_path / "answers").is_dir()


def test_no_cell_is_a_formula_and_every_id_comes_back_as_it_was(tmp_path):
    asked = Asked(tmp_path, ROWS)
    rows = posted(asked)
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(row | {"label": "dog"} for row in rows)
    (tmp_path / "answers" / "filled.csv").write_text(text.getvalue(), newline="")
    assert Files().answer(asked.question()).tolist() == [1] * len(ROWS)


def test_an_untouched_batch_of_the_round_before_makes_room(tmp_path):
    posted(Asked(tmp_path, ["a", "b"]))
    assert [row["row_id"] for row in posted(Asked(tmp_path, ["c", "d"], round=1))] == ["c", "d"]
    assert list((tmp_path / "answers").iterdir()) == []


def test_a_batch_that_people_fill_in_stays_while_its_round_lasts(tmp_path):
    asked = Asked(tmp_path, ["a", "b", "c"])
    posted(asked)
    filled = "row_id;text;order;strategy;label\r\na;text of a;0;margin;dog\r\nb;text of b;1;margin;\r\n"
    (tmp_path / "batch.csv").write_text(filled, newline="")
    Files().post(asked.question())
    assert (tmp_path / "batch.csv").read_bytes().decode() == filled


@pytest.mark.parametrize("changed", ["row_id,label\na,dog\n", "no header\n"])
def test_what_people_wrote_into_a_batch_is_kept_when_the_next_one_comes(tmp_path, changed: str):
    posted(Asked(tmp_path, ["a", "b"]))
    (tmp_path / "batch.csv").write_text(changed)
    following = Asked(tmp_path, ["c", "d"], round=1)
    for _ in range(2):  # a process that was killed in between does it again
        (tmp_path / "batch.csv").write_text(changed)
        assert [row["row_id"] for row in posted(following)] == ["c", "d"]
    (kept,) = (tmp_path / "answers").iterdir()
    assert kept.read_text() == changed


def test_images_that_are_files_are_named_by_their_path(tmp_path):
    rows = MadeUpRows(["a", "b"], files=["/photos/a.jpg", "/photos/b.jpg"], modality=Modality.IMAGE)
    assert [row["path"] for row in posted(Asked(tmp_path, ["a", "b"], rows=rows))] == ["/photos/a.jpg", "/photos/b.jpg"]


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_images_that_are_not_files_are_written_beside_the_batch(tmp_path, kind: str):
    data = io.BytesIO()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(data, kind)
    rows = MadeUpRows(["a", "b"], payload=[data.getvalue(), b"not an image"], modality=Modality.IMAGE)
    first, second = (Path(row["path"]) for row in posted(Asked(tmp_path, ["a", "b"], rows=rows)))
    assert first.read_bytes() == data.getvalue()
    assert first.name == f"0000.{kind}"
    assert second.suffix == ".img"
    posted(Asked(tmp_path, ["b", "a"], rows=MadeUpRows(["b", "a"], rows.payload, modality=Modality.IMAGE), round=1))
    assert first.exists(), "the batch lists the same rows, so it stays"
    following = MadeUpRows(["c"], payload=[data.getvalue()], modality=Modality.IMAGE)
    assert Path(posted(Asked(tmp_path, ["c"], rows=following, round=1))[0]["path"]).parent.name == "001"
    assert not first.exists()
