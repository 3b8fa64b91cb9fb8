"""How sure a campaign's labels are, by one-coin consensus: how much each counts, and which rows are asked again."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from math import ceil
from typing import Any, Final

import numpy as np
import pyarrow.compute as pc

from labelbench_ray.answers.consensus.ask_again import SHARE, SURE, ask_again
from labelbench_ray.answers.consensus.of_events import RowConsensus, of_events
from labelbench_ray.answers.consensus.one_coin import one_coin
from labelbench_ray.answers.fold import latest
from labelbench_ray.campaign.known import Answered
from labelbench_ray.campaign.label_kinds import KINDS
from labelbench_ray.campaign.record import Batch, Campaign
from labelbench_ray.errors import ConfigError
from labelbench_ray.proxies import SelfFitted
from labelbench_ray.trial.parts import Parts

WHY: Final = f"disputed, or a label less likely than {100 * SURE:.0f} %"
"""Which rows are asked again."""
WEIGHED: Final = "count each label by its confidence, which one-coin consensus takes from all answers"
"""What models do where a campaign weighs labels."""


def class_names(declared: tuple[str, ...] | None, events: Any) -> tuple[str, ...]:  # noqa: ANN401  pyarrow has no types
    """The declared classes, or every class that an answer gives, sorted."""
    if declared is not None:
        return declared
    return tuple(sorted(pc.unique(pc.list_flatten(latest(events).column("labels"))).to_pylist()))


def consensus_of(campaign: Campaign, events: Any) -> RowConsensus:  # noqa: ANN401
    """The one-coin consensus on a campaign's answers, in the order of `class_names`."""
    return of_events(events, class_names(campaign.classes, events), one_coin)


def label_weights(campaign: Campaign, events: Any, found: Answered) -> Mapping[str, float] | None:  # noqa: ANN401
    """How likely each row's label is right, by row; None where the campaign's labels count alike."""
    if not campaign.weight_by_confidence:
        return None
    sure, names = consensus_of(campaign, events), class_names(campaign.classes, events)
    posterior, place = sure.consensus.posterior, sure.place()
    pairs = zip(posterior.rows_P.tolist(), posterior.labels_P.tolist(), posterior.probabilities_P.tolist(), strict=True)
    likely = {(row, names[label]): probability for row, label, probability in pairs}
    stated = zip(sure.consensus.labels_N.tolist(), sure.consensus.confidence_N.tolist(), strict=True)
    likely |= {(row, names[label]): confidence for row, (label, confidence) in enumerate(stated) if label >= 0}
    return {row_id: likely.get((place[row_id], label), 0.0) for row_id, (label,) in found.labels.items()}


def check_weighs(built: Parts) -> None:
    """Refuse parts that would ignore the weights of labels.

    Raises:
        ConfigError: with the fix.
    """
    fits = built.proxy if isinstance(built.proxy, SelfFitted) else built.trainer
    if built.task.distribution in fits.weighs:
        return
    kind, part = ("proxy", built.trial.proxy) if fits is built.proxy else ("trainer", built.trial.trainer)
    raise ConfigError(
        f"--weight-by-confidence: the {kind} {part} does not weigh labels; use --trainer logistic, or leave the option "
        "out"
    )


def check_most_answers(max_answers: int | None, overlap: int, annotators: Sequence[str]) -> int | None:
    """How many answers a row gets at most; None where no row is asked again.

    Raises:
        ConfigError: below the overlap, above the number of annotators, or without their names.
    """
    if max_answers is None or max_answers == overlap:
        return None
    if max_answers < overlap:
        raise ConfigError(
            f"--max-answers {max_answers}: is below --overlap {overlap}, the answers that each row is to get; give "
            "more, or leave the option out"
        )
    if not annotators:
        raise ConfigError(
            f"--max-answers {max_answers}: a row is asked again of somebody who did not answer it, so they need names; "
            "give --annotators ann,ben,eve"
        )
    if max_answers > len(annotators):
        raise ConfigError(
            f"--max-answers {max_answers}: each of the {len(annotators)} annotators answers a row once; give at most "
            f"{len(annotators)}"
        )
    return max_answers


