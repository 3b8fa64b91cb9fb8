"""The tables of costs, protocols, fidelity and contributions."""

from math import isinf

from labelbench_ray.costs import NOTHING as NOT_SPENT
from labelbench_ray.costs import Cost
from labelbench_ray.report import words
from labelbench_ray.report.cells import NOTHING, Cell, Table, bounded, gain, ratio_cell, seconds_cell, size_cell
from labelbench_ray.report.contributions import Ablation, Contribution, Factorial
from labelbench_ray.report.costs import StrategyCost, stages
from labelbench_ray.report.curves import Setting, title
from labelbench_ray.report.fidelity import Trust
from labelbench_ray.report.protocols import Protocol
from labelbench_ray.report.sections import Report, Section
from labelbench_ray.report.threshold import ENOUGH_POINTS, Threshold


def cost_table(report: Report, section: Section) -> Table:
    """Means over trials: labels, CPU and GPU time, and money."""
    lines, prices = section.costs, report.prices
    finetuned = any(line.finetune.wall for line in lines)
    shared = any(line.embedding.computing for line in lines)
    gpu = any(line.rounds.gpu for line in lines)
    head = (
        "strategy",
        "labels",
        "CPU time",
        *(["GPU time"] if gpu else []),
        *(["full model at the end"] if finetuned else []),
        *(["share of the embedding"] if shared else []),
        "disk written",
        "label cost",
        "compute cost",
        "total cost",
    )
    rows = []
    for line in lines:
        labels, computing = prices.money(spent=line.spent.part(0), labels=line.labels), prices.money(line.spent)
        rows.append(
            (
                Cell(line.strategy, words.several(line.trials, "trial")),
                Cell(words.count(line.labels)),
                seconds_cell(line.rounds.cpu),
                *([seconds_cell(line.rounds.gpu)] if gpu else []),
                *([_tuned(line)] if finetuned else []),
                *([seconds_cell(line.embedding.computing)] if shared else []),
                size_cell(line.rounds.bytes_written),
                Cell(words.money(labels, prices.currency)),
                Cell(words.money(computing, prices.currency)),
                Cell(words.money(labels + computing, prices.currency)),
            )
        )
    return Table(head, tuple(rows))


def _tuned(line: StrategyCost) -> Cell:
    if line.tuned is None:
        return NOTHING
    part = f", of {line.tuned.trials} trials" if line.tuned.trials < line.trials else ""
    note = f"{words.count(line.tuned.labels)} labels{part}"
    return Cell(words.seconds(line.tuned.spent.computing), note, line.tuned.spent.computing)


def stage_table(section: Section) -> Table:
    """Mean seconds of a trial's rounds by stage: wall time, and below it CPU and GPU time."""
    names = stages(section.costs)
    head = ("strategy", *names, "all stages")
    return Table(
        head,
        tuple(
            (
                Cell(line.strategy),
                *(_times(line.stages.get(name, NOT_SPENT)) for name in names),
                _times(line.rounds),
            )
            for line in section.costs
        ),
    )


def _times(spent: Cost) -> Cell:
    held = [f"{words.seconds(value)} {name}" for name, value in (("CPU", spent.cpu), ("GPU", spent.gpu)) if value]
    return Cell(words.seconds(spent.wall), ", ".join(held), spent.wall)


def embedding_table(report: Report) -> Table:
    """The cost of embedding: in total, and one trial's share."""
    prices = report.prices
    head = (
        "embeddings",
        "wall time",
        "CPU time",
        "GPU time",
        "disk written",
        "compute cost",
        "trials",
        "cost of one trial",
    )
    names = {
        each: f"{run.trial.dataset} by {run.trial.encoder}"
        + (f", {each.rpartition(':')[2]} views" if "/" in each else "")
        for run in report.runs
        for each in run.embeddings
    }
    return Table(
        head,
        tuple(
            (
                Cell(names[store]),
                seconds_cell(each.spent.wall),
                seconds_cell(each.spent.cpu),
                seconds_cell(each.spent.gpu),
                size_cell(each.spent.bytes_written),
                Cell(words.money(prices.money(each.spent), prices.currency)),
                Cell(str(each.trials)),
                Cell(words.money(prices.money(each.share), prices.currency)),
            )
            for store, each in report.embeddings.items()
        ),
    )


def protocol_table(report: Report) -> Table:
    """Choosing with the full model ÷ choosing with the proxy, and what the proxy loses."""
    head = (
        "strategy",
        "rounds",
        "ratio of the rounds",
        "ratio with the full model at the end",
        "(T + 1) / 2".replace(" ", words.NO_BREAK),
        "accuracy lost or gained",
    )
    rows = []
    for each in report.across.protocols:
        which = f"{each.full.trial.proxy} against {each.setting.trial.proxy}"
        others = title_but(report, each.setting, "proxy")
        lost = gain(each.accuracy)
        rows.append(
            (
                Cell(each.strategy, ", ".join(filter(None, (which, others, words.several(each.seeds, "seed"))))),
                Cell(str(each.rounds)),
                ratio_cell(each.in_rounds),
                ratio_cell(each.with_final),
                Cell(words.times(each.formula)),
                Cell(lost.text, ", ".join(filter(None, (lost.note, _compared(each))))),
            )
        )
    return Table(head, tuple(rows))


def _compared(each: Protocol) -> str:
    if not each.finetuned:
        return "of the proxy itself: it has no such fine-tune"
    return "of the fine-tuned model" if each.equal else "of a fine-tune with other settings"


