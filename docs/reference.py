"""The reference pages, generated from the code: one a strategy and trainer, one of every other kind, and the trial.

They are written when the site is built, and never committed: docstrings and class attributes are the source.
"""

import importlib
import inspect
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl

mpl.use("agg")

import click
import matplotlib.pyplot as plt
import toy
from pydantic import BaseModel

import labelbench_ray
from labelbench_ray import strategies
from labelbench_ray.commands.cli import app
from labelbench_ray.config import FineTune, Part, Trial
from labelbench_ray.plugins.catalog import KINDS, PluginDescription, Setting, catalog, settings_of
from tests.doc_blocks import PAGES, blocks

TOGETHER: Final = ("proxies", "heads", "encoders", "datasets", "augmentations", "corrupters", "oracles", "tasks")
"""Kinds whose plug-ins share one page."""
TITLES: Final = {"datasets": "Data sets"}
FACTS: Final = {
    "wants": "Wants",
    "unlabeled rows teach": "Unlabeled rows teach",
    "time": "Cost",
    "kind": "Guarantee",
    "cold start": "Can choose the first batch",
    "asks": "Asks inside a batch",
    "state": "State between fits",
    "tasks": "Tasks",
    "from": "Source",
}
"""The columns of a table of plug-ins, and what the pages call them."""
VIEWS: Final = (("labelbench_ray.types", "PoolView"), ("labelbench_ray.types", "Block"))
"""What a strategy sees."""
SHOWN: Final = ("random", "margin", "coreset", "badge", "typiclust", "bait", "galaxy")
"""The strategies in the picture of the front page, beside the pool."""
LETTERS: Final = {"E": "embeddings", "P": "probabilities", "L": "labels"}


def write(folder: Path) -> None:
    """Write all pages; files that would stay the same are left alone, so that Sphinx does not read them again."""
    pages = {"trial.md": trial_page(), "public.md": public_names(), "commands.md": commands_page()}
    pages |= {"base_classes.md": base_classes(), "blocks.md": blocks_page()}
    for kind in ("strategies", "trainers"):
        found = catalog(kind)
        pages |= {f"{kind}/{each.name}.md": page_of(kind, each) for each in found}
        pages[f"{kind}.md"] = index_of(kind, found)
    pages |= {f"{kind}.md": page_of_kind(kind, catalog(kind)) for kind in TOGETHER}
    for name, text in pages.items():
        _write(folder / name, text.encode())
    pool = toy.toy()
    parts_shown = [Part.of(name, **toy.SETTINGS.get(name, {})) for name in SHOWN]
    toy.draw(pool, parts_shown, folder / "picks.png")
    for each in catalog("strategies"):
        if has_picture(each.name):
            _write(folder / "strategies" / f"{each.name}.png", picture(pool, each.name))
    for path in [*folder.glob("*/*.md"), *folder.glob("*.md")]:
        if str(path.relative_to(folder)) not in pages:
            path.unlink()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_bytes() != content:
        path.write_bytes(content)


def page_of(kind: str, plugin: PluginDescription) -> str:
    """The page of one strategy or trainer."""
    singular = {"strategies": "strategy", "trainers": "trainer"}[kind]
    parts = [f"# {plugin.name}", text_of(plugin.docstring)]
    if kind == "strategies" and has_picture(plugin.name):
        parts.append(
            f"![What {plugin.name} picks from a pool in the plane]({plugin.name}.png){{.picks}}\n\n"
            "Its 30 picks (dots) from 900 rows in the plane with 20 random labels (diamonds); colors show what\n"
            f"the proxy predicts. [Every strategy on this pool](../../strategies.md)."
        )
    parts.append(facts(plugin.row))
    parts.append(f"## Settings\n\n{settings(plugin.settings)}")
    given = ", ".join(f"{each.name}=..." for each in plugin.settings if each.default is None)
    part = f'Part.of("{plugin.name}", {given})' if given else f'"{plugin.name}"'
    parts.append(f"## In an experiment\n\nName it in a trial, or on an axis of a grid: `{singular}={part}`.")
    parts.append(f"Its code: `{plugin.module}`.")
    return "\n\n".join(parts) + "\n"


def page_of_kind(kind: str, plugins: Sequence[PluginDescription]) -> str:
    """All plug-ins of a kind on one page."""
    parts = [f"# {title_of(kind)}"]
    for each in plugins:
        parts += [f"## {each.name}", text_of(each.docstring), facts(each.row), settings(each.settings)]
    return "\n\n".join(part for part in parts if part) + "\n"


def index_of(kind: str, plugins: Sequence[PluginDescription]) -> str:
    """The list of a kind's pages."""
    rows = [f"| [{each.name}]({kind}/{each.name}.md) | {code_of(each.summary)} |" for each in plugins]
    names = "\n".join(f"{kind}/{each.name}" for each in plugins)
    table = "\n".join(["| name | what it does |", "|---|---|", *rows])
    return f"# {title_of(kind)}\n\n{table}\n\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"


def trial_page() -> str:
    """The reference of a trial's fields."""
    parts = ["# Trial"]
    for name, model in {"Trial": Trial, "FineTune": FineTune, "Part": Part}.items():
        text = text_of(inspect.cleandoc(model.__doc__ or ""))
        parts += [f"## {name}" if len(parts) > 1 else "", text, settings(settings_of(model))]
    return "\n\n".join(part for part in parts if part) + "\n"


