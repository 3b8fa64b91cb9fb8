"""`labelbench check`: the laws of its kind, tried on a plug-in of the user's own."""

import json
from pathlib import Path
from typing import Any

import click

from labelbench_ray.commands.options import PLACE, option
from labelbench_ray.commands.output import console
from labelbench_ray.console.progress import meter
from labelbench_ray.contracts.law import Finding, Verdict, judge
from labelbench_ray.errors import ConfigError

STYLES = {Verdict.PASS: "", Verdict.FAIL: "red", Verdict.NOT_APPLICABLE: "dim"}


@click.command("check")
@click.argument("name", metavar="MODULE")
@click.option("--settings", default="{}", help="The plug-in's settings, as a JSON object.")
@option("data_root", type=PLACE, default="data", help="Where the data of a data set lie.")
def check_command(name: str, settings: str, data_root: Path) -> int:
    """Try the laws of its kind on a plug-in of yours, one line each.

    MODULE is a module path that can be imported here, such as my_package.impurity, or a file, such as impurity.py.
    A law that holds reads "pass". One that is broken reads "FAIL", with what was found and how to fix it; one that is
    not about this plug-in reads "n/a". Starts no Ray, and needs no experiment.

    Exit status: 0 when no law is broken, 1 when one is, 2 when the plug-in cannot be imported or made.
    """
    given = _settings(settings)
    with meter(console, f"reading {name}"):
        from labelbench_ray.contracts import checking

        plugin = checking.made_plugin(name, given)
        laws = list(checking.laws_of(checking.kind_of(type(plugin)), data_root))
    _print(checking.title(plugin))
    found: list[Finding] = []
    with meter(console, "trying laws", len(laws)) as shown:
        for law in laws:
            found.append(judge(law, plugin))
            _print(str(found[-1]), STYLES[found[-1].verdict])
            shown.show(len(found), len(laws), "trying laws")
    _print(checking.summary(found))
    return int(any(each.verdict is Verdict.FAIL for each in found))


def _settings(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"--settings {text!r} is not JSON ({error}); write it as in '{{\"rows\": 300}}'") from error
    if not isinstance(given, dict):
        raise ConfigError(f"--settings {text!r} is not an object; write it as in '{{\"rows\": 300}}'")
    return given


def _print(text: str, style: str = "") -> None:
    console.print(text, style=style, soft_wrap=True, highlight=False, markup=False)
