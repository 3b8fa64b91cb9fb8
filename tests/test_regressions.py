"""Regressions: each test repeats a mistake or an accident that an earlier version handled badly."""

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import labelbench_ray
from labelbench_ray import plugins, strategies
from labelbench_ray.commands import cli
from labelbench_ray.config import Trial, vary
from labelbench_ray.embeddings import complete
from labelbench_ray.embeddings.damaged_shards import set_damaged_aside, with_rebuilt
from labelbench_ray.embeddings.embed import EmbeddedShard, EmbeddingJob
from labelbench_ray.embeddings.finished import check_row_ids
from labelbench_ray.embeddings.shards import ShardEntry, ShardId, ShardRows
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.encoders.pixels import Pixels
from labelbench_ray.environment import Environment
from labelbench_ray.errors import ConfigError, DataError, StoreError
from labelbench_ray.ledger.trials import Header, Ledger
from labelbench_ray.planning import plan as planning
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.plan import PlannedTrial, plan
from labelbench_ray.plugins import Plugin
from labelbench_ray.storage import versions
from labelbench_ray.storage.quarantine import set_asides
from labelbench_ray.strategies import Strategy
from labelbench_ray.trial import parts
from labelbench_ray.types import PoolView
from tests.samples import make_manifest, make_pool, write_module, write_store

# The command line: every option of the environment is also a variable.

QUICKSTART = str(Path(__file__).parent.parent / "experiments/quickstart.py")
GIVEN: dict[str, tuple[str, object]] = {
    "runs": ("/elsewhere/runs", Path("/elsewhere/runs")),
    "store": ("/elsewhere/store", Path("/elsewhere/store")),
    "data_root": ("/elsewhere/data", Path("/elsewhere/data")),
    "tracking_uri": ("http://mlflow:5000", "http://mlflow:5000"),
    "address": ("ray://head:10001", "ray://head:10001"),
    "executor": ("local", "local"),
    "cpus_per_trial": ("0.5", 0.5),
    "gpus_per_trial": ("0.25", 0.25),
    "score_on": ("cuda", "cuda"),
    "encoder_actors": ("3", 3),
    "fit_workers": ("2", 2),
    "scorers": ("4", 4),
    "scorer_rows": ("5", 5),
    "max_reject_fraction": ("0.5", 0.5),
    "memory_per_trial": ("1.5", 1.5),
    "round_minutes": ("10", 10.0),
    "max_hours": ("2.5", 2.5),
    "webhook": ("https://hooks.example.org/T0", "https://hooks.example.org/T0"),
    "max_cost": ("40", 40.0),
    "shard_rows": ("4096", 4096),
    "row_seconds": ("7", 7.0),
    "events": ("/elsewhere/events.jsonl", "/elsewhere/events.jsonl"),
}
"""Of each option: what is typed, and what it means."""


@pytest.fixture
def environment_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Environment]:
    """The environment that a command line and some variables make; nothing is planned."""
    seen: list[Environment] = []

    def stop(experiment: Experiment, environment: Environment, *progress: object) -> None:
        seen.append(environment)
        raise ConfigError("seen")

    monkeypatch.setattr(planning, "plan", stop)
    for name in ("RAY_ADDRESS", *(f"LABELBENCH_{name.upper()}" for name in GIVEN)):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str, **variables: str) -> Environment:
        result = invoke("plan", QUICKSTART, *words, variables=variables)
        assert str(result.exception) == "seen", result.output
        return seen.pop()

    return run