def whole_table(report: Report) -> Table:
    """Everything that selection-via-proxy takes ÷ its final fine-tune alone."""
    head = ("full model", "strategy", "with the share of the embedding", "with all of the embedding")
    return Table(
        head,
        tuple(
            (
                Cell(each.recipe),  # first, where long names are wrapped
                Cell(
                    each.strategy,
                    ", ".join(filter(None, (title_but(report, each.setting), words.several(each.seeds, "seed")))),
                ),
                ratio_cell(each.shared),
                ratio_cell(each.unshared),
            )
            for each in report.across.wholes
        ),
    )


def trust_title(report: Report, trust: Trust) -> str:
    """`margin, proxy linear beside full_model, flexmatch`."""
    others = title_but(report, trust.setting, "proxy")
    proxy = f"proxy {trust.setting.trial.proxy} beside {trust.recipe}"
    return ", ".join(filter(None, (trust.strategy, others, proxy)))


def trust_table(trust: Trust) -> Table:
    """Overlap, correlation and gap by the number of labels."""
    head = ("labels", "batches' overlap", "scores' rank correlation", "accuracy, full model less proxy")
    return Table(
        head,
        tuple(
            (
                Cell(words.count(line.labels)),
                bounded(line.overlap),
                bounded(line.correlation),
                gain(line.gap) if line.gap else NOTHING,
            )
            for line in trust.lines
        ),
    )


def needs(trust: Trust) -> str:
    """The labels that the proxy and the full model each need for the same accuracy, in words."""
    proxy, full = (_needed(labels, trust) for labels in (trust.proxy_labels, trust.full_labels))
    return f"For {words.percent(trust.target)} the proxy needs {proxy} labels, the full model {full}."


def threshold_words(found: Threshold | None) -> str:
    """The overlap below which the accuracy gap grows at equal numbers of labels, or why none is stated."""
    if found is None:
        return f"Estimating a threshold of overlap needs at least {ENOUGH_POINTS} pairs of trial and round."
    over = f"{words.several(found.points, 'pair')} of overlap and gap"
    if found.p_value is None:
        return (
            f"These {over} do not identify whether the gap grows as the overlap falls: both change with the number of "
            "labels, and too few trials of one setting were measured at the same numbers of labels."
        )
    how = f"least squares with one breakpoint; {words.p_value(found.p_value)} by exchanging whole trials"
    if found.overlap is None:
        return f"At equal numbers of labels, these {over} do not show that the gap grows below some overlap ({how})."
    return (
        f"At equal numbers of labels, the gap grows by {100 * found.slope:.1f} points for each 0.1 of overlap below "
        f"{found.overlap:.2f} ({how}; over {over}). Whether a low overlap causes it is not known."
    )


def ablation_table(ablation: Ablation) -> Table:
    """The contribution of each part in points of final accuracy, with its range over the other parts."""
    head = ("part", "instead of", f"points of final {ablation.noun}", "seeds", "range over the other parts")
    rows = [
        (Cell(part.name), _instead(part), gain(part.effect), Cell(str(part.effect.seeds)), _range(part))
        for part in ablation.parts
    ]
    if ablation.together is not None:
        together = ablation.together
        rows.append((Cell("all together"), Cell("none"), gain(together), Cell(str(together.seeds)), NOTHING))
    return Table(head, tuple(rows))


def _instead(part: Contribution) -> Cell:
    return Cell(part.plain, "other steps, no views" if part.unlike else "")


def effect_table(factorial: Factorial | None, noun: str) -> Table:
    """Main effects and interactions; no rows without a factorial."""
    head = ("effect", f"points of final {noun}", "seeds")
    if factorial is None:
        return Table(head, ())
    order = {1: "on average over the others", 2: "both, beyond the sum of each", 3: "all three, beyond that"}
    return Table(
        head,
        tuple(
            (
                Cell(factorial.name(each), order.get(len(each.factors), "")),
                gain(each.size, each.adjusted),
                Cell(str(factorial.seeds)),
            )
            for each in factorial.effects
        ),
    )


def context_table(ablation: Ablation) -> Table:
    """The contribution of each part in every combination of the others, and the labels that it saves there."""
    head = ("part", "beside", f"points of final {ablation.noun}", "labels saved", "seeds")
    return Table(
        head,
        tuple(
            (
                Cell(part.name),
                Cell(context),
                gain(estimate),
                Cell(words.saved(saving), words.saved_interval(saving)),
                Cell(str(estimate.seeds)),
            )
            for part in ablation.parts
            for (context, estimate), saving in zip(part.contexts, part.savings, strict=True)
        ),
    )


def _range(part: Contribution) -> Cell:
    values = [100 * estimate.value for _, estimate in part.contexts]
    if len(values) == 1:
        return NOTHING
    ends = " to ".join(words.signed(end, 1) for end in (min(values), max(values)))
    return Cell(ends, words.several(len(values), "combination"))


def title_but(report: Report, setting: Setting, *without: str) -> str:
    """What sets a setting apart in its experiment, without these fields."""
    return title(setting, [field for field in report.differing if field not in without])


def _needed(labels: float, trust: Trust) -> str:
    if isinf(labels):
        return f"more than {words.count(trust.lines[-1].labels)}"
    return ("at most " if labels <= trust.first_labels else "") + words.count(labels)
