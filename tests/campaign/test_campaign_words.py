"""Counts with their nouns: one of a thing is not several."""

from dataclasses import replace
from pathlib import Path

from labelbench_ray.campaign.export import Exported
from labelbench_ray.campaign.words import describe_export, describe_proposal
from tests.campaign.campaigns import make_home


def test_a_proposal_of_one_row_and_of_several(tmp_path):
    home = make_home(tmp_path)
    proposal = home.propose("b1", 1)
    one = "\n".join(describe_proposal(replace(proposal, pending=1, gained=1), home.campaign))
    assert "batch 0: 1 row of 40, chosen by" in one
    assert "batch.csv: 1 row, written" in one
    assert "1 row of earlier batches awaits answers" in one
    assert "the pool has 1 new row, 40 in all" in one
    assert "1 rows" not in one
    several = "\n".join(describe_proposal(replace(home.propose("b2", 10), pending=2), home.campaign))
    assert "batch 1: 10 rows of 40" in several
    assert "1 of them only measures the model" in several
    assert "2 rows of earlier batches await answers" in several


def test_an_export(tmp_path):
    exported = Exported(path=Path("labels.parquet"), people=1, model=1, classes=("a",), left_out=1)
    text = "\n".join(describe_export(exported))
    assert "1 label of people, and predictions of a model for 1 other row" in text
    assert "left out: 1 row asked, without a label" in text
    none = describe_export(Exported(path=Path("labels.parquet"), people=2, model=0, classes=(), left_out=0))
    assert none[1] == "classes: none; no row has any"
