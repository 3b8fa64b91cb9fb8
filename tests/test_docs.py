"""The pages in docs/ say what the code does."""

import re
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray import plugins, strategies, trainers
from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.planning import experiment
from labelbench_ray.strategies._wrapper import Wrapper
from labelbench_ray.trial.parts import build
from tests.samples import make_pool

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "strategies.md").read_text()
TRAINING = (DOCS / "training.md").read_text()
COLUMNS = ("strategy", "wants", "time", "kind", "cold start", "asks", "from")
MOST_BYTES_OF_THE_PICTURE = 400_000


def table() -> dict[str, dict[str, str]]:
    """The rows of the table, by strategy."""
    lines = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
    header, *rows = lines
    assert tuple(header) == COLUMNS
    return {row[0].strip("`"): dict(zip(COLUMNS, row, strict=True)) for row in rows}


TABLE = table()


def test_one_row_a_strategy_in_order() -> None:
    assert list(TABLE) == strategies.names()


@pytest.mark.parametrize("name", TABLE)
def test_whether_it_can_choose_the_first_batch(name: str) -> None:
    strategy = strategies.create(name)
    if TABLE[name]["cold start"] == "as its strategy":
        inner = strategy.inner_plugins().values()
        assert inner
        assert strategy.cold_start == all(each.cold_start for each in inner)
    else:
        assert TABLE[name]["cold start"] == ("yes" if strategy.cold_start else "no")


@pytest.mark.parametrize("name", TABLE)
def test_whether_it_asks(name: str) -> None:
    view, stream = make_pool(100).view(), np.random.default_rng(0)
    wraps = isinstance(strategies.create(name), Wrapper)
    assert TABLE[name]["asks"] in (["as its strategy"] if wraps else ["yes", "no"])
    if TABLE[name]["asks"] != "yes":
        strategies.create(name).select(view, 10, stream)
    if TABLE[name]["asks"] != "no":
        asking = strategies.create(name, strategy="galaxy") if wraps else strategies.create(name)
        with pytest.raises(ValueError, match="ask"):
            asking.select(view, 10, stream)


def test_the_experiment_that_it_shows_can_be_built(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "in_parts.py").write_text(shown)
    trials = experiment.load(str(tmp_path / "in_parts.py")).trials
    assert len(trials) == 12
    assert {str(trial.strategy.name) for trial in trials} == {"random", "badge", "partition", "class_balanced"}
    for trial in trials:
        build(trial)


def test_the_picture_is_there_and_small() -> None:
    (picture,) = re.findall(r"!\[[^]]+\]\(([^)]+)\)", PAGE)
    assert (DOCS / picture).read_bytes().startswith(b"\x89PNG")
    assert (DOCS / picture).stat().st_size < MOST_BYTES_OF_THE_PICTURE


def test_the_page_on_training_has_a_row_for_every_trainer() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", TRAINING, re.MULTILINE)
    assert sorted(rows) == plugins.names(trainers.PACKAGE)


def test_the_fine_tune_that_the_page_on_training_shows_can_be_built() -> None:
    (shown,) = re.findall(r"```python\n(.*?)```", TRAINING, re.DOTALL)
    namespace: dict = {}
    exec(shown, namespace)
    base = Trial(
        dataset=Part(name="cifar10"),
        encoder=Part.of("open_clip", model="ViT-B-32", pretrained="laion2b_s34b_b79k"),
        strategy=Part(name="random"),
        seed=0,
        rounds=5,
        budget=1000,
    )
    assert build(vary(base, finetune=namespace["finetune"])).tuning is not None
