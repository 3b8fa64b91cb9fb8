"""The status of a campaign: what was bought, how good the labels and the model are, and whether to go on."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from labelbench_ray.answers.agreement import agreement
from labelbench_ray.answers.class_agreement import class_agreement
from labelbench_ray.answers.fold import RowState, given
from labelbench_ray.campaign.criteria import criteria_lines, stopping_criteria
from labelbench_ray.campaign.doubt import WEIGHED, describe_again
from labelbench_ray.campaign.label_kinds import SEVERAL_CLASSES
from labelbench_ray.campaign.next_step import Step, next_steps
from labelbench_ray.campaign.record import Batch, pool_name
from labelbench_ray.campaign.standing import (
    Point,
    Standing,
    chooser_of,
    curve,
    learned,
    read_standing,
)
from labelbench_ray.console.progress import duration
from labelbench_ray.errors import StoreError
from labelbench_ray.report import words
from labelbench_ray.report.statistics.audit import LEAST_ANSWERS, LEAST_OF_EACH
from labelbench_ray.report.statistics.forecast import LEAST_ROUNDS, THRESHOLD, Call, Forecast, forecast
from labelbench_ray.report.statistics.money import Stakes, Worth, batch_value, decide, points_per_thousand
from labelbench_ray.report.statistics.stopping import Criterion

MEANING = {
    RowState.AGREED: "with a label",
    RowState.PART: "that await more answers",
    RowState.DISPUTED: "disputed (answers differ, none leads)",
    RowState.UNSURE: "that people are unsure about",
    RowState.RETIRED: "that people skipped",
    RowState.OPEN: "without an answer",
}
"""Each state of a row, in words."""
CALLS = {
    Call.LIKELY: "likely worth it",
    Call.UNCLEAR: "not clear yet; ask one more batch",
    Call.UNLIKELY: "unlikely to be worth it",
}
MOST_CLASSES = 12


@dataclass(frozen=True, slots=True)
class CampaignStatus:
    """A campaign in numbers."""

    standing: Standing
    answers: int
    """That are paid: skips count, corrections do not."""
    annotators: tuple[str, ...]
    seconds: float
    """That people worked, where their tool measured it."""
    points: tuple[Point, ...]
    """The models so far, measured."""
    unmeasured: str
    """Why no model is measured; "" where one is."""
    forecast: Forecast | None
    """With one more batch like the last, and with twice the labels; None where `no_forecast` states why."""
    steps: tuple[Step, ...]
    """What to do next."""
    criteria: tuple[Criterion, ...] = ()
    """Published stopping criteria, which do not change the advice; none where the embeddings are not here."""


def campaign_status(folder: Path, store: Path) -> CampaignStatus:
    """The status of the campaign in a folder; `store`: where embeddings lie.

    Raises:
        UserError: as from `read_standing`.
    """
    standing = read_standing(folder)
    paid = given(standing.events)
    points: tuple[Point, ...] = ()
    stopping: tuple[Criterion, ...] = ()
    why = ""
    try:
        chooser = chooser_of(standing, store)
        models = learned(standing, chooser)
        points, stopping = tuple(curve(standing, chooser, models)), stopping_criteria(standing, chooser, models)
    except StoreError as error:
        why = f"the embeddings are not here: {error}"
    if not points and not why:
        why = _unmeasured(standing)
    ahead = _forecast(standing, points)
    return CampaignStatus(
        standing=standing,
        answers=len(paid),
        annotators=tuple(sorted({*paid.column("annotator").to_pylist()})),
        seconds=float(pc.sum(paid.column("seconds")).as_py() or 0),
        points=points,
        unmeasured=why,
        forecast=ahead,
        steps=next_steps(standing, store, ahead.advised(0) if ahead else None),
        criteria=stopping,
    )


def _unmeasured(standing: Standing) -> str:
    if not standing.reserve:
        return "the campaign has no audit rows (--audit-reserve 0)"
    if not len(standing.audit):
        return "no audit row has a label yet"
    return "the labels do not suffice for a model: two classes are needed"


def _forecast(standing: Standing, points: tuple[Point, ...]) -> Forecast | None:
    if len(points) < LEAST_ROUNDS or not points[-1].estimate.enough:
        return None
    labels_T = np.array([point.labels for point in points], np.float64)
    batch = _last_with_new_rows(standing.batches)
    targets = labels_T[-1] + max(1, batch.new_rows - len(batch.audit)), 2 * labels_T[-1]
    accuracies_T = np.array([point.estimate.accuracy for point in points])
    errors_TT = standing.audit.covariance(np.array([point.predicted_R for point in points]))
    found = forecast(labels_T, accuracies_T, np.array(sorted(targets)), errors_TT)
    return found if found.has_spread else None


def _last_with_new_rows(batches: Sequence[Batch]) -> Batch:
    """The batch that the next one is taken to be like: one that only asks rows again adds no labels."""
    return next(batch for batch in reversed(batches) if batch.new_rows)


def no_forecast(points: Sequence[Point]) -> str:
    """Why there is no forecast."""
    if len(points) < LEAST_ROUNDS:
        return f"after {LEAST_ROUNDS} measured batches; {len(points)} so far"
    estimate = points[-1].estimate
    if not estimate.enough:
        return (
            f"not known yet: {estimate.answered:,} audit rows have a label, {estimate.errors:,} of them errors; a "
            f"forecast needs {LEAST_ANSWERS} of them, {LEAST_OF_EACH} errors and {LEAST_OF_EACH} correct ones"
        )
    return "not known yet: accuracy has not risen with the labels so far"


@dataclass(frozen=True, slots=True)
class Money:
    """What a person states of what things are worth, in one currency."""

    currency: str
    price: float | None = None
    """Of an answer."""
    use: float | None = None
    """Decisions that the model is to make."""
    harm: float | None = None
    """Of a wrong decision."""


def describe_status(status: CampaignStatus, money: Money) -> list[str]:
    """The status in lines, each number with what it is."""
    return [
        *_bought(status),
        *_answers(status, money),
        *_agreement(status),
        *_accuracy(status),
        *outlook_lines(status),
        *worth_lines(status, money),
        *_stopping(status),
        *_next(status),
    ]


def _bought(status: CampaignStatus) -> Iterator[str]:
    standing = status.standing
    versions = f", in {standing.rows.versions} versions" if standing.rows.versions > 1 else ""
    place = Path(standing.campaign.data_root) / pool_name(standing.campaign)
    yield f"pool: {place}, {words.several(len(standing.rows), 'row')}{versions}"
    audit = sum(len(batch.audit) for batch in standing.batches)
    asked = len(standing.found.asked)
    yield (
        f"asked: {words.several(asked, 'row')} in {words.several(len(standing.batches), 'batch', 'batches')}, of which "
        f"{audit:,} only measure the model"
    )
    for batch in standing.batches:
        labeled = sum(row_id in standing.found.labels for row_id in batch.row_ids)
        yield (
            f"  batch {batch.number}: {labeled:,} of {len(batch.row_ids):,} rows have a label; by {batch.chosen_by}; "
            f"{batch.out}"
        )
    if again := describe_again(standing.batches, standing.found.awaited):
        yield f"asked again: {again}"
    states = Counter(standing.found.state(row_id) for row_id in standing.found.asked)
    yield f"rows: {', '.join(f'{states[state]:,} {meaning}' for state, meaning in MEANING.items() if states[state])}"
    extra = sum(row_id not in standing.found.asked for row_id in standing.found.labels)
    if extra:
        yield f"and {words.several(extra, 'labeled row')} that no batch asked for"


def _answers(status: CampaignStatus, money: Money) -> Iterator[str]:
    classes = status.standing.found.class_counts().most_common()
    shown = ", ".join(f"{name} {count:,}" for name, count in classes[:MOST_CLASSES])
    more = f" and {len(classes) - MOST_CLASSES} more" if len(classes) > MOST_CLASSES else ""
    empty = status.standing.found.without_class
    none = f" ({words.several(empty, 'row')} of none)" if empty else ""
    yield f"classes: {shown or 'none yet'}{more}{none}"
    who = f" by {len(status.annotators)} annotators" if len(status.annotators) > 1 else ""
    work = f"; {duration(status.seconds)} of work" if status.seconds else ""
    cost = ""
    if money.price is not None:
        cost = f"; at {money.price:g} {money.currency} each: {money.price * status.answers:,.2f} {money.currency}"
    yield f"answers: {status.answers:,}{who}{work}{cost} (skips count, corrections do not)"


def _agreement(status: CampaignStatus) -> list[str]:
    found = agreement(status.standing.events)
    lines = found.lines() if len(found.annotators) > 1 or found.gold.judged else []
    if found.raw is None or status.standing.kind is not SEVERAL_CLASSES:
        return lines
    each = [f"  {one}" for one in class_agreement(status.standing.events, status.standing.named_classes)]
    more = [f"  and {len(each) - MOST_CLASSES:,} more classes"] if len(each) > MOST_CLASSES else []
    return [f"{lines[0]}, of complete sets of classes; of each class:", *each[:MOST_CLASSES], *more, *lines[1:]]


def _accuracy(status: CampaignStatus) -> Iterator[str]:
    if status.standing.campaign.weight_by_confidence:
        yield f"models: {WEIGHED}"
    if not status.points:
        yield f"{status.standing.kind.accuracy} of the model: unknown; {status.unmeasured}"
        return
    last, what = status.points[-1], status.standing.kind.accuracy
    estimate = last.estimate
    yield (
        f"{what} of the model of {words.several(last.labels, 'label')} on rows like the pool's: "
        f"{words.percent(estimate.accuracy)} "
        f"(95 % interval {words.percent(estimate.low)} to {words.percent(estimate.high)}). {estimate.sentence}"
    )


def outlook_lines(status: CampaignStatus) -> Iterator[str]:
    """What more labels are forecast to bring, or when there will be a forecast."""
    found = status.forecast
    if found is None:
        if status.points:
            yield f"forecast: {no_forecast(status.points)}"
        return
    for place, labels in enumerate(found.labels_M.tolist()):
        low, high = max(found.low_M[place], 0), min(found.high_M[place], 1)
        yield (
            f"with {labels:,.0f} labels: {words.percent(found.accuracies_M[place])} "
            f"(90 % band {words.percent(low)} to {words.percent(high)}); "
            f"{words.percent(THRESHOLD, 2)} more than now is {CALLS[found.advised(place)]}"
        )
    yield f"of the last {found.backtests} forecasts, {found.held} held the accuracy that came"


def worth_lines(status: CampaignStatus, money: Money) -> Iterator[str]:
    """Whether the next batch is worth its price, where it is known what an error costs."""
    found, batches = status.forecast, status.standing.batches
    if found is None or not batches:
        return
    batch = _last_with_new_rows(batches)
    labels, gains_R = float(batch.new_rows), found.gains_RM[:, 0]
    if money.price is None or money.use is None or money.harm is None:
        points = points_per_thousand(gains_R, labels)
        yield (
            f"the next 1,000 labels bring about {points.median:.1f} points of accuracy ({points.low:.1f} to "
            f"{points.high:.1f}, 80 % interval); --price, --use and --harm weigh that against what they cost"
        )
        return
    stakes = Stakes(money.use, money.harm, money.price, answers_per_row=batch.answers_to_get / labels)
    value = batch_value(gains_R, stakes)
    worth = decide(gains_R, labels, stakes) if found.trusted else Worth.UNCLEAR
    yield (
        f"a batch of {labels:,.0f} rows costs {stakes.cost(labels):,.2f} {money.currency} and saves errors worth "
        f"{value.median:,.2f} ({value.low:,.2f} to {value.high:,.2f}, 80 % interval): {worth}"
    )


def _stopping(status: CampaignStatus) -> Iterator[str]:
    return criteria_lines(status.criteria if status.standing.found.labels else ())


def _next(status: CampaignStatus) -> Iterator[str]:
    for number, step in enumerate(status.steps):
        yield f"{'or' if number else 'next'}: {step.what}: {step.command}"
