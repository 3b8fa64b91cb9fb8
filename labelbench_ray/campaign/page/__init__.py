"""A campaign as one self-contained HTML page: no request, no JavaScript, light and dark, wide, narrow and on paper.

It shows what annotators may see as well: nothing on it shows which rows measure the model.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from markupsafe import Markup

from labelbench_ray.answers.agreement import Agreement, agreement
from labelbench_ray.campaign.criteria import criteria_table
from labelbench_ray.campaign.label_kinds import SEVERAL_CLASSES
from labelbench_ray.campaign.page.accuracy_figure import accuracy_figure
from labelbench_ray.campaign.page.shown_rows import ShownBatch, batch_to_show
from labelbench_ray.campaign.page.tables import (
    annotator_table,
    batch_table,
    class_agreement_table,
    class_table,
    facts,
    model_table,
    state_table,
)
from labelbench_ray.campaign.record import SUFFIX
from labelbench_ray.campaign.status import CALLS, CampaignStatus, Money, outlook_lines, worth_lines
from labelbench_ray.errors import ConfigError
from labelbench_ray.report import words
from labelbench_ray.report.page.document import ASSETS, policy, templates
from labelbench_ray.report.statistics.audit import LEAST_ANSWERS
from labelbench_ray.report.statistics.forecast import Call
from labelbench_ray.storage.atomic import publish

OWN: Final = Path(__file__).parent / "assets"
TEMPLATE: Final = "campaign.html.jinja"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the page states first."""

    headline: str
    detail: str
    is_open: bool
    """Nothing, or too little, is measured yet."""


def write_page(path: Path, status: CampaignStatus, money: Money, store: Path) -> None:
    """Write a campaign's page; all of it or nothing.

    Args:
        path: of the file; folders above it are made.
        status: of the campaign.
        money: what a person states of prices.
        store: where embeddings lie.

    Raises:
        ConfigError: the file cannot be written there.
    """
    text = page(status, money, batch_to_show(status.standing, store))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        publish(path, text.encode())
    except OSError as error:
        raise ConfigError(f"--page {path}: cannot be written ({error.strerror}); give another file") from error


def page(status: CampaignStatus, money: Money, shown: ShownBatch | None) -> str:
    """The whole page; the same status gives the same text.

    Args:
        status: of the campaign.
        money: what a person states of prices.
        shown: the batch whose rows await answers; None where no row does.
    """
    sheets = [(ASSETS / "style.css").read_text("utf-8"), (OWN / "campaign.css").read_text("utf-8")]
    found, kind = agreement(status.standing.events), status.standing.kind
    return (
        templates(OWN)
        .get_template(TEMPLATE)
        .render(
            policy=policy(sheets, [], images=True),
            sheets=[Markup(sheet) for sheet in sheets],
            name=status.standing.folder.name.removesuffix(SUFFIX),
            answer=_answer(status),
            steps=status.steps,
            here=str(Path.cwd()),
            facts=facts(status, money),
            states=state_table(status),
            batches=batch_table(status),
            classes=class_table(status),
            agreement=found,
            annotators=annotator_table(found),
            alpha=alpha_sentence(found),
            gold=gold_sentence(found),
            by_class=class_agreement_table(status) if kind is SEVERAL_CLASSES else None,
            several=kind is SEVERAL_CLASSES,
            figure=accuracy_figure(status),
            models=model_table(status),
            unmeasured=status.unmeasured,
            estimate=status.points[-1].estimate if status.points else None,
            outlook=[*outlook_lines(status), *worth_lines(status, money)] if status.points else [],
            criteria=criteria_table(status.criteria if status.standing.found.labels else ()),
            shown=shown,
            words=words,
        )
    )


def gold_sentence(found: Agreement) -> str:
    """How often people are right on rows with a reference answer; "" where there is none."""
    if not found.gold.judged:
        return ""
    low, high = (words.percent(bound, 0) for bound in (found.gold.low, found.gold.high))
    judged = words.several(found.gold.judged, "label")
    right = words.percent(found.gold.right / found.gold.judged, 0)
    return (
        f"Of {judged} of rows with a reference answer, {right} are right (95{words.NO_BREAK}% interval "
        f"{low} to {high})."
    )


def alpha_sentence(found: Agreement) -> str:
    """What the agreement of the annotators is, for readers who meet the measure for the first time."""
    if found.raw is None:
        return "No row has labels of two annotators yet, so nothing shows how far they agree (--overlap 2 asks for it)."
    rows = f"{found.shared_rows:,} of {words.several(found.rows, 'labeled row')}"
    pairs = f"{words.percent(found.raw)} of the pairs of labels that two people gave to one row are equal ({rows})."
    if found.alpha is None:
        return f"{pairs} Krippendorff's alpha is undefined while only one label was given."
    meaning = "reliable" if found.alpha >= 0.8 else "usable with care" if found.alpha >= 2 / 3 else "unreliable"
    return (
        f"{pairs} Krippendorff's alpha is {words.signed(found.alpha, 2, plus='')}: {meaning}. It corrects for "
        "agreement by chance: 1 is perfect agreement, 0 is what chance gives, and below 0 people agree less than by "
        "chance. By convention, labels are reliable from 0.80 on and usable with care from 0.67 on; below that, make "
        "the instructions clearer before more rows are labeled."
    )


def _answer(status: CampaignStatus) -> Answer:
    standing = status.standing
    bought = f"{words.several(len(standing.found.labels), 'row')} of {len(standing.rows):,} labeled"
    if not status.points:
        return Answer(f"{bought}.", f"How good a model of them is, is unknown: {status.unmeasured}.", True)
    last = status.points[-1]
    estimate = last.estimate
    interval = f"{words.percent(estimate.low)} to {words.percent(estimate.high)}"
    if estimate.answered < LEAST_ANSWERS:
        few = words.several(estimate.answered, "row")
        headline = f"Too few rows measure the model: it {standing.kind.is_right} on {interval} of rows like the pool's."
        detail = f"That is a 95{words.NO_BREAK}% interval from {few}; {LEAST_ANSWERS} or more narrow it. {bought}."
        return Answer(headline, f"{detail} {_advice(status)}", True)
    headline = (
        f"The model {standing.kind.is_right} on {words.percent(estimate.accuracy)} of rows like the pool's "
        f"(95{words.NO_BREAK}% interval {interval})."
    )
    learned = f"It learned from {words.several(last.labels, 'label')}"
    return Answer(headline, f"{learned}; {bought}. {_advice(status)}", False)


def _advice(status: CampaignStatus) -> str:
    found = status.forecast
    if found is None:
        return "Whether another batch is worth it is not known yet."
    call = found.advised(0)
    if call is Call.UNCLEAR:
        return "Whether another batch is worth it is not clear yet; ask one more."
    return f"Another batch is {CALLS[call]}."