def invoke(*words: str, variables: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(cli.app, words, env=variables)


def test_the_options_are_those_of_the_environment():
    assert {*GIVEN, "verbose", "early_stopping"} == {field.name for field in dataclasses.fields(Environment)}


@pytest.mark.parametrize("name", ["verbose", "early_stopping"])
def test_a_switch_is_off_unless_it_is_given_or_read_from_its_variable(environment_of, name: str):
    assert not getattr(environment_of(), name)
    assert getattr(environment_of(f"--{name.replace('_', '-')}"), name)
    assert getattr(environment_of(**{f"LABELBENCH_{name.upper()}": "1"}), name)


@pytest.mark.parametrize("name", GIVEN)
def test_every_option_is_read_from_its_variable(environment_of, name: str):
    typed, meant = GIVEN[name]
    assert getattr(environment_of(), name) != meant
    assert getattr(environment_of(**{f"LABELBENCH_{name.upper()}": typed}), name) == meant


@pytest.mark.parametrize("name", GIVEN)
def test_the_command_line_wins_over_the_variable(environment_of, name: str):
    typed, meant = GIVEN[name]
    other = "ray" if name == "executor" else "/other" if isinstance(meant, Path) else "1"
    variables = {f"LABELBENCH_{name.upper()}": other} | ({"RAY_ADDRESS": other} if name == "address" else {})
    assert getattr(environment_of(f"--{name.replace('_', '-')}", typed, **variables), name) == meant


def test_a_job_on_a_cluster_finds_it_by_ray_s_own_variable(environment_of):
    assert environment_of(RAY_ADDRESS="10.0.0.1:6379").address == "10.0.0.1:6379"
    assert environment_of(RAY_ADDRESS="10.0.0.1:6379", LABELBENCH_ADDRESS="auto").address == "auto"


def test_mlflow_lies_in_the_folder_that_the_variable_names(environment_of):
    assert environment_of(LABELBENCH_RUNS="/elsewhere").tracking_uri == "sqlite:////elsewhere/mlflow.db"


@pytest.mark.parametrize("verb", ["plan", "embed", "run"])
def test_every_command_that_plans_lists_in_its_help_the_variables_that_it_reads(verb: str):
    shown = "".join(invoke(verb, "--help").output.split())
    unused = {each.name for each in dataclasses.fields(Environment) if verb in each.metadata["unused"]}
    for name in GIVEN:
        assert (f"envvar:LABELBENCH_{name.upper()}" in shown) == (name not in unused), name
    assert ("RAY_ADDRESS" in shown) == ("address" not in unused)
    assert {"runs", "store", "data_root"}.isdisjoint(unused)


def test_a_variable_out_of_range_is_refused_by_its_option(environment_of):
    result = invoke("plan", QUICKSTART, variables={"LABELBENCH_SCORERS": "-1"})
    assert result.exit_code == 2
    assert "--scorers" in result.output


# Strategies of a user's own: what they return is checked before anything is bought.

CHOOSES = """
import numpy as np
from labelbench_ray.strategies import Strategy

class Mine(Strategy):
    def choose(self, view, budget, key, ask):
        free = np.setdiff1d(np.arange(view.num_rows), view.labeled_L)[:budget]
        return {returned}
"""


def chooses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, returned: str) -> Strategy:
    return strategies.create(write_module(tmp_path, "mine", CHOOSES.format(returned=returned), monkeypatch))


def test_a_strategy_of_a_user_s_own_chooses(tmp_path, monkeypatch):
    pool = make_pool(50)
    chosen = chooses(tmp_path, monkeypatch, "free").select(pool.view(), 5, np.random.default_rng(0))
    np.testing.assert_array_equal(chosen, pool.unlabeled[:5])


@pytest.mark.parametrize(
    "returned",
    [
        "free[:-1]",
        "free[:0]",
        "np.arange(budget + 1)",
        "np.repeat(free[:1], budget)",
        "free.astype(np.float64)",
        "free.astype(np.int32)",
        "free[:, None]",
        "np.append(free[:-1], view.labeled_L[0])",
        "free.tolist()",
        "None",
        "np.append(free[:-1], -1)",
        "np.append(free[:-1], view.num_rows)",
    ],
)
def test_a_choice_that_cannot_be_bought_is_refused_by_the_strategy_s_name(tmp_path, monkeypatch, returned: str):
    strategy = chooses(tmp_path, monkeypatch, returned)
    with pytest.raises(ValueError, match="Mine"):
        strategy.select(make_pool(50).view(), 5, np.random.default_rng(0))


def test_the_labeled_row_that_was_chosen_is_named(tmp_path, monkeypatch):
    strategy = chooses(tmp_path, monkeypatch, "np.append(free[:-1], view.labeled_L[0])")
    view = PoolView.from_arrays(np.zeros((9, 2), np.float32), np.full((9, 2), 0.5, np.float32), [6], [0])
    with pytest.raises(ValueError, match="Mine chose row 6, which is labeled"):
        strategy.select(view, 3, np.random.default_rng(0))


# Plans: a folder counts only for the trial that made it, from the store that is there.

TRIAL = Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=2, budget=4)


