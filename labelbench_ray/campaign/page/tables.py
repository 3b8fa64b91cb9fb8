"""The tables of a campaign's page."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow.compute as pc

from labelbench_ray.answers.agreement import Agreement, Annotator
from labelbench_ray.answers.class_agreement import class_agreement
from labelbench_ray.answers.events import Status
from labelbench_ray.answers.fold import ANSWER, REVISION, changes, given
from labelbench_ray.answers.ordering import last_of_each
from labelbench_ray.campaign.doubt import WEIGHED, describe_again
from labelbench_ray.campaign.places import shown_path
from labelbench_ray.campaign.record import Batch, pool_name
from labelbench_ray.campaign.status import MEANING, CampaignStatus, Money
from labelbench_ray.console.progress import duration
from labelbench_ray.console.redaction import redacted
from labelbench_ray.report import words
from labelbench_ray.report.cells import NOTHING, Cell, Table

LONGEST_NAME: Final = 200
"""Letters of a name or a text."""
MOST_ROWS: Final = 50
"""Of a table; the last row counts the others."""


def cut(text: str) -> str:
    """A text without what follows its first letters."""
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}\N{HORIZONTAL ELLIPSIS}"


def facts(status: CampaignStatus, money: Money) -> list[tuple[str, str]]:
    """What was bought, as names and values."""
    return [*_rows(status), *_answers(status), *_spent(status, money)]


def _rows(status: CampaignStatus) -> Iterator[tuple[str, str]]:
    standing, name = status.standing, pool_name(status.standing.campaign)
    here = "path" in standing.campaign.dataset.settings and "://" not in name
    place = shown_path(Path(standing.campaign.data_root) / name) if here else name
    versions = f", in {standing.rows.versions} versions" if standing.rows.versions > 1 else ""
    yield "pool", f"{redacted(place)}, {words.several(len(standing.rows), 'row')}{versions}"
    batches = words.several(len(standing.batches), "batch", "batches")
    yield "asked", f"{words.several(len(standing.found.asked), 'row')} in {batches}"
    if again := describe_again(standing.batches, standing.found.awaited):
        yield "asked again", again
    if standing.campaign.weight_by_confidence:
        yield "models", WEIGHED


def _answers(status: CampaignStatus) -> Iterator[tuple[str, str]]:
    events = status.standing.events
    changed, last = changes(events), last_of_each(events, REVISION, ANSWER)
    retracted, retractions = (
        pc.sum(pc.equal(table.column("status"), Status.RETRACTED)).as_py() or 0 for table in (last, changed)
    )
    paid = given(events)
    kinds = Counter(paid.column("status").to_pylist())
    gold = pc.sum(paid.column("gold")).as_py() or 0
    shown = {"skip": kinds[Status.SKIPPED], "unsure answer": kinds[Status.UNSURE], "reference answer": gold}
    among = ", ".join(words.several(count, kind) for kind, count in shown.items() if count)
    yield "answers", f"{status.answers:,}{f' ({among} among them)' if among else ''}"
    corrections = len(changed) - retractions - status.answers
    if corrections:
        yield "corrections", f"{corrections:,}; a correction is not paid again"
    if retracted:
        yield "retracted", f"{words.several(retracted, 'answer')}; retracted answers are paid, too"


def _spent(status: CampaignStatus, money: Money) -> Iterator[tuple[str, str]]:
    if status.seconds:
        each = words.seconds(status.seconds / max(status.answers, 1))
        yield "work", f"{duration(status.seconds)}, as measured by the tool; {each} an answer"
    if money.price is None:
        yield "money", "not stated: give --price, the cost of an answer"
        return
    spent, price = words.money(money.price * status.answers, money.currency), words.price(money.price, money.currency)
    yield "money", f"{spent}: {words.several(status.answers, 'answer')} at {price}"


def state_table(status: CampaignStatus) -> Table:
    """The rows that were asked, by state."""
    standing = status.standing
    states = Counter(standing.found.state(row_id) for row_id in standing.found.asked)
    asked = len(standing.found.asked)
    rows = tuple(
        (Cell(f"rows {meaning}"), Cell(words.count(states[state])), Cell(words.percent(states[state] / asked, 0)))
        for state, meaning in MEANING.items()
        if states[state]
    )
    extra = sum(row_id not in standing.found.asked for row_id in standing.found.labels)
    if extra:
        rows += ((Cell("labeled rows that no batch asked for"), Cell(words.count(extra)), NOTHING),)
    return Table(("state", "rows", "share"), rows)


def batch_table(status: CampaignStatus) -> Table:
    """The batches, the last one first."""
    every = [_batch(status, batch) for batch in reversed(status.standing.batches)]
    return Table(("batch", "rows", "with a label", "answers a row", "chosen by"), _shortened(every, "earlier batches"))


def _batch(status: CampaignStatus, batch: Batch) -> tuple[Cell, ...]:
    labeled = sum(row_id in status.standing.found.labels for row_id in batch.row_ids)
    return (
        Cell(str(batch.number), cut(shown_path(Path(batch.out)))),
        Cell(words.count(len(batch.row_ids))),
        Cell(words.count(labeled), words.percent(labeled / len(batch.row_ids), 0)),
        Cell(str(batch.overlap), f"{words.several(len(batch.again), 'row')} asked again" if batch.again else ""),
        Cell(cut(batch.chosen_by)),
    )


def class_table(status: CampaignStatus) -> Table:
    """The classes of the labels, the most frequent first; declared ones without a label, too."""
    counts = Counter(dict.fromkeys(status.standing.campaign.classes or (), 0))
    found = status.standing.found
    counts.update(found.class_counts())
    total = max(len(found.labels), 1)
    every = [
        (Cell(cut(name)), Cell(words.count(count)), Cell(words.percent(count / total, 0)))
        for name, count in counts.most_common()
    ]
    rows = _shortened(every, "more classes")
    if found.without_class:
        share = words.percent(found.without_class / total, 0)
        rows += ((Cell("none of these"), Cell(words.count(found.without_class)), Cell(share)),)
    return Table(("class", "rows", "share"), rows)


def class_agreement_table(status: CampaignStatus) -> Table:
    """How far annotators agree on each class, where rows may have several; empty where no row has two answers."""
    every = [
        (
            Cell(cut(each.name)),
            Cell(words.count(each.given)),
            Cell(words.percent(each.raw)),
            NOTHING if each.alpha is None else Cell(words.signed(each.alpha, 2, plus="")),
        )
        for each in class_agreement(status.standing.events, status.standing.named_classes)
        if each.raw is not None
    ]
    return Table(("class", "answers that give it", "equal pairs", "alpha"), _shortened(every, "more classes"))


def annotator_table(found: Agreement) -> Table:
    """What each annotator answered, the most answers first."""
    total = max(sum(sum(each.answers.values()) for each in found.annotators), 1)
    every = sorted(found.annotators, key=lambda each: -sum(each.answers.values()))
    return Table(
        ("annotator", "answers", "skips", "unsure", "seconds an answer", "right on gold", "agrees with others"),
        _shortened([_annotator(each, total) for each in every], "more annotators"),
    )


def _annotator(each: Annotator, total: int) -> tuple[Cell, ...]:
    answers, gold = sum(each.answers.values()), each.gold
    seconds = each.median_seconds
    right, agrees = NOTHING, NOTHING
    if gold.judged:
        interval = f"{words.percent(gold.low, 0)} to {words.percent(gold.high, 0)}"
        right = Cell(words.percent(gold.right / gold.judged, 0), f"{interval}, {words.several(gold.judged, 'row')}")
    if each.pairs:
        agrees = Cell(words.percent(each.equal_pairs / each.pairs, 0), words.several(each.pairs, "pair"))
    return (
        Cell(cut(each.name) or "not named"),
        Cell(words.count(answers), words.percent(answers / total, 0)),
        Cell(words.count(each.answers.get(Status.SKIPPED, 0))),
        Cell(words.count(each.answers.get(Status.UNSURE, 0))),
        NOTHING if seconds is None else Cell(words.seconds(seconds), f"{duration(each.seconds)} in all"),
        right,
        agrees,
    )


def model_table(status: CampaignStatus) -> Table:
    """The accuracy of the model after each batch."""
    every = [
        (
            Cell(words.count(point.labels)),
            Cell(words.percent(point.estimate.accuracy)),
            Cell(f"{words.percent(point.estimate.low)} to {words.percent(point.estimate.high)}"),
            Cell(words.count(point.estimate.answered)),
        )
        for point in reversed(status.points)
    ]
    head = ("labels learned from", "accuracy", "95 % interval", "answers that measure it")
    return Table(head, _shortened(every, "earlier models"))


def _shortened(rows: Sequence[tuple[Cell, ...]], others: str) -> tuple[tuple[Cell, ...], ...]:
    """The first rows; where there are more, the last one counts the others."""
    if len(rows) <= MOST_ROWS:
        return tuple(rows)
    left = len(rows) - MOST_ROWS
    return (*rows[:MOST_ROWS], (Cell(f"{left:,} {others}"), *[Cell("")] * (len(rows[0]) - 1)))