def public_names() -> str:
    """What the package gives, as Sphinx documents it from docstrings."""
    names = sorted(set(labelbench_ray.__all__) - {"__version__"}, key=lambda name: (name[0].isupper(), name))
    return "\n\n".join(documented("labelbench_ray", name) for name in names) + "\n"


def base_classes() -> str:
    """The classes that plug-ins refine."""
    parts = ["# Base classes", "[Your own plug-ins](../plugins.md) refine one of these classes."]
    parts += [documented(package, base) for package, base in (*KINDS.values(), *VIEWS)]
    return "\n\n".join(parts) + "\n"


def documented(module: str, name: str) -> str:
    """A function or class by its docstring."""
    value = getattr(importlib.import_module(module), name)
    lines = [f".. auto{'class' if inspect.isclass(value) else 'function'}:: {module}.{name}"]
    if inspect.isclass(value):
        fields = value.model_fields if issubclass(value, BaseModel) else ()
        lines += ["   :members:", *([f"   :exclude-members: {', '.join(fields)}, model_config"] if fields else [])]
    return "\n".join(["```{eval-rst}", *lines, "```"])


def commands_page() -> str:
    """Every command with its arguments and options."""
    parts = ["# Command line", text_of(app.help or "")]
    context = click.Context(app, info_name="labelbench")
    for name in app.list_commands(context):
        command = app.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        usage = f"```\n{command.get_usage(inner).removeprefix('Usage: ')}\n```"
        parts += [f"## {name}", usage, text_of(inspect.cleandoc(command.help or ""))]
        rows = [found for each in command.params if (found := each.get_help_record(inner))]
        table = [f"| {code(option)} | {cell(text)} |" for option, text in rows if text]
        parts.append("\n".join(["| option | meaning |", "|---|---|", *table]))
    return "\n\n".join(parts) + "\n"


def blocks_page() -> str:
    """Which code blocks are not executed, and why."""
    rows = [
        f"| {block.page} | `{block.text.splitlines()[0].strip().replace('|', ' ')[:60]}` | {block.reason} |"
        for page in PAGES
        for block in blocks(page)
        if block.reason
    ]
    text = (
        "The tests execute the code blocks of these pages and of the README (`tests/test_doc_blocks.py`), those of a\n"
        "page in their order and in one folder. The blocks below are executed elsewhere, or not at all; of those, the\n"
        "tests check that the command and its options exist."
    )
    return (
        f"# Code blocks\n\n{text}\n\n" + "\n".join(["| page | block | why not here |", "|---|---|---|", *rows]) + "\n"
    )


def title_of(kind: str) -> str:
    """A kind as a heading."""
    return TITLES.get(kind, kind.capitalize())


def facts(row: Mapping[str, str]) -> str:
    """A plug-in's row of its kind's table, as a list."""
    values = {column: value for column, value in row.items() if value}
    if "wants" in values:
        values["wants"] = ", ".join(
            LETTERS.get(word, word) for word in re.split(r"(?<=^[EPL]) | (?=[EPL]\b)", values["wants"])
        )
    return "\n".join(f"- **{FACTS.get(column, column.capitalize())}**: {value}" for column, value in values.items())


def settings(found: Iterable[Setting]) -> str:
    """A table of settings."""
    rows = [
        f"| `{each.name}` | {code(each.type)} | {'required' if each.default is None else code(each.default)} "
        f"| {cell(meaning(each))} |"
        for each in found
    ]
    return "\n".join(["| setting | type | default | meaning |", "|---|---|---|---|", *rows]) if rows else "It has none."


def meaning(setting: Setting) -> str:
    """What a setting means, and its limits, in sentences."""
    limits = f"{setting.limits[:1].upper()}{setting.limits[1:]}"
    return " ".join(f"{text.rstrip('.')}." for text in (setting.description, limits) if text)


def code(text: str) -> str:
    """Text as code in a table's cell."""
    escaped = text.replace("|", "\\|")
    return f"`{escaped}`"


def cell(text: str) -> str:
    """Prose in a table's cell."""
    return code_of(" ".join(text.split())).replace("|", "\\|")


def code_of(text: str) -> str:
    """A docstring's text in Markdown: stars and underscores of formulas stay what they are."""
    return "".join(
        part if part.startswith("`") else re.sub(r"(?<!\\)([*_<\[])", r"\\\1", part)
        for part in re.split(r"(`[^`]*`)", text)
    )


def text_of(docstring: str) -> str:
    """A docstring in Markdown, without its list of errors."""
    return re.sub(r"^([+-] |#)", r"\\\1", code_of(docstring.partition("\nRaises:")[0].rstrip()), flags=re.MULTILINE)


def has_picture(name: str) -> bool:
    """The pool in the plane has no facts."""
    return name in strategies.names() and not strategies.create(name, **toy.SETTINGS.get(name, {})).facts


def picture(pool: toy.Toy, name: str) -> bytes:
    """What a strategy picks, as a PNG."""
    figure, panel = plt.subplots(figsize=(4.2, 3.7))
    toy.draw_picks(panel, pool, Part.of(name, **toy.SETTINGS.get(name, {})))
    figure.subplots_adjust(left=0.005, right=0.995, top=0.92, bottom=0.005)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=130, metadata={"Software": None})
    plt.close(figure)
    return drawn.getvalue()
