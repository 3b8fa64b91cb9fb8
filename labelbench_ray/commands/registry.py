"""The commands `labelbench registry`: pack and check."""

from pathlib import Path

import click

from labelbench_ray.commands.options import PLACE, option
from labelbench_ray.commands.output import console, state
from labelbench_ray.console.progress import meter
from labelbench_ray.ledger.experiments import experiment_folders

FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
def registry() -> None:
    """Pack finished trials for a registry, and check what others packed."""


@registry.command()
@click.argument("places", metavar="RUNS_DIR...", type=PLACE, nargs=-1, required=True)
@click.option("--out", metavar="P", type=FILE, required=True, help="What the names of the three files begin with.")
@click.option("--submitter", default="", metavar="NAME", help="Who submits, as the leaderboard shows it.")
@option("store", type=PLACE, default="store", help="Where embeddings lie, for the hashes of data and encoder.")
def pack(places: tuple[Path, ...], out: Path, submitter: str, store: Path) -> int:
    """Write finished trials as P.trials.parquet, P.rounds.parquet and P.ledgers.zip.

    RUNS_DIR is an experiment's folder, or holds some one level below; several are possible. The same runs give the same
    bytes. Ledgers are packed as they lie on disk, without the weights of proxies.
    """
    with meter(console, "packing"):
        from labelbench_ray.registry.pack import pack as packed
        from labelbench_ray.registry.words import describe_packed

        folders = list(dict.fromkeys(folder for each in places for folder in experiment_folders(each)))
        found = packed(folders, out, store, submitter)
    state(describe_packed(found))
    return 0


@registry.command()
@click.argument("files", metavar="FILE...", type=FILE, nargs=-1, required=True)
@click.option("--reproduce", is_flag=True, help="Run one random trial of each submission again, without Ray.")
@option("store", type=PLACE, default="store", help="With --reproduce: where embeddings lie.")
@option("data_root", type=PLACE, default="data", help="With --reproduce: where data sets lie.")
def check(files: tuple[Path, ...], reproduce: bool, store: Path, data_root: Path) -> int:
    """Check files of a registry, in any order, and print each submission's tiers.

    Where P.ledgers.zip is among the files, both tables are made again from the ledgers, and a difference is refused by
    file, trial, round and value. Tables alone are `reported`. With --reproduce, a trial that chooses the same rows
    again makes its submission's checked trials `reproduced`; else they stay `checked`, and the first other row is
    printed.
    """
    with meter(console, "checking"):
        from labelbench_ray.registry.check import check as checked
        from labelbench_ray.registry.words import describe_checked

        found = checked(files)
    if reproduce:
        from labelbench_ray.api.reproduce import reproduce as run_again

        again = [run_again(each, store, data_root) for each in found]
        found = tuple(each for each, _ in again)
        state(difference for _, difference in again if difference)
    state(describe_checked(found))
    return 0


@click.command()
@click.argument("files", metavar="[FILE...]", type=FILE, nargs=-1)
@click.option("--out", metavar="PAGE", type=FILE, required=True, help="The page, such as leaderboard.html.")
def leaderboard(files: tuple[Path, ...], out: Path) -> int:
    """Write one page that ranks a registry's trials, beside LabelBench's published runs.

    FILE is as for `labelbench registry check`, which gives the tiers. Without any, the page shows the published runs
    alone. It opens from a file, and requests nothing.
    """
    with meter(console, "reading"):
        from labelbench_ray.registry.boards import LABELBENCH, boards, published_boards, standing
        from labelbench_ray.registry.check import check as checked
        from labelbench_ray.registry.leaderboard import leaderboard_page
        from labelbench_ray.report import words
        from labelbench_ray.report.published.curves import published
        from labelbench_ray.storage.atomic import publish

        found = checked(files)
        tiers = {name: tier for each in found for name, tier in each.tiers.items()}
        ours, theirs = boards(found, tiers), published_boards(published())
        standings = [standing("this registry", ours), standing(f"{LABELBENCH}, as published", theirs)]
        page = leaderboard_page((*ours, *theirs), [each for each in standings if each])
        publish(out, page.encode())
    state([f"wrote {out} ({words.size(out.stat().st_size)})"])
    return 0