def rows_to_ask_again(
    campaign: Campaign,
    events: Any,  # noqa: ANN401
    found: Answered,
    annotators: Sequence[str],
    max_answers: int,
) -> dict[str, str]:
    """Rows whose answers leave doubt, the least certain first, each with the annotator who is asked for one more.

    Rows that measure the model are asked by the same rule as others. Rows with reference answers, those that no batch
    asked for, and those whose answer is still to come, are left out. The answer of an annotator who is not among these
    is not waited for: somebody else is asked. Among rows that are equally certain, those come first that were asked
    first. The annotator is one who did not answer, skip or doubt the row, and has the fewest of the rows before it.

    Args:
        campaign: whose answers they are.
        events: rows of `answers.events.SCHEMA`; any order gives the same result.
        found: what they come to.
        annotators: of the batch.
        max_answers: that a row gets at most.
    """
    sure = KINDS[campaign.task].sureness(events, class_names(campaign.classes, events))
    place, looked, settled = sure.place(), _who_looked(events), _with_reference(events)
    rows = [row_id for row_id in found.asked if row_id in place and row_id not in settled]
    places_R = np.array([place[row_id] for row_id in rows], np.int64)
    overlap_R = np.array([found.asked[row_id].overlap for row_id in rows], np.int64)
    consensus = sure.consensus
    ranked_C = ask_again(
        consensus.confidence_N[places_R],
        consensus.disputed_N[places_R],
        consensus.answers_N[places_R],
        overlap_R,
        max_answers,
    )
    loads, chosen = Counter[str](), dict[str, str]()
    for row_id in (rows[number] for number in ranked_C.tolist()):
        free = [name for name in annotators if name not in looked[row_id]]
        if free and found.awaited.get(row_id) not in annotators:
            chosen[row_id] = min(free, key=lambda name: loads[name])
            loads[chosen[row_id]] += 1
    return chosen


def share_of_batch(doubtful: Mapping[str, str], answers: int, for_new_rows: int) -> dict[str, str]:
    """Those of the rows in doubt, the first ones, that a batch asks again.

    Args:
        doubtful: of `rows_to_ask_again`.
        answers: that the batch buys. Up to a quarter of them, and what new rows cannot use, goes to rows in doubt.
        for_new_rows: answers that all rows could use which were never asked.
    """
    return dict(islice(doubtful.items(), max(int(SHARE * answers), answers - for_new_rows)))


def rows_worth_of_doubt(campaign: Campaign, events: Any, found: Answered, last: Sequence[Batch]) -> int:  # noqa: ANN401
    """How many rows of a batch like the last one (none, where the sequence is empty) all rows in doubt can take."""
    for batch in last:
        if batch.max_answers is not None:
            doubtful = rows_to_ask_again(campaign, events, found, batch.annotators, batch.max_answers)
            return ceil(len(doubtful) / batch.overlap)
    return 0


def describe_again(batches: Sequence[Batch], awaited: Collection[str]) -> str:
    """How many rows were asked again and why; "" for none."""
    rows = sum(len(batch.again) for batch in batches)
    if not rows:
        return ""
    to_come = (
        f"; {len(awaited):,} of these answers {'is' if len(awaited) == 1 else 'are'} still to come" if awaited else ""
    )
    most = max(batch.max_answers or 0 for batch in batches)
    return f"{rows:,} times, for rows whose answers left doubt ({WHY}), up to {most} answers a row{to_come}"


def _who_looked(events: Any) -> Mapping[str, set[str]]:  # noqa: ANN401
    """The annotators who answered, skipped or were unsure about each row."""
    looked: dict[str, set[str]] = defaultdict(set)
    held = latest(events)
    for row_id, annotator in zip(held.column("row_id").to_pylist(), held.column("annotator").to_pylist(), strict=True):
        looked[row_id].add(annotator)
    return looked


def _with_reference(events: Any) -> set[str]:  # noqa: ANN401
    held = latest(events)
    return {*held.filter(held.column("gold")).column("row_id").to_pylist()}
