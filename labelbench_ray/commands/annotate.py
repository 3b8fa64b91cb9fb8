"""The commands `labelbench annotate`: propose, ingest, status and export."""

from pathlib import Path
from typing import Any

import click

from labelbench_ray.commands.annotate_propose import local_environment, propose
from labelbench_ray.commands.annotate_server import CAMPAIGN, RUNS, STORE, pull, push
from labelbench_ray.commands.options import PLACE, option
from labelbench_ray.commands.output import console, state
from labelbench_ray.console.progress import meter
from labelbench_ray.costs import ASSUMED
from labelbench_ray.errors import ConfigError
from labelbench_ray.storage.folders import folder_place


@click.group(context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
def annotate() -> None:
    """Let people label a pool: propose what to label, ingest their answers, show the status, export the labels."""


@annotate.command()
@click.argument("files", metavar="FILE...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--annotator", default="", metavar="NAME", help="Who answered, where a file does not state it.")
@click.option("--accept-extra", is_flag=True, help="Accept labels of rows that no batch asked for.")
@click.option("--complete", is_flag=True, help="The files hold all answers to their batches: others were deleted.")
@CAMPAIGN
@RUNS
def ingest(
    files: tuple[Path, ...], annotator: str, accept_extra: bool, complete: bool, campaign: Path | None, runs: Path
) -> int:
    """Read the answers in files into the campaign.

    FILE is a batch.csv that people filled in, any CSV or parquet file with the columns row_id and label (also:
    annotator, status, answered_at, seconds), Argilla's flattened records, Label Studio's JSON export, or Prodigy's
    JSON lines. Reading a file again changes nothing. Exit status 1 where some answers cannot be used: rejected.csv in
    the campaign's folder names them, and the others are kept.
    """
    with meter(console, "reading"):
        from labelbench_ray.campaign.ingest import ingest_files
        from labelbench_ray.campaign.places import the_campaign
        from labelbench_ray.campaign.words import describe_ingest

        folder = the_campaign(campaign, runs)
        accepted = ingest_files(folder, files, annotator=annotator, accept_extra=accept_extra, complete=complete)
    state(describe_ingest(accepted, folder))
    return 1 if accepted.ingested.rejected else 0


@annotate.command()
@click.option("--price", type=click.FloatRange(0), metavar="MONEY", help="What an answer costs. Default: not stated.")
@click.option("--use", type=click.FloatRange(0), metavar="N", help="Decisions that the model is to make, in all.")
@click.option("--harm", type=click.FloatRange(0), metavar="MONEY", help="What a wrong decision costs.")
@option("currency", default=ASSUMED.currency, help="What the prices are in.")
@click.option(
    "--page",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.html",
    help="Write all of it as a page, too, with the rows that await answers.",
)
@CAMPAIGN
@RUNS
@STORE
def status(
    page: Path | None,
    campaign: Path | None,
    runs: Path,
    store: Path,
    **money: Any,  # noqa: ANN401
) -> int:
    """Show what was asked and answered, how good the model is, and what to do next.

    The model's accuracy is estimated from rows of each batch that were chosen at random and that it did not learn from.
    """
    with meter(console, "reading"):
        from labelbench_ray.campaign.places import the_campaign
        from labelbench_ray.campaign.status import Money, campaign_status, describe_status

        folder = the_campaign(campaign, runs)
    with meter(console, "fitting models to the labels"):
        found = campaign_status(folder, store)
    state(describe_status(found, Money(**money)))
    if page is not None:
        with meter(console, "writing the page"):
            from labelbench_ray.campaign.page import write_page
            from labelbench_ray.campaign.places import shown_path

            write_page(page, found, Money(**money), store)
        state([f"{shown_path(page)}: the same as a page, written"])
    return 0


@annotate.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="FILE.parquet")
@click.option(
    "--consensus",
    default="majority",
    type=click.Choice(["majority", "one_coin"]),
    help="How several answers to a row become one label.",
)
@click.option("--predict", is_flag=True, help="Add what a model of the labels predicts for all other rows.")
@click.option(
    "--release-audit",
    is_flag=True,
    help="With --predict: let the model learn from the rows that measure it, too. Nothing measures it then.",
)
@click.option("--labels-only", is_flag=True, help="Leave texts, images and sounds out.")
@CAMPAIGN
@RUNS
@STORE
@click.option("--data-root", type=PLACE, help="The folder of the pool's folder, where that was moved.")
def export(
    out: Path,
    consensus: str,
    predict: bool,
    release_audit: bool,
    labels_only: bool,
    campaign: Path | None,
    runs: Path,
    store: Path,
    data_root: Path | None,
) -> int:
    """Write the labels as parquet, with the confidence of each and who gave it.

    `datasets.load_dataset("parquet", data_files=FILE)` reads the file, and so does `labelbench run --dataset FILE`.
    """
    if release_audit and not predict:
        raise ConfigError("--release-audit: is about the model that --predict fits; give both, or leave it out")
    with meter(console, "exporting"):
        from labelbench_ray.campaign.export import export_labels
        from labelbench_ray.campaign.places import the_campaign
        from labelbench_ray.campaign.record import read_campaign
        from labelbench_ray.campaign.words import describe_export
        from labelbench_ray.trial.local import LocalExecutor

        folder = the_campaign(campaign, runs)
        environment = local_environment(runs, store, data_root or folder_place(read_campaign(folder).data_root))
        with LocalExecutor(environment).started():
            exported = export_labels(
                folder,
                out,
                environment,
                method=consensus,
                predict=predict,
                release_audit=release_audit,
                payloads=not labels_only,
            )
    state(describe_export(exported))
    return 0


annotate.add_command(propose)
annotate.add_command(push)
annotate.add_command(pull)
