"""The command `labelbench power`."""

from pathlib import Path
from typing import Final

import click

from labelbench_ray.commands.options import PLACE, SectionedCommand, baseline_option
from labelbench_ray.commands.output import console
from labelbench_ray.console.progress import meter

DIFFERENCES: Final = (0.1, 0.2, 0.3, 0.5)
SEEDS: Final = (3, 5, 10)


@click.command(cls=SectionedCommand)
@click.argument("folders", metavar="[RUNS_DIR...]", type=PLACE, nargs=-1)
@click.option(
    "--difference",
    "differences",
    type=click.FloatRange(0, min_open=True),
    multiple=True,
    default=DIFFERENCES,
    help="In percentage points; several are possible.",
)
@click.option(
    "--seeds",
    type=click.IntRange(3),
    multiple=True,
    default=SEEDS,
    help="Of which the least difference that they find is shown; 3 are the fewest that decide; several are possible.",
)
@click.option(
    "--strategies",
    type=click.IntRange(1),
    help="How many strategies will be compared with the baseline. Default: as in RUNS_DIR; 1 without it.",
)
@baseline_option
def power(
    folders: tuple[Path, ...],
    differences: tuple[float, ...],
    seeds: tuple[int, ...],
    strategies: int | None,
    baseline: str | None,
) -> int:
    """Plan before running: how many seeds find a difference, and what a number of seeds can find.

    Power of 80 % at 5 % of the test that reports make, by the noncentral t distribution: a paired t-test for one
    strategy; for several, at 5 % over their number, with the spread pooled over them (3 seeds or more). The spread
    over seeds is that of RUNS_DIR, or else that of margin less random in LabelBench's published settings.
    """
    with meter(console, "reading the spread over seeds"):
        from rich.table import Table

        from labelbench_ray.api.power import spreads
        from labelbench_ray.report import words
        from labelbench_ray.report.statistics.power import MOST_PLANNED, pooling_of
        from labelbench_ray.report.statistics.spreads import test_of

        found, recorded = spreads(folders, baseline)
    compared = strategies or recorded
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("spread over seeds, in points", overflow="fold")
    heads = [*(f"{each:g}" for each in differences), *(words.several(each, "seed") for each in seeds)]
    for head in ("", *heads):
        table.add_column(head, justify="right")
    for spread in found:
        needed = [spread.seeds(each / 100, compared) for each in differences]
        least = [100 * spread.difference(each, compared) for each in seeds]
        table.add_row(
            spread.measured,
            f"{100 * spread.value:.2f}",
            *(f"{each:,}" if each < MOST_PLANNED else f"{MOST_PLANNED:,} or more" for each in needed),
            *(f"{each:.2f}" for each in least),
        )
    console.print(table)
    adjusted = f", adjusted for {compared} strategies" if compared > 1 else ""
    of_rows = ", with the noise of the test rows on record" if any(spread.row_error for spread in found) else ""
    console.print(
        "Below a difference in points: the seeds that find it. Below a number of seeds: the least difference in points "
        f"that they find. Power of 80 % at 5 % of {test_of(pooling_of(compared))}{adjusted}{of_rows}; 3 seeds are the "
        "fewest that decide.",
        highlight=False,
    )
    return 0
