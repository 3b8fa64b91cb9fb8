"""The table of continual training."""

from labelbench_ray.report import words
from labelbench_ray.report.cells import NOTHING, Cell, Table, gain, ratio_cell
from labelbench_ray.report.continual import FORGETS, Continued
from labelbench_ray.report.cost_tables import title_but
from labelbench_ray.report.sections import Report


def continual_table(report: Report) -> Table:
    """Work of fits saved, accuracy lost and labels forgotten by going on from the last round."""
    head = (
        "trainer",
        "strategy",
        "seeds",
        "seconds of fit saved",
        "seconds of fit ÷ from scratch",
        "row passes, from scratch ÷ this",
        "the same, to equal accuracy",
        "epochs a round",
        "accuracy",
        "accuracy on earlier labels",
        "backward transfer",
    )
    return Table(
        head,
        tuple(
            (
                Cell(str(each.setting.trial.trainer), title_but(report, each.setting, "trainer")),
                Cell(each.strategy),
                Cell(str(each.seeds)),
                Cell(words.percent(1 - each.fit.value, 0), f"beside {each.scratch.trial.trainer.name}"),
                ratio_cell(each.fit),
                ratio_cell(each.passes),
                _matched(each),
                NOTHING if each.epochs is None else Cell(f"{each.epochs:.1f}"),
                gain(each.accuracy),
                _earlier(each),
                NOTHING if each.backward is None else gain(each.backward),
            )
            for each in report.across.continual
        ),
    )


def _matched(each: Continued) -> Cell:
    cell = ratio_cell(each.matched)
    if each.matched is None or not each.unmatched:
        return cell
    never = f"from scratch never gets there for {each.unmatched} of {words.several(each.seeds, 'seed')}"
    return Cell(f"at least {cell.text}", "; ".join(filter(None, [cell.note, never])))


def _earlier(each: Continued) -> Cell:
    if each.earlier is None or each.earlier_change is None:
        return NOTHING
    change = words.points_interval(each.earlier_change)
    forgets = "forgets; " if each.earlier_change.value < -FORGETS else ""
    points = words.signed(100 * each.earlier_change.value, words.digits(each.earlier_change))
    return Cell(words.percent(each.earlier), f"{forgets}{points} points {change}".rstrip())