def record(folder: Path, trial: Trial, store: str) -> Path:
    """A finished trial's folder."""
    name = parts.build(trial).fingerprint
    header = Header(fingerprint=name, trial=trial, store=store, compute="numpy", versions={})
    with Ledger.open(folder / "runs" / "study.study" / name, header) as ledger:
        for number in range(trial.rounds):
            chosen = np.arange(4) + 4 * number
            ledger.publish(number, chosen, chosen % 3, 4 * number + 4, {}, {}, {"bias": np.zeros(2)})
    return ledger.directory


def embedded(folder: Path, trial: Trial) -> str:
    """A store's manifest, which is all that a plan reads; returns its content hash."""
    key = parts.build(trial).embedding
    shards = [ShardEntry(split=split, number=0, rows=9, sha256="0") for split in ("pool", "validation", "test")]
    manifest = make_manifest(key, shards)
    (folder / "store" / key).mkdir(parents=True)
    (folder / "store" / key / "manifest.json").write_text(manifest.model_dump_json())
    return manifest.content


def planned(folder: Path, trial: Trial = TRIAL) -> PlannedTrial:
    environment = Environment(
        runs=folder / "runs", store=folder / "store", data_root=folder / "data", tracking_uri="", address=None
    )
    (found,) = plan(Experiment("study.study", (trial,)), environment).trials
    return found


def test_rounds_from_the_store_that_is_there_count(tmp_path):
    record(tmp_path, TRIAL, embedded(tmp_path, TRIAL))
    assert (planned(tmp_path).done, planned(tmp_path).progress.reason) == (True, "")


def test_rounds_count_while_the_store_is_not_there(tmp_path):
    record(tmp_path, TRIAL, "of another machine")
    assert (planned(tmp_path).done, planned(tmp_path).progress.reason) == (True, "")


def test_rounds_from_another_store_do_not_count_and_the_folder_is_named(tmp_path):
    embedded(tmp_path, TRIAL)
    directory = record(tmp_path, TRIAL, "another")
    assert planned(tmp_path).rounds_done == 0
    assert planned(tmp_path).progress.reason.startswith(f"{directory} was made from another store; delete it")


def test_another_trial_s_ledger_does_not_count_and_the_folder_is_named(tmp_path):
    other = record(tmp_path, vary(TRIAL, seed=1), "s")
    directory = other.with_name(parts.build(TRIAL).fingerprint)
    shutil.copytree(other, directory)
    assert planned(tmp_path).rounds_done == 0
    assert planned(tmp_path).progress.reason == f"{directory} holds trial {other.name}; move it back"
    assert planned(tmp_path, vary(TRIAL, seed=1)).done


# Embedding stores: keys of rows are distinct, and arrays that are damaged can be made again.

ROW_IDS = {"pool": [["a", "b"], ["c", "d"], ["e"]], "validation": [["a", "c"]], "test": [["a"], ["b"]]}


def make_store(folder: Path, row_ids: dict[str, list[list[str]]]) -> tuple[EmbeddingStore, list[EmbeddedShard]]:
    """A finished store of these shards, and what the workers reported of them."""

    def rows(ids: list[str], number: int) -> ShardRows:
        embeddings = np.random.default_rng(number).normal(size=(len(ids), 4)).astype(np.float16)
        return ShardRows(ids, np.zeros(len(ids), np.int64), embeddings, {})

    splits = {split: [rows(ids, number) for number, ids in enumerate(shards)] for split, shards in row_ids.items()}
    store = write_store(folder / "thekey", splits)
    return store, [EmbeddedShard(entry, 4, "numpy", {}, 100) for entry in store.manifest.shards]


@pytest.fixture
def store(tmp_path: Path) -> EmbeddingStore:
    return make_store(tmp_path, ROW_IDS)[0]


def test_a_key_may_be_in_several_splits_and_a_shard_may_be_empty(tmp_path):
    store, made = make_store(tmp_path, ROW_IDS | {"test": [["a"], [], ["b"]]})
    check_row_ids(store.directory, made)


@pytest.mark.parametrize("split", ROW_IDS)
@pytest.mark.parametrize(
    "shards", [[["k", "twice"], ["q"], ["r", "twice"]], [["twice", "twice"]], [["twice"], ["twice"]]]
)
def test_a_key_that_is_repeated_in_a_split_is_refused_by_name(tmp_path, split: str, shards: list[list[str]]):
    store, made = make_store(tmp_path, ROW_IDS | {split: shards})
    with pytest.raises(DataError, match=f"row_id 'twice' is repeated in the split '{split}'"):
        check_row_ids(store.directory, made)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


