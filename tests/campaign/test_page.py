"""A campaign's page: it shows what was bought, loads nothing, escapes every name, and hides what measures the model."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from labelbench_ray.answers.agreement import agreement
from labelbench_ray.answers.events import Answer, Status, to_table
from labelbench_ray.answers.revisions import revision
from labelbench_ray.campaign.ingest import ingest_files
from labelbench_ray.campaign.known import answered
from labelbench_ray.campaign.next_step import Step, next_folder, next_steps
from labelbench_ray.campaign.page import gold_sentence, page, write_page
from labelbench_ray.campaign.page.shown_rows import SIDE, ShownBatch, ShownRow, batch_to_show, shown_row
from labelbench_ray.campaign.page.tables import LONGEST_NAME, MOST_ROWS, facts
from labelbench_ray.campaign.pool import KnownRows
from labelbench_ray.campaign.record import Batch, Campaign
from labelbench_ray.campaign.standing import Point, Standing
from labelbench_ray.campaign.status import CampaignStatus, Money, campaign_status
from labelbench_ray.config import Part
from labelbench_ray.report.statistics.audit import AuditEstimate
from labelbench_ray.report.statistics.forecast import Call, forecast
from labelbench_ray.report.statistics.stopping import criteria
from tests.campaign.campaigns import make_home, truth
from tests.report.test_report_page import Checker

EVIL = "<script>alert('x')</script>&\"\u202e"
FREE = Money("EUR")
ROWS = tuple(f"row {number:02d}" for number in range(40))
BATCHES = tuple(
    Batch(
        campaign="c",
        number=number,
        row_ids=ROWS[10 * number : 10 * number + 10],
        audit=(ROWS[10 * number + 4],),
        budget=10,
        strategy="margin",
        chosen_by="margin" if number else "typiclust",
        model="",
        answers="",
        labels=0,
        overlap=2,
        annotators=("ann", EVIL),
        out=f"/elsewhere/b{number}",
    )
    for number in range(2)
)


def answer(row: int, who: str, label: str | None, **fields) -> Answer:
    return Answer(
        row_id=ROWS[row],
        annotator=who,
        labels=None if label is None else (label,),
        status=Status.SKIPPED if label is None else Status.SUBMITTED,
        answer_id=fields.pop("answer_id", f"{row} {who}"),
        revision=fields.pop("revision", "1"),
        tool="test",
        **fields,
    )


EVENTS = [
    *(answer(row, who, EVIL if row % 2 else "cat", seconds=2.0) for row in range(9) for who in ("ann", EVIL)),
    answer(0, "ann", "dog", revision="2"),
    answer(9, "ann", None, seconds=4.0),
    answer(8, "expert", "cat", gold=True),
]


def standing(events=EVENTS, batches=BATCHES, rows=ROWS) -> Standing:
    campaign = Campaign(
        dataset=Part.of("unlabeled_folder", path="photos", payload="image"),
        encoder=Part(name="pixels"),
        proxy=Part(name="linear"),
        trainer=Part(name="logistic"),
        first_batch=Part(name="typiclust"),
        seed=0,
        classes=None,
        audit_key="k",
        audit_limit="",
        data_root="/elsewhere",
    )
    table = pa.table({"row_id": pa.array(rows, pa.large_string()), "version": pa.array([0] * len(rows), pa.int32())})
    log = to_table(events)
    folder = Path("runs/photos.campaign")
    return Standing(folder, campaign, batches, log, KnownRows(table, "s", "c"), answered(log, batches))


def planted(points: int = 4, measured: int = 40, **fields) -> CampaignStatus:
    found = standing(**fields)
    every = tuple(
        Point(
            10 + 10 * place,
            AuditEstimate(0.7 + 0.05 * place, 0.6, 0.9, "wilson", measured, 3, "Plain share."),
            np.empty(0, np.int64),
        )
        for place in range(points)
    )
    labels_T, accuracies_T = (np.array([10.0, 20, 30, 40]), np.array([0.7, 0.75, 0.8, 0.85]))
    ahead = forecast(labels_T, accuracies_T, np.array([50.0, 80.0])) if points == 4 else None
    return CampaignStatus(
        standing=found,
        answers=20,
        annotators=("ann", EVIL, "expert"),
        seconds=40.0,
        points=every,
        unmeasured="" if points else "no audit row has a label yet",
        forecast=ahead,
        steps=(Step("read the answers in", f"labelbench annotate ingest '{EVIL}'"),),
    )


def check(text: str) -> list[str]:
    """The texts of a page that is well formed and loads nothing."""
    checker = Checker()
    checker.feed(text)
    assert not checker.open
    assert not checker.references
    assert "http" not in text.replace("http-equiv", "")
    assert set(re.findall(r' src="([^"]{0,22})', text)) <= {"data:image/jpeg;base64"}
    assert "default-src &#39;none&#39;" in text
    assert "script-src" not in text
    assert "<script" not in text
    return checker.texts


WAITING = tuple(ShownRow(row_id, text=EVIL) for row_id in ROWS[10:20])


def shown(rows=WAITING) -> ShownBatch:
    return ShownBatch(1, "/elsewhere/b1", len(rows), rows)


def test_everything_that_was_bought():
    text = page(planted(), Money("EUR", price=0.5, use=1000, harm=1), shown())
    texts = " | ".join(check(text)).replace("\u00a0", " ")
    for wanted in (
        "The model is right on 85.0 % of rows like the pool's (95 % interval 60.0 % to 90.0 %).",
        "It learned from 40 labels; ",
        "20 (1 skip, 1 reference answer among them)",
        "1; a correction is not paid again",
        "40 s, as measured by the tool; 2.00 s an answer",
        "10.00 EUR: 20 answers at 0.5 EUR",
        "rows with a label",
        "rows disputed (answers differ, none leads)",
        "20 rows in 2 batches",
        "| typiclust |",
        "| ann | 10 | 53 % | 1 |",
        "| 100 % | 21 % to 100 %, 1 row |",
        "Krippendorff's alpha is 0.81: reliable.",  # 1 - 17 * 2 / (18^2 - 9^2 - 8^2 - 1)
        "of the last 2 forecasts".capitalize(),
        "A batch of 10 rows costs 10.00 EUR",
        "Batch 1: 10 rows without enough answers",
        "labelbench annotate ingest",
    ):
        assert wanted in texts, (wanted, texts)
    assert text.count('<svg role="img"') == 1
    assert text.count('class="interval"') == 4
    assert text == page(planted(), Money("EUR", price=0.5, use=1000, harm=1), shown())


def test_files_that_were_saved_again_correct_nothing():
    """Revisions of one answer, and whether each states something new."""
    moments = [datetime(2026, 5, 1, hour, tzinfo=UTC) for hour in range(6)]
    stated = ["cat", "cat", "dog", "dog", None, None]
    events = [
        answer(0, "ann", label, revision=revision(moment, label or Status.RETRACTED))
        if label
        else replace(answer(0, "ann", None), status=Status.RETRACTED, revision=revision(moment, Status.RETRACTED))
        for label, moment in zip(stated, moments, strict=True)
    ]
    found = dict(facts(replace(planted(events=events), answers=1), FREE))
    assert found["corrections"] == "1; a correction is not paid again"
    assert found["retracted"] == "1 answer; retracted answers are paid, too"
    again = answer(0, "ann", "dog", revision=revision(datetime(2026, 5, 2, tzinfo=UTC), "dog"))
    assert "retracted" not in dict(facts(replace(planted(events=[*events, again]), answers=1), FREE))


def test_criteria_beside_the_advice():
    rows = np.arange(6)
    found = criteria(np.array([10.0, 20]), [rows % 2, rows % 3], rows < 3, 0.04)
    texts = " | ".join(check(page(replace(planted(), criteria=found), FREE, shown()))).replace("\u00a0", " ")
    assert "| stabilizing predictions | Cohen's kappa of successive models on 6 rows, mean of 3; it compares" in texts
    assert "1 of 3 comparisons so far" in texts
    assert "| 0.3333 | 0.01 or less | would go on |" in texts
    assert "| 0.0400 | 0.05 or less | would stop |" in texts
    assert "Published stopping criteria" not in " ".join(check(page(planted(points=0, events=[]), FREE, None)))


def test_names_are_texts_wherever_they_stand():
    text = page(planted(), FREE, shown())
    check(text)
    assert "\u202e" not in text
    assert "alert('x')" not in text
    assert text.count("&lt;script&gt;alert(") >= 4  # annotator, class, text, command


def test_nothing_shows_which_rows_measure_the_model():
    found = planted()
    other = tuple(batch.model_copy(update={"audit": (batch.row_ids[7],)}) for batch in BATCHES)
    moved = replace(found, standing=standing(batches=other))
    assert page(found, FREE, shown()) == page(moved, FREE, shown())


def test_a_campaign_without_answers():
    found = planted(points=0, events=[])
    texts = " ".join(check(page(replace(found, answers=0, seconds=0.0), FREE, shown())))
    assert "0 rows of 40 labeled." in texts
    assert "no audit row has a label yet" in texts
    assert "By whom" not in texts
    assert "give --price" in texts


def test_one_measured_model_and_no_open_row():
    text = page(planted(points=1), FREE, None)
    texts = " ".join(check(text))
    assert "Whether another batch is worth it is not known yet." in texts
    assert "forecast: after 4 measured batches; 1 so far".capitalize() in texts
    assert "without enough answers" not in texts


def test_long_names_and_many_classes_are_cut():
    events = [answer(row, "a" * 1000, f"{row}{'b' * 1000}") for row in range(20)]
    texts = check(page(planted(events=events), FREE, shown()))
    assert max(len(text) for text in texts if set(text) <= {*"ab0123456789\u2026"}) == LONGEST_NAME
    rows = tuple(f"row {number:03d}" for number in range(200))
    many = [replace(answer(0, "ann", f"class {row}"), row_id=row, answer_id=row) for row in rows]
    assert f"{200 - MOST_ROWS} more classes" in check(page(planted(events=many, batches=(), rows=rows), FREE, None))


def test_images_are_small_and_those_that_cannot_be_decoded_leave_the_id():
    pixels = np.random.default_rng(0).integers(0, 255, (500, 1000, 3)).astype(np.uint8)
    data = BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    found = shown_row("a.png", data.getvalue())
    assert found.image.startswith("data:image/jpeg;base64,")
    assert len(found.image) < 12_000
    assert shown_row("broken.png", b"no image") == ShownRow("broken.png")
    assert shown_row("a", "x" * 1000).text == "x" * (LONGEST_NAME - 1) + "\u2026"
    text = page(planted(), FREE, shown((found,) * 24))
    assert len(text) < 300_000
    assert text.count(f'width="{SIDE}"') == 24


def test_steps_in_their_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    waiting = next_steps(standing(), Path("store"), None)
    assert waiting[0].command == (
        "labelbench annotate ingest /elsewhere/b0/batch.ann.csv "
        "'/elsewhere/b0/batch.<script>alert('\"'\"'x'\"'\"')</script>&\"\u202e.csv' --campaign runs/photos.campaign"
    )
    alone = tuple(batch.model_copy(update={"overlap": 1, "annotators": ()}) for batch in BATCHES)
    done = standing(events=[answer(row, "ann", "cat") for row in range(20)], batches=alone)
    propose, export = next_steps(done, Path("elsewhere"), None)
    assert propose.command == (
        "labelbench annotate propose /elsewhere/photos --budget 10 --out /elsewhere/b2 "
        "--campaign runs/photos.campaign --store elsewhere"
    )
    assert export.command.startswith("labelbench annotate export --out labels.parquet")
    assert next_steps(done, Path("store"), Call.UNLIKELY)[0].what == "export the labels"
    full = standing(events=[answer(row, "ann", "cat") for row in range(20)], batches=alone, rows=ROWS[:20])
    assert [step.what for step in next_steps(full, Path("store"), None)] == ["export the labels"]


@pytest.mark.parametrize(("last", "following"), [("b1", "b3"), ("b09", "b10"), ("first", "first-2")])
def test_the_next_folder(last, following, tmp_path):
    (tmp_path / "b2").mkdir()
    assert next_folder([BATCHES[0].model_copy(update={"out": str(tmp_path / last)})]) == tmp_path / following


def test_a_campaign_from_its_folder(tmp_path):
    home = make_home(tmp_path)
    batch = home.propose("b1", 10).batch
    path = tmp_path / "answers.csv"
    path.write_text("row_id,label\n" + "".join(f"{row_id},{truth(row_id)}\n" for row_id in batch.row_ids[:8]))
    ingest_files(home.campaign, [path])
    store = tmp_path / "store"
    status = campaign_status(home.campaign, store)
    write_page(tmp_path / "new" / "campaign.html", status, FREE, store)
    text = (tmp_path / "new" / "campaign.html").read_text()
    texts = " ".join(check(text))
    assert "Batch 0: 2 rows without enough answers" in texts
    assert text.count('src="data:image/jpeg;base64,') == 2
    assert all(row_id in texts for row_id in batch.row_ids[8:])
    assert not any(row_id in texts for row_id in batch.row_ids[:8])
    (tmp_path / "photos").rename(tmp_path / "moved")
    gone = batch_to_show(status.standing, store)
    assert gone is not None
    assert [row.row_id for row in gone.rows] == list(batch.row_ids[8:])
    assert "photos" in gone.trouble


def test_a_few_rows_state_no_accuracy() -> None:
    texts = " | ".join(check(page(planted(measured=1), Money("EUR"), shown()))).replace("\u00a0", " ")
    assert "Too few rows measure the model: it is right on 60.0 % to 90.0 % of rows like the pool's." in texts
    assert "That is a 95 % interval from 1 row; 30 or more narrow it." in texts
    assert "The model is right on 85.0 %" not in texts


def test_accuracy_on_gold_is_stated():
    found = agreement(to_table(EVENTS))
    assert gold_sentence(found).startswith("Of 2 labels of rows with a reference answer, 100")
    assert gold_sentence(agreement(to_table(EVENTS[:-1]))) == ""
    assert "rows with a reference answer: 100 %" in agreement(to_table(EVENTS)).lines()[1]
