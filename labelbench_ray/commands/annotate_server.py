"""The commands `labelbench annotate push` and `pull`: batches to Label Studio, and its answers back."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from labelbench_ray.commands.options import PLACE, option
from labelbench_ray.commands.output import console, state
from labelbench_ray.console.progress import meter
from labelbench_ray.errors import ConfigError

if TYPE_CHECKING:
    from labelbench_ray.answers.label_studio.pictures import Address

RUNS: Final = option("runs", type=PLACE, default="runs", help="Where campaigns lie.")
STORE: Final = option("store", type=PLACE, default="store", help="Where embeddings lie.")
CAMPAIGN: Final = click.option(
    "--campaign",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="The campaign's folder. Default: the one campaign in --runs.",
)
URL: Final = click.option(
    "--url",
    required=True,
    metavar="URL",
    help="The server's address, such as http://localhost:8080. The token is read from LABEL_STUDIO_API_KEY.",
)
PROJECT: Final = click.option(
    "--project", metavar="TITLE|NUMBER", help="The project. Default: named after the campaign; push makes it."
)


@click.command()
@URL
@PROJECT
@click.option("--batch", type=click.IntRange(0), metavar="N", help="The batch to push. Default: the last one.")
@click.option(
    "--images",
    type=click.Choice(["data-uri", "files", "url-prefix"]),
    default="data-uri",
    help="How images and sounds get there: inside the tasks, from the server's disk, or from another server.",
)
@click.option(
    "--files-root",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="With files: the server's document root, as this machine sees it. Default: the folder above the pool.",
)
@click.option("--server-root", metavar="DIR", help="With files: the same folder as the server sees it, in a container.")
@click.option("--url-prefix", metavar="URL", help="With url-prefix: the address before each row id.")
@click.option(
    "--show-predictions",
    is_flag=True,
    help="Show what the model predicts; annotators agree with it too often. Rows that measure the model never show it.",
)
@CAMPAIGN
@RUNS
@STORE
def push(
    url: str,
    project: str | None,
    batch: int | None,
    images: str,
    files_root: Path | None,
    server_root: str | None,
    url_prefix: str | None,
    show_predictions: bool,
    campaign: Path | None,
    runs: Path,
    store: Path,
) -> int:
    """Add a batch's rows to a project of Label Studio, in the strategy's order.

    Rows that the project has are left out, so that the same command may be repeated.
    """
    _check_words(images, files_root, server_root, url_prefix)
    with meter(console, "pushing"):
        from labelbench_ray.answers.label_studio.client import Server
        from labelbench_ray.campaign.label_studio import Showing, default_title, push_batch
        from labelbench_ray.campaign.places import the_campaign

        def address(pool: Path) -> "Address":
            return _address(images, files_root or pool.parent, server_root, url_prefix)

        folder = the_campaign(campaign, runs)
        showing = Showing(address, show_predictions)
        pushed = push_batch(Server(url), folder, store, project or default_title(folder), batch, showing)
    there = f", {pushed.there:,} were there" if pushed.there else ""
    state([f"{pushed.page}: {pushed.sent:,} rows added{there}"])
    state(["next: label them there, then run: labelbench annotate pull --url " + url])
    return 0


@click.command()
@URL
@PROJECT
@click.option("--complete", is_flag=True, help="Retract answers that were deleted in the project.")
@click.option("--changed-only", is_flag=True, help="Fetch only tasks that changed since the newest known answer.")
@click.option("--accept-extra", is_flag=True, help="Accept answers to rows of the pool that no batch asked for.")
@CAMPAIGN
@RUNS
def pull(
    url: str,
    project: str | None,
    complete: bool,
    changed_only: bool,
    accept_extra: bool,
    campaign: Path | None,
    runs: Path,
) -> int:
    """Fetch the answers of a project of Label Studio into the campaign.

    What cannot be used is listed in rejected.csv of the campaign's folder, with the exit status 1; the rest is kept.
    """
    with meter(console, "pulling"):
        from labelbench_ray.answers.label_studio.client import Server
        from labelbench_ray.campaign.label_studio import default_title, pull_answers
        from labelbench_ray.campaign.places import the_campaign
        from labelbench_ray.campaign.words import describe_ingest

        folder = the_campaign(campaign, runs)
        accepted = pull_answers(
            Server(url),
            folder,
            project or default_title(folder),
            complete=complete,
            changed=changed_only,
            extra=accept_extra,
        )
    state(describe_ingest(accepted, folder))
    return 1 if accepted.ingested.rejected else 0


def _check_words(images: str, files_root: Path | None, server_root: str | None, url_prefix: str | None) -> None:
    """Refuse options that would have no effect."""
    if images != "files" and (files_root or server_root):
        raise ConfigError(f"--files-root and --server-root are for --images files, not {images}; leave them out")
    if (images == "url-prefix") != (url_prefix is not None):
        raise ConfigError("--images url-prefix and --url-prefix URL belong together; give both or neither")


def _address(images: str, files_root: Path, server_root: str | None, url_prefix: str | None) -> "Address":
    from labelbench_ray.answers.label_studio.pictures import LocalFiles, UrlPrefix, data_uri

    if images == "files":
        return LocalFiles(files_root, server_root)
    return data_uri if url_prefix is None else UrlPrefix(url_prefix)