@pytest.mark.parametrize(
    "damage", [Path.unlink, cut_short, lambda path: path.write_bytes(b"")], ids=["gone", "cut short", "empty"]
)
@pytest.mark.parametrize("file", ["pool.npy", "test-labels.npy", "mean.npy"])
def test_damaged_arrays_are_refused_by_their_folder_and_deleting_it_repairs_them(store, file: str, damage):
    whole = np.array(store.arrays().pool.embeddings_ND)
    folder = store.directory / "arrays" / store.manifest.content
    damage(folder / file)
    with pytest.raises(StoreError) as refused:
        store.arrays()
    assert str(refused.value).startswith(f"{folder / file}: ")
    assert f"delete {folder} to have it made again" in str(refused.value)
    shutil.rmtree(folder)
    np.testing.assert_array_equal(store.arrays().pool.embeddings_ND, whole)


def test_drafts_of_killed_processes_are_removed_when_arrays_are_made(store):
    folder = store.directory / "arrays"
    for pid in (1, 2):
        (folder / f".{store.manifest.content}.{pid}.draft").mkdir(parents=True)
        (folder / f".{store.manifest.content}.{pid}.draft" / "pool.npy").write_bytes(b"half")
    store.arrays()
    assert {path.name for path in folder.iterdir()} == {"lock", store.manifest.content}


def test_a_finished_store_asks_no_cluster_for_machines_to_embed_on(store):
    nothing_else: Any = None
    store.arrays()
    assert complete._repaired(store, nothing_else, nothing_else, "", nothing_else, nothing_else) is store


# Packages that are not installed.


def test_the_list_goes_on_when_one_plug_in_s_package_is_missing(monkeypatch):
    load = plugins.load

    def without_one(base: type[Plugin], package: str, name: str) -> type[Plugin]:
        if name == "efficientnet_lite0":
            raise ConfigError("the encoder needs the package 'onnx'")
        return load(base, package, name)

    assert "efficientnet_lite0" in plugins.names("labelbench_ray.encoders")
    monkeypatch.setattr(plugins, "load", without_one)
    result = invoke("list", "encoders")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert "needs the package 'onnx'" in next(line for line in lines if line.startswith("efficientnet_lite0"))
    assert all(any(line.startswith(name) for line in lines) for name in plugins.names("labelbench_ray.encoders"))


@pytest.fixture
def without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A checkout on a machine without git."""
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(versions, "CHECKOUT", tmp_path)
    monkeypatch.setattr(shutil, "which", lambda command: None)
    monkeypatch.setenv("PATH", "")
    versions.versions.cache_clear()
    yield
    versions.versions.cache_clear()


@pytest.mark.usefixtures("without_git")
def test_versions_are_stated_without_git():
    found = versions.versions()
    assert found["labelbench-ray"] == labelbench_ray.__version__
    assert "commit" not in found
    assert found["numpy"] == np.__version__


def test_the_checkout_is_the_repository():
    """Records state the commit again: since modules lie in folders, it was looked for in the package."""
    assert (versions.CHECKOUT / "labelbench_ray/storage/versions.py").samefile(versions.__file__)


def test_a_shard_that_was_embedded_again_to_other_content_is_refused_by_name(store):
    entry, job = store.manifest.shards[0], EmbeddingJob(Pixels(), store.directory, "recipe", "cpu", 2)

    def again(entry: ShardEntry, compute: str) -> EmbeddingStore:
        made: Any = (store, [EmbeddedShard(entry, 4, compute, {}, 100)], None, job, None)
        return with_rebuilt(*made)

    assert again(entry, "numpy").manifest == store.manifest
    other = entry.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(StoreError, match=r"pool-00000\.parquet: was damaged, .* on 'cuda' gave other content"):
        again(other, "cuda")


def test_a_finished_store_s_damaged_shards_are_set_aside(store):
    assert set_damaged_aside(store) == []
    cut_short(store.directory / ShardId("pool", 1).file)
    (store.directory / ShardId("test", 0).file).unlink()
    assert set_damaged_aside(store) == [ShardId("pool", 1), ShardId("test", 0)]
    assert not (store.directory / ShardId("pool", 1).file).exists()
    assert len(set_asides(store.directory)) == 2
