"""The commands `labelbench registry`: pack and check."""

from pathlib import Path

import click

from labelbench_ray.commands.options import PLACE, option, price_options
from labelbench_ray.commands.output import console, state
from labelbench_ray.console.progress import meter
from labelbench_ray.costs import Prices
from labelbench_ray.ledger.experiments import experiment_folders

FILE = click.Path(path_type=Path, dir_okay=False)
TIERS = "The table of tiers that the registry's owner keeps, NAME.tiers.parquet: which trials were reproduced."


@click.group(context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
def registry() -> None:
    """Pack finished trials for a registry, and check what others packed."""


@registry.command()
@click.argument("places", metavar="RUNS_DIR...", type=PLACE, nargs=-1, required=True)
@click.option("--out", metavar="P", type=FILE, required=True, help="What the names of the three files begin with.")
@click.option("--submitter", default="", metavar="NAME", help="Who submits, as the leaderboard shows it.")
@option("store", type=PLACE, default="store", help="Where embeddings lie, for the hashes of data and encoder.")
@price_options
def pack(places: tuple[Path, ...], out: Path, submitter: str, store: Path, prices: Prices) -> int:
    """Write finished trials as P.trials.parquet, P.rounds.parquet and P.ledgers.zip.

    RUNS_DIR is an experiment's folder, or holds some one level below; several are possible. The same runs give the same
    bytes. Ledgers are packed as they lie on disk, without the weights of proxies. Prices are packed beside them: a
    trial's price is what its labels and its computing take.
    """
    with meter(console, "packing"):
        from labelbench_ray.registry.pack import pack as packed
        from labelbench_ray.registry.words import describe_packed

        folders = list(dict.fromkeys(folder for each in places for folder in experiment_folders(each)))
        found = packed(folders, out, store, submitter, prices)
    state(describe_packed(found))
    return 0


@registry.command()
@click.argument("files", metavar="FILE...", type=FILE, nargs=-1, required=True)
@click.option("--reproduce", is_flag=True, help="Run one random trial of each submission again, without Ray.")
@option("store", type=PLACE, default="store", help="With --reproduce: where embeddings lie.")
@option("data_root", type=PLACE, default="data", help="With --reproduce: where data sets lie.")
@click.option("--tiers", metavar="TABLE", type=FILE, help=f"{TIERS} With --reproduce, it is written, too.")
def check(files: tuple[Path, ...], reproduce: bool, store: Path, data_root: Path, tiers: Path | None) -> int:
    """Check files of a registry, in any order, and print each submission's tiers.

    Where P.ledgers.zip is among the files, both tables are made again from the ledgers, and a difference is refused by
    file, trial, round and value. Tables alone are `reported`. With --reproduce, a trial that gives the same rows,
    labels and metrics again makes its submission's checked trials `reproduced`; else they stay `checked`, and the first
    difference is printed. With --tiers, what was reproduced is kept by the hash of each trial's ledger.
    """
    with meter(console, "checking"):
        from labelbench_ray.registry.check import check as checked
        from labelbench_ray.registry.tiers import given_tiers, read_tiers, with_tiers, write_tiers
        from labelbench_ray.registry.words import describe_checked

        is_new = reproduce and tiers is not None and not tiers.exists()
        kept = {} if tiers is None or is_new else read_tiers(tiers)
        found = checked(files)
    if reproduce:
        from labelbench_ray.api.reproduce import reproduce as run_again
        from labelbench_ray.api.reproduce import sampled

        drawn = [sampled(each) for each in found]
        again = [run_again(each, trial, store, data_root) for each, trial in zip(found, drawn, strict=True)]
        found = tuple(each for each, _ in again)
        state(difference for _, difference in again if difference)
        if tiers is not None:
            for each, trial in zip(found, drawn, strict=True):
                kept |= given_tiers(each, trial.fingerprint)
            write_tiers(tiers, kept)
            state([f"wrote {tiers}"])
    state(describe_checked(with_tiers(found, kept)))
    return 0


@click.command()
@click.argument("files", metavar="[FILE...]", type=FILE, nargs=-1)
@click.option("--out", metavar="PAGE", type=FILE, required=True, help="The page, such as leaderboard.html.")
@click.option("--tiers", metavar="TABLE", type=FILE, help=TIERS)
def leaderboard(files: tuple[Path, ...], out: Path, tiers: Path | None) -> int:
    """Write one page that ranks a registry's trials, beside LabelBench's published runs.

    FILE is as for `labelbench registry check`, which gives the tiers. Without any, the page shows the published runs
    alone. It opens from a file, and requests nothing.
    """
    with meter(console, "reading"):
        from labelbench_ray.registry.boards import boards, published_boards, standings
        from labelbench_ray.registry.check import check as checked
        from labelbench_ray.registry.leaderboard import leaderboard_page
        from labelbench_ray.registry.tiers import read_tiers, with_tiers
        from labelbench_ray.report import words
        from labelbench_ray.report.published.curves import published
        from labelbench_ray.storage.atomic import publish

        found = with_tiers(checked(files), {} if tiers is None else read_tiers(tiers))
        given = {name: tier for each in found for name, tier in each.tiers.items()}
        ours, theirs = boards(found, given), published_boards(published())
        page = leaderboard_page((*ours, *theirs), standings(ours, theirs))
        publish(out, page.encode())
    state([f"wrote {out} ({words.size(out.stat().st_size)})"])
    return 0
