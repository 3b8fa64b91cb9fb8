"""The options of the command line: where data lies, what hardware there is, what things cost."""

import functools
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, get_args, get_origin, get_type_hints

import click

from labelbench_ray.api.environments import environment_of
from labelbench_ray.costs import ASSUMED, Prices
from labelbench_ray.environment import EMBED, EMBEDDING, OUTPUT, PLAN, QUICK, RESOURCES, WHAT, WHERE, Environment
from labelbench_ray.errors import ConfigError
from labelbench_ray.storage.folders import folder_place


class PlaceType(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A folder by path or URI."""

    name = "FOLDER|URI"

    def convert(self, value: str | Path, param: click.Parameter | None, context: click.Context | None) -> Path:
        """The place; what it cannot be is the option's mistake."""
        try:
            return folder_place(str(value))
        except ConfigError as error:
            self.fail(str(error), param, context)


PLACE = PlaceType()
COSTS: Final = "Costs"
OTHERS: Final = "Options"
SECTIONS: Final = (QUICK, WHAT, WHERE, RESOURCES, EMBEDDING, OUTPUT, COSTS, OTHERS)
"""Of the help text, in their order."""


class SectionedOption(click.Option):
    """An option that belongs to a section of the help text."""

    def __init__(self, *words: Any, section: str = OTHERS, unused: tuple[str, ...] = (), **settings: Any) -> None:  # noqa: ANN401
        """An option; `unused`: names of commands that accept it without effect, and whose help leaves it out."""
        super().__init__(*words, **settings)
        self.section, self.unused = section, unused


class SectionedCommand(click.Command):
    """A command whose help shows its options by section, and only where they act."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections in the order of `SECTIONS`."""
        found: dict[str, list[tuple[str, str]]] = {section: [] for section in SECTIONS}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None and self.name not in getattr(parameter, "unused", ()):
                found[getattr(parameter, "section", OTHERS)].append(record)
        for section, records in found.items():
            if records:
                with formatter.section(section):
                    formatter.write_dl(records)


def option(name: str, **settings: Any) -> Callable[[Callable[..., int]], Callable[..., int]]:  # noqa: ANN401
    variables = [f"LABELBENCH_{name.upper()}", *(["RAY_ADDRESS"] if name == "address" else [])]
    return click.option(
        f"--{name.replace('_', '-')}", cls=SectionedOption, envvar=variables, show_envvar=True, **settings
    )


def _environment_option(given: Field[Any], kind: object) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """The option of a field of `Environment`."""
    default = given.metadata.get("default", None if given.default is MISSING else given.default)
    settings = {"default": default} | {name: given.metadata[name] for name in ("help", "section", "unused")}
    if kind is bool:
        return option(given.name, is_flag=True, **settings)
    return option(given.name, type=_type(given.name, kind, given.metadata.get("limits", {})), **settings)


def _type(name: str, kind: object, limits: dict[str, Any]) -> Any:  # noqa: ANN401  a type of click's
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    if name == "events":
        return click.Path(dir_okay=False, allow_dash=True)
    if kind is Path:
        return PLACE
    if kind in (float, float | None):
        return click.FloatRange(**limits)
    return click.IntRange(**limits) if kind in (int, int | None) else str


ENVIRONMENT = tuple(
    _environment_option(field, kind)
    for field, kind in zip(fields(Environment), get_type_hints(Environment).values(), strict=True)
)
PRICES = (
    option(
        "price_per_label", section=COSTS, type=click.FloatRange(0), default=ASSUMED.label, help="What a label costs."
    ),
    option(
        "price_per_cpu_hour",
        section=COSTS,
        type=click.FloatRange(0),
        default=ASSUMED.cpu_hour,
        help="An hour of a CPU core.",
    ),
    option(
        "price_per_gpu_hour",
        section=COSTS,
        type=click.FloatRange(0),
        default=ASSUMED.gpu_hour,
        help="An hour of a GPU.",
    ),
    option("currency", section=COSTS, default=ASSUMED.currency, help="What prices are in."),
)


def environment_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options of an `Environment`, each also read from LABELBENCH_<NAME>."""

    @functools.wraps(command)
    def with_environment(**options: Any) -> int:  # noqa: ANN401
        names = Environment.__dataclass_fields__
        given = {name: options.pop(name) for name in list(options) if name in names}
        runs, tracking_uri, address = (given.pop(name) for name in ("runs", "tracking_uri", "address"))
        return command(environment=environment_of(runs, tracking_uri, address, given), **options)

    return functools.reduce(lambda decorated, given: given(decorated), reversed(ENVIRONMENT), with_environment)


def price_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the prices that the report reckons with; nothing that is recorded depends on them."""

    @functools.wraps(command)
    def with_prices(**options: Any) -> int:  # noqa: ANN401
        prices = Prices(
            label=options.pop("price_per_label"),
            cpu_hour=options.pop("price_per_cpu_hour"),
            gpu_hour=options.pop("price_per_gpu_hour"),
            currency=options.pop("currency"),
        )
        return command(prices=prices, **options)

    return functools.reduce(lambda decorated, given: given(decorated), reversed(PRICES), with_prices)


def baseline_option(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the strategy that the report compares the others with."""
    given = click.option(
        "--baseline",
        metavar="STRATEGY",
        help="The strategy that the others are compared with. Default: random; an experiment without it compares every "
        "two strategies.",
    )
    return given(command)


class AskedExperiment(NamedTuple):
    """The experiment that a command takes, as it is typed."""

    place: str | None
    """`file.py:function`; None: an experiment without a file."""
    tiny: bool
    name: str | None
    owner: str | None
    tags: tuple[str, ...]


NAMING: Final = (
    click.option(
        "--tiny",
        cls=SectionedOption,
        section=WHAT,
        is_flag=True,
        help="Shrink to two short rounds on a few hundred rows: a smoke test, in RUNS/<stem>.<function>.tiny.",
    ),
    click.option(
        "--name",
        cls=SectionedOption,
        section=WHAT,
        help="The experiment's name, in RUNS and in MLflow. Default: <stem>.<function>, or that of the data.",
    ),
    option(
        "owner",
        section=WHAT,
        help="Whose experiment it is. Its name begins with OWNER--, so that experiments of several people with files "
        "of the same name can share RUNS and MLflow.",
    ),
    click.option(
        "--tag",
        "tags",
        cls=SectionedOption,
        section=WHAT,
        unused=(PLAN, EMBED),
        metavar="KEY=VALUE",
        multiple=True,
        help="Recorded with the experiment, in MLflow and in the report; several are possible. Later runs keep it; "
        "KEY= takes it away.",
    ),
)


def experiment_argument(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command an experiment, as `asked`, and what names it."""
    return click.argument("place", metavar="EXPERIMENT")(naming_options(command))


def naming_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command what names an experiment, and `asked` of these and its argument."""

    @functools.wraps(command)
    def with_experiment(**options: Any) -> int:  # noqa: ANN401
        return command(asked=AskedExperiment(*(options.pop(name) for name in AskedExperiment._fields)), **options)

    return functools.reduce(lambda decorated, given: given(decorated), reversed(NAMING), with_experiment)
