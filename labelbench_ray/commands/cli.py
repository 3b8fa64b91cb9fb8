"""Which labels to buy, and what that saves.

The command line takes an experiment file, or data with a few choices (`--dataset photos/`), and where and how to run
it. No option changes the numbers of a file's experiment.

Exit status: 0 when everything asked for is done, 1 when a trial failed (the others ran and are kept) or the cluster was
lost, 2 when the request is wrong, 130 after Ctrl-C and 143 after SIGTERM.
"""

import importlib
import sys
from typing import Final, NamedTuple

import click

from labelbench_ray.console import interruption
from labelbench_ray.console.exit_status import exit_status
from labelbench_ray.storage.versions import __version__


class Entry(NamedTuple):
    """Where a command is defined, and its line in `labelbench --help`."""

    module: str
    """Below `labelbench_ray.commands`."""
    attribute: str
    """The click command in it."""
    summary: str
    """The first line of its help."""


COMMANDS: Final = {
    "power": Entry(
        "power", "power", "Plan before running: how many seeds find a difference, and what a number of seeds can find."
    ),
    "plan": Entry(
        "experiments",
        "plan_command",
        "Check an experiment: what would run, what is done, what is missing. Starts nothing.",
    ),
    "embed": Entry(
        "experiments", "embed", "Embed the pools that an experiment needs; does nothing where that is done."
    ),
    "run": Entry("experiments", "run", "Embed what is missing, run what is not done, and write the report."),
    "finetune": Entry(
        "experiments",
        "finetune",
        "Train the full model on what the trials have bought, at the budgets that the experiment asks for.",
    ),
    "score-prompts": Entry(
        "score_prompts",
        "score_prompts_command",
        "Score prompts with vLLM on GPUs, through ray.data.llm: the facts that the data set prompts reads.",
    ),
    "status": Entry(
        "ledgers",
        "status_command",
        "Show what is done, running or failed and why, from the ledger alone; works while a sweep runs.",
    ),
    "report": Entry(
        "ledgers",
        "report",
        "Write the page of an experiment's folder (or of each experiment below RUNS_DIR) and print its table.",
    ),
    "annotate": Entry(
        "annotate",
        "annotate",
        "Let people label a pool: propose what to label, ingest their answers, show the status, export the labels.",
    ),
    "export": Entry(
        "export",
        "export",
        "Write what experiments recorded as tables, LaTeX and figures, for spreadsheets, papers and programs.",
    ),
    "registry": Entry(
        "registry",
        "registry",
        "Pack finished trials for a registry, and check what others packed.",
    ),
    "leaderboard": Entry(
        "registry",
        "leaderboard",
        "Write one page that ranks a registry's trials, beside LabelBench's published runs.",
    ),
    "sync": Entry(
        "ledgers",
        "sync",
        "Make MLflow equal to the ledgers: of an experiment's folder, or of each experiment below RUNS_DIR.",
    ),
    "mlflow": Entry(
        "mlflow",
        "mlflow_command",
        "Show the runs in MLflow: serve them on this machine alone, and open the page that compares strategies.",
    ),
    "cache": Entry(
        "cache", "cache_command", "Show what this machine keeps of remote stores, and delete what is not in use."
    ),
    "check": Entry("check", "check_command", "Try the laws of its kind on a plug-in of yours, one line each."),
    "list": Entry(
        "plugin_list",
        "list_command",
        "List the plug-ins of a kind with their settings; yours are named by full module path.",
    ),
}
"""Every command by name, in the order of `labelbench --help`."""


class LazyGroup(click.Group):
    """Imports a command's module only when the command runs or its own help is shown: some take seconds."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        entry = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f"labelbench_ray.commands.{entry.module}"), entry.attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    help=__doc__,
    context_settings={"show_default": True, "help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__)
def app() -> None:
    """The group; its help is the module's docstring."""


def main() -> None:
    """Run a command; a mistake of the user's becomes one line and exit status 2, a signal one line and 128 + it."""
    with interruption.handling_signals() as interrupted:
        status = exit_status(lambda: app(standalone_mode=False), interrupted)
    sys.exit(status)
