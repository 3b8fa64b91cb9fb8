"""The options of an experiment without a file: `--dataset PLACE`, and what else people choose."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from labelbench_ray.commands.options import SectionedOption, naming_options
from labelbench_ray.environment import QUICK
from labelbench_ray.errors import ConfigError
from labelbench_ray.planning.names import python_name

if TYPE_CHECKING:
    from labelbench_ray.planning.quick import QuickRequest


@dataclass(frozen=True, slots=True)
class QuickWords:
    """The options as they are typed; None: not given."""

    dataset: str | None
    strategies: str | None
    encoder: str | None
    proxy: str | None
    trainer: str | None
    corrupter: str | None
    seeds: int | None
    rounds: int | None
    budget: int | None
    label: str | None
    text: str | None
    image: str | None
    row_id: str | None
    classes: str | None
    save: Path | None

    def given(self) -> list[str]:
        """The options that are given, as they are typed."""
        return [f"--{each.name.replace('_', '-')}" for each in fields(self) if getattr(self, each.name) is not None]

    def next_steps(self, name: str) -> list[str]:
        """What to do after a run without a file; none for a run with one."""
        if self.dataset is None:
            return []
        saved = f"change {self.save}" if self.save else f"--save {python_name(name)}.py writes a file to change"
        return [f"next: the same command with more --seeds or --strategies adds to what is done; {saved}"]

    def request(self) -> "QuickRequest":
        """What they ask for; `ConfigError` names the option that cannot be read."""
        from labelbench_ray.datasets.recognition import Stated
        from labelbench_ray.planning.quick import QuickRequest
        from labelbench_ray.plugins import notation

        assert self.dataset is not None
        parts = {name: getattr(self, name) for name in ("encoder", "proxy", "trainer", "corrupter")}
        return QuickRequest(
            self.dataset,
            strategies=None if self.strategies is None else tuple(notation.parts(self.strategies, "--strategies")),
            seeds=self.seeds,
            rounds=self.rounds,
            budget=self.budget,
            stated=Stated(
                self.label, self.text, self.image, self.row_id, tuple(_names(self.classes)) if self.classes else ()
            ),
            **{name: notation.part(text, f"--{name}") for name, text in parts.items() if text is not None},
        )


def _names(classes: str) -> list[str]:
    names = [name.strip() for name in classes.split(",")]
    if not all(names) or len(set(names)) < len(names):
        raise ConfigError(f"--classes {classes!r}: an empty name, or one twice; write each class once, as in cat,dog")
    return names


def _option(name: str, help: str, **settings: Any) -> Callable[[Callable[..., int]], Callable[..., int]]:  # noqa: ANN401
    return click.option(f"--{name}", cls=SectionedOption, section=QUICK, help=help, **settings)


OPTIONS: Final = (
    _option(
        "dataset",
        "The data: a folder or file below the working directory or --data-root, a URI, or a data set by name. What it "
        "is read as, and what is chosen where an option below is left out, is printed.",
        metavar="PLACE",
    ),
    _option(
        "strategies",
        'Which to compare, with settings in brackets: margin,random,"power(coldness=2)".',
        metavar="NAME,...",
    ),
    _option("encoder", "What embeds the rows, such as efficientnet_lite0 or pixels.", metavar="NAME"),
    _option("proxy", "The model that is fitted in every round.", metavar="NAME"),
    _option("trainer", "How it is fitted.", metavar="NAME"),
    _option("corrupter", 'Label noise, such as "uniform_noise(fraction=0.1)".', metavar="NAME"),
    _option("seeds", "Trials of each strategy.", type=click.IntRange(1), metavar="N"),
    _option("rounds", "Rounds of each trial.", type=click.IntRange(1), metavar="N"),
    _option("budget", "Labels bought in each round.", type=click.IntRange(1), metavar="N"),
    _option("label", "The column of labels. Default: label.", metavar="COLUMN"),
    _option("text", "The column of texts. Default: text.", metavar="COLUMN"),
    _option("image", "The column of images. Default: image.", metavar="COLUMN"),
    _option("row-id", "The column of unique ids.", metavar="COLUMN"),
    _option("classes", "Class names in order, where the data do not have them.", metavar="NAME,..."),
    _option(
        "save",
        "Write the experiment file that makes the same trials, to go on from.",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE.py",
    ),
)


def experiment_or_data(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command an experiment, as `asked`, or what makes one without a file, as `words`."""

    @functools.wraps(command)
    def with_words(**options: Any) -> int:  # noqa: ANN401
        words = QuickWords(**{each.name: options.pop(each.name) for each in fields(QuickWords)})
        return command(words=words, **options)

    quick = functools.reduce(lambda decorated, given: given(decorated), reversed(OPTIONS), naming_options(with_words))
    return click.argument("place", metavar="[EXPERIMENT]", required=False)(quick)
