"""The commands `labelbench annotate`: propose, ingest, status and export."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from labelbench_ray.api.environments import environment_of
from labelbench_ray.commands.annotate_server import CAMPAIGN, RUNS, pull, push
from labelbench_ray.commands.options import PLACE, option
from labelbench_ray.commands.output import console, state
from labelbench_ray.console.progress import meter
from labelbench_ray.costs import ASSUMED
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.storage.folders import folder_place

if TYPE_CHECKING:
    from labelbench_ray.campaign.places import FoundPool
    from labelbench_ray.campaign.propose import Request


@click.group(context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
def annotate() -> None:
    """Let people label a pool: propose what to label, ingest their answers, show the status, export the labels."""


STORE: Final = option("store", type=PLACE, default="store", help="Where embeddings lie.")


@annotate.command()
@click.argument("pool", metavar="POOL")
@click.option("--budget", type=click.IntRange(1), required=True, metavar="N", help="Rows to ask for.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="The folder for the batch's files. The same folder gives the same batch, another one the next batch.",
)
@click.option("--classes", metavar="NAME,...", help="Class names in order; others are refused. Default: the answers'.")
@click.option("--strategy", metavar="NAME", help="What chooses once there are labels. Default: margin.")
@click.option("--first-batch", metavar="NAME", help="What chooses while there are none. Default: typiclust.")
@click.option("--annotators", metavar="N|NAME,...", help="Who labels: a file for each. Default: one file for all.")
@click.option("--overlap", type=click.IntRange(1), default=1, metavar="R", help="Answers that each row is to get.")
@click.option(
    "--audit-reserve",
    type=click.IntRange(0),
    metavar="N",
    help="Rows that only measure the model; a tenth of each batch asks for them. Default: a tenth of the pool, 1,000 "
    "at most. 0: none.",
)
@click.option(
    "--to",
    type=click.Choice(["csv", "label-studio"]),
    default="csv",
    help="The tool: label-studio writes tasks.json and page.xml for its import, too. `annotate push` needs no file.",
)
@click.option("--encoder", metavar="NAME", help="What embeds the rows. Default: by what they are.")
@click.option("--proxy", metavar="NAME", help="The model that is fitted to the labels. Default: linear.")
@click.option("--trainer", metavar="NAME", help="How it is fitted. Default: logistic.")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Of every random choice. Default: 0.")
@click.option("--text", metavar="COLUMN", help="The column of texts. Default: text.")
@click.option("--image", metavar="COLUMN", help="The column of images. Default: image.")
@click.option("--row-id", metavar="COLUMN", help="The column of unique ids.")
@click.option(
    "--campaign",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="The campaign's folder. Default: RUNS/<name of the pool>.campaign.",
)
@RUNS
@STORE
@option("data_root", type=PLACE, default="data", help="Where POOL is looked for, beside the working directory.")
def propose(
    pool: str,
    out: Path,
    to: str,
    campaign: Path | None,
    runs: Path,
    store: Path,
    data_root: Path,
    **words: Any,  # noqa: ANN401
) -> int:
    """Choose the rows to label next, and write them to DIR/batch.csv.

    POOL is a folder of images or sounds, files of rows (CSV, JSON lines, parquet), a URI, or a data set by name.
    Nothing is sent anywhere: fill in the column `label`, and give the file to `labelbench annotate ingest`.
    """
    with meter(console, "reading"):
        from labelbench_ray.campaign.places import find_pool, shown_path
        from labelbench_ray.campaign.propose import propose as proposed
        from labelbench_ray.campaign.words import describe_pool, describe_proposal
        from labelbench_ray.datasets.recognition import Stated
        from labelbench_ray.trial.local import LocalExecutor

        classes = names(words["classes"], "--classes")
        stated = Stated(text=words["text"], image=words["image"], row_id=words["row_id"], classes=classes)
        found = find_pool(pool, data_root, stated)
        request = _request(found, out, words)
    environment = _environment(runs, store, found.data.root)
    executor = LocalExecutor(environment)
    state(describe_pool(found))
    with executor.started(), meter(console, "embedding") as shown:
        folder = campaign or runs / found.name
        proposal = proposed(
            folder,
            request,
            environment,
            executor.embedder,
            lambda done, total: shown.show(done, total, "embedding, rows"),
        )
    state(describe_proposal(proposal, folder))
    if to == "label-studio":
        from labelbench_ray.campaign.label_studio import write_import

        written = write_import(folder, store, proposal.batch.number, out)
        state([f"{shown_path(path)}: for Label Studio, written" for path in written])
    return 0


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
        environment = _environment(runs, store, data_root or folder_place(read_campaign(folder).data_root))
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


def _request(found: "FoundPool", out: Path, words: dict[str, Any]) -> "Request":
    from labelbench_ray.campaign.begin import STRATEGY, begun
    from labelbench_ray.campaign.propose import FIXED, Request
    from labelbench_ray.plugins import notation

    named = ("encoder", "proxy", "trainer", "first_batch", "strategy")
    parts = {
        name: notation.part(text, f"--{name.replace('_', '-')}") for name in named if (text := words[name]) is not None
    }
    strategy = parts.pop("strategy", STRATEGY)
    return Request(
        campaign=begun(found, seed=words["seed"] or 0, **parts),
        given=frozenset(name for name in (*FIXED, "strategy") if words[name] is not None),
        budget=words["budget"],
        strategy=strategy,
        out=Path(os.path.abspath(out)),
        annotators=annotators(words["annotators"]),
        overlap=words["overlap"],
        reserve=words["audit_reserve"],
    )


def _environment(runs: Path, store: Path, data_root: Path) -> Environment:
    return environment_of(runs, None, None, {"store": store, "data_root": data_root, "executor": "local"})


def names(text: str | None, option: str) -> tuple[str, ...]:
    """Names between commas; `ConfigError` for an empty one, or one twice."""
    found = tuple(name.strip() for name in text.split(",")) if text else ()
    if not all(found) or len({*found}) < len(found):
        raise ConfigError(f"{option} {text!r}: an empty name, or one twice; write each once, as in {option} ann,ben")
    return found


def annotators(text: str | None) -> tuple[str, ...]:
    """Annotators as they are named, or so many of them."""
    if text and text.isdecimal():
        return tuple(str(number) for number in range(1, int(text) + 1))
    found = names(text, "--annotators")
    if wrong := [name for name in found if "/" in name or "\\" in name or name.startswith(".")]:
        raise ConfigError(f"--annotators: {wrong[0]!r} cannot be part of a file's name; write letters and digits")
    return found


annotate.add_command(push)
annotate.add_command(pull)
