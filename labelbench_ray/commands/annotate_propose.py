"""The command `labelbench annotate propose`: which rows to label next, and their files."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from labelbench_ray.api.environments import environment_of
from labelbench_ray.commands.annotate_server import RUNS, STORE
from labelbench_ray.commands.options import PLACE, option
from labelbench_ray.commands.output import console, state
from labelbench_ray.console.progress import meter
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError

if TYPE_CHECKING:
    from labelbench_ray.campaign.places import FoundPool
    from labelbench_ray.campaign.propose import Request

CSV: Final = "csv"


@click.command()
@click.argument("pool", metavar="POOL")
@click.option("--budget", type=click.IntRange(1), required=True, metavar="N", help="Rows to ask for.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="The folder for the batch's files. The same folder gives the same batch, another one the next batch.",
)
@click.option(
    "--classes",
    metavar="NAME,...",
    help="Class names in order; others are refused. A name with a comma stands in double quotes. Default: the "
    "answers'.",
)
@click.option("--multi-label", is_flag=True, help="A row may have several of the classes, or none of them.")
@click.option("--strategy", metavar="NAME", help="What chooses once there are labels. Default: margin.")
@click.option("--first-batch", metavar="NAME", help="What chooses while there are none. Default: typiclust.")
@click.option("--annotators", metavar="N|NAME,...", help="Who labels: a file for each. Default: one file for all.")
@click.option("--overlap", type=click.IntRange(1), default=1, metavar="R", help="Answers that each row is to get.")
@click.option(
    "--max-answers",
    type=click.IntRange(1),
    metavar="R",
    help="Ask rows again whose answers leave doubt, of somebody else of --annotators, up to R answers a row. Default: "
    "the overlap, so none.",
)
@click.option(
    "--weight-by-confidence",
    is_flag=True,
    default=None,
    help="Let models count each label by how likely it is right, by its answers and their annotators' records.",
)
@click.option(
    "--audit-reserve",
    type=click.IntRange(0),
    metavar="N",
    help="Rows that only measure the model; a tenth of each batch asks for them. Default: a tenth of the pool, 1,000 "
    "at most. 0: none.",
)
@click.option(
    "--to",
    type=click.Choice(["csv", "label-studio", "argilla", "prodigy"]),
    default="csv",
    help="The tool. label-studio: writes tasks.json and page.xml for its import, too (`annotate push` needs no file); "
    "argilla: records.json; prodigy: tasks.jsonl.",
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
        from labelbench_ray.campaign.label_kinds import KINDS
        from labelbench_ray.campaign.places import find_pool
        from labelbench_ray.campaign.propose import propose as proposed
        from labelbench_ray.campaign.tool_files import check_tool, write_tool_files
        from labelbench_ray.campaign.words import describe_pool, describe_proposal, describe_tool_files
        from labelbench_ray.datasets.recognition import Stated
        from labelbench_ray.trial.local import LocalExecutor

        classes = declared_classes(words["classes"])
        stated = Stated(text=words["text"], image=words["image"], row_id=words["row_id"], classes=classes)
        found = find_pool(pool, data_root, stated)
        request = _request(found, out, words)
        folder = campaign or runs / found.name
        check_tool(to, folder, request.campaign, request.max_answers, request.overlap)
    environment = local_environment(runs, store, found.data.root)
    executor = LocalExecutor(environment)
    state(describe_pool(found))
    with executor.started(), meter(console, "embedding") as shown:
        proposal = proposed(
            folder,
            request,
            environment,
            executor.embedder,
            lambda done, total: shown.show(done, total, "embedding, rows"),
        )
    state(describe_proposal(proposal, folder))
    if to != CSV:
        files = write_tool_files(to, folder, store, proposal.batch.number, out)
        state(describe_tool_files(to, files, KINDS[proposal.campaign.task]))
    return 0


def _request(found: "FoundPool", out: Path, words: dict[str, Any]) -> "Request":
    from labelbench_ray.campaign.begin import STRATEGY, begun
    from labelbench_ray.campaign.propose import FIXED, SEVERAL, Request
    from labelbench_ray.plugins import notation

    named = ("encoder", "proxy", "trainer", "first_batch", "strategy")
    parts = {
        name: notation.part(text, f"--{name.replace('_', '-')}") for name in named if (text := words[name]) is not None
    }
    strategy = parts.pop("strategy", STRATEGY)
    return Request(
        campaign=begun(
            found,
            seed=words["seed"] or 0,
            weight_by_confidence=bool(words["weight_by_confidence"]),
            several=words["multi_label"],
            **parts,
        ),
        given=frozenset(name for name in (*FIXED, SEVERAL, "strategy") if words[name] not in (None, False)),
        budget=words["budget"],
        strategy=strategy,
        out=Path(os.path.abspath(out)),
        annotators=annotators(words["annotators"]),
        overlap=words["overlap"],
        max_answers=words["max_answers"],
        reserve=words["audit_reserve"],
    )


def local_environment(runs: Path, store: Path, data_root: Path) -> Environment:
    """Where a campaign's commands read and write."""
    return environment_of(runs, None, None, {"store": store, "data_root": data_root, "executor": "local"})


def declared_classes(text: str | None) -> tuple[str, ...]:
    """Names of classes in order, written as in a cell of several classes; `ConfigError` where there is a mistake."""
    from labelbench_ray.answers.formats.delimited import classes_in_order
    from labelbench_ray.answers.formats.stated import RowError

    try:
        found = classes_in_order("", text) if text else ()
    except RowError as error:
        raise ConfigError(f"--classes {text!r}: {error.rule}; {error.fix}") from error
    if len(found) == 1:
        raise ConfigError(
            f"--classes {text!r}: one class alone; a model needs at least two: name another one for the rows that are "
            "not of it, as in --classes cat,other, or leave --classes out"
        )
    return found


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
