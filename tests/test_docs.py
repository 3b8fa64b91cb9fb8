"""The pages in docs/ say what the code does."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelbench_ray import plugins, strategies
from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.contracts.trying import with_facts
from labelbench_ray.planning import experiment
from labelbench_ray.pool.blocks import ArrayShard
from labelbench_ray.strategies._arms import Arms
from labelbench_ray.strategies._task_quotas import TaskQuotas
from labelbench_ray.strategies._wrapper import Wrapper
from labelbench_ray.strategies.task_relevance import TaskRelevance
from labelbench_ray.trial.parts import build
from labelbench_ray.types import Floats, Rows
from tests import plugin_tables
from tests.samples import make_pool

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "strategies.md").read_text()
TRAINING = (DOCS / "training.md").read_text()
MOST_BYTES_OF_THE_PICTURE = 400_000


TABLE = {each.name: each.row for each in plugin_tables.listed("strategies")}


def test_one_row_a_strategy_in_order() -> None:
    assert list(TABLE) == strategies.names()


@pytest.mark.parametrize("kind", plugin_tables.PAGES)
def test_the_tables_are_those_of_the_classes_of_today(kind: str) -> None:
    page = plugin_tables.PAGES[kind].read_text("utf-8")
    assert plugin_tables.with_table(kind, page) == page, "run `python -m tests.plugin_tables --update`"
    rows = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    bounds = {"oracle_batch"} if kind == "strategies" else set()
    assert {*rows} | bounds == {*plugins.names(f"labelbench_ray.{kind}")}
    assert rows == sorted({*rows} - bounds)


@pytest.mark.parametrize("name", strategies.names())
def test_every_strategy_states_its_cost_its_guarantee_and_its_source(name: str) -> None:
    assert all(TABLE[name].values())


@pytest.mark.parametrize("name", [name for name in strategies.names() if not strategies.create(name).needs_ask])
def test_a_strategy_wants_what_it_reads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = set()
    for what, method in (("embeddings", "features"), ("probabilities", "probabilities")):
        original = getattr(ArrayShard, method)

        def noted(shard: ArrayShard, rows: Rows, what: str = what, original: Any = original) -> Floats:
            read.add(what)
            return original(shard, rows)

        monkeypatch.setattr(ArrayShard, method, noted)
    strategy = strategies.create(name)
    strategy.select(with_facts(make_pool(300), strategy).view(), 10, np.random.default_rng(0))
    stated = {*strategy.wants, *(want for each in strategy.inner_plugins().values() for want in each.wants)}
    assert read == stated - {"labels", "facts"}
    assert bool(strategy.facts) == ("facts" in stated)


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
    stream, strategy = np.random.default_rng(0), strategies.create(name)
    view = with_facts(make_pool(100), strategy).view()
    settings: dict[str, Any] = {}
    if isinstance(strategy, Wrapper | TaskQuotas | TaskRelevance):
        settings = {"strategy": "galaxy"}
    elif isinstance(strategy, Arms):
        assert TABLE[name]["asks"] == "where it can, if an arm asks"
        strategies.create(name, arms=["galaxy"]).select(view, 10, stream)
        return
    wraps = bool(settings)
    assert TABLE[name]["asks"] in (["as its strategy"] if wraps else ["yes", "no"])
    if TABLE[name]["asks"] != "yes":
        strategy.select(view, 10, stream)
    if TABLE[name]["asks"] != "no":
        asking = strategies.create(name, **settings)
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
