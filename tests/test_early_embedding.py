"""New stores of few rows are embedded in a child while Ray starts; every other store is left to `make_stores`."""

import io
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from labelbench_ray.api.stores import EarlyEmbedding, make_stores
from labelbench_ray.cluster import session
from labelbench_ray.cluster.embed import ChildEmbedder, may_have_gpu
from labelbench_ray.cluster.executor import RayExecutor
from labelbench_ray.config import Part, Trial, vary
from labelbench_ray.environment import ONE_THREAD, Environment
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.plan import Plan, plan

SMALL = Trial(dataset=Part.of("digits", max_rows=40), encoder="pixels", strategy="random", seed=0, rounds=1, budget=4)
EARLY: Any = SimpleNamespace(early_embedder=ChildEmbedder())


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    places = {"runs": tmp_path / "runs", "store": tmp_path / "store", "data_root": tmp_path / "data"}
    return Environment(**places, tracking_uri="", address=None)


def planned(environment: Environment, trial: Trial = SMALL) -> Plan:
    return plan(Experiment("early.early", (trial,)), environment)


def test_a_new_small_store_is_embedded_early_and_then_found(environment: Environment) -> None:
    here = planned(environment)
    early = EarlyEmbedding.begin(here, EARLY, environment)
    assert early is not None
    early.wait(Console(file=io.StringIO()))
    (key,) = [store.key for store in here.stores]
    assert (environment.store / key / "manifest.json").is_file()

    class Unused:
        @property
        def embedder(self) -> object:
            return SimpleNamespace(device="cpu", shards=None)

    unused: Any = Unused()
    store = make_stores(here, unused, environment, Console(file=io.StringIO()))[key]
    assert store.manifest.count("pool") == 40
    assert EarlyEmbedding.begin(planned(environment), EARLY, environment) is None, "nothing is new"


def test_progress_counts_the_rows_of_all_stores(environment: Environment) -> None:
    both = (SMALL, vary(SMALL, dataset=Part.of("digits", max_rows=30)))
    early = EarlyEmbedding.begin(plan(Experiment("early.two", both), environment), EARLY, environment)
    assert early is not None
    early.wait(Console(file=io.StringIO()))
    assert len(early.stores) == 2
    assert early.rows == early.rows_before == sum(sum(store.rows.values()) for store in early.stores)


def test_many_rows_are_left_to_the_cluster(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelbench_ray.api.stores.FEW_ROWS", 50)
    assert EarlyEmbedding.begin(planned(environment), EARLY, environment) is None


def test_an_error_is_left_to_the_embedding_that_reports_it(environment: Environment) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("planned")

    failing: Any = SimpleNamespace(early_embedder=SimpleNamespace(device="cpu", shards=fail))
    early = EarlyEmbedding.begin(planned(environment, vary(SMALL, seed=1)), failing, environment)
    assert early is not None
    early.wait(Console(file=io.StringIO()))
    assert not list(environment.store.glob("*/manifest.json"))


def test_ray_embeds_early_where_it_would_embed_in_a_child_on_the_cpu(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelbench_ray.cluster.executor.may_have_gpu", lambda: False)
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    assert RayExecutor(environment).early_embedder == ChildEmbedder()
    assert RayExecutor(replace(environment, encoder_actors=1)).early_embedder is None
    assert RayExecutor(replace(environment, address="auto")).early_embedder is None
    monkeypatch.setattr("labelbench_ray.cluster.executor.may_have_gpu", lambda: True)
    assert RayExecutor(environment).early_embedder is None


def test_a_machine_without_the_files_of_a_gpu_has_none(tmp_path: Path) -> None:
    (tmp_path / "nvidia-caps").touch()
    assert not may_have_gpu(tmp_path)
    (tmp_path / "nvidia0").touch()
    assert may_have_gpu(tmp_path)


def test_the_variables_of_a_local_ray_s_workers_are_set_while_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    started: list[dict[str, Any]] = []
    monkeypatch.setattr("ray.init", lambda **options: started.append({**options, **os.environ}))
    session._start(None)
    session._start("a-cluster:6379")
    assert ONE_THREAD.items() <= started[0].items()
    assert started[0]["runtime_env"] is None
    assert started[1]["runtime_env"] == {"env_vars": ONE_THREAD}
    assert (started[1]["OMP_NUM_THREADS"], os.environ["OMP_NUM_THREADS"]) == ("7", "7")
    assert "MKL_NUM_THREADS" not in os.environ
