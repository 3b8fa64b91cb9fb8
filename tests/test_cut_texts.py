"""Texts of which an encoder reads only the beginning: counted while embedding, and stated wherever a person looks."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from labelbench_ray.api import stores as running
from labelbench_ray.api.executors import executor_of
from labelbench_ray.api.plan_words import describe
from labelbench_ray.api.report import store_warnings
from labelbench_ray.config import vary
from labelbench_ray.embeddings.cut_texts import CutTexts, describe_cut, note_cut, read_cut
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.encoders import Decoded, TextNetwork
from labelbench_ray.encoders.pixels import PixelNetwork
from labelbench_ray.environment import Environment
from tests.test_plan import BASE, make_plan
from tests.test_views import make_store

SMALL = vary(BASE, rounds=1, budget=5)
SAID = (
    "4 of 12 texts (33%) are longer than the 5 tokens that the encoder reads, and only their beginning is embedded; "
    "split or shorten them, put what distinguishes the classes first, or use an encoder that reads more"
)


@dataclass
class Letters:
    """A network that reads five letters."""

    compute: str = "letters"
    most_tokens: int | None = 5

    def embed(self, decoded: Sequence[Decoded]) -> np.ndarray:
        return np.ones((len(decoded), 2), np.float32)

    def num_cut(self, decoded: Sequence[Decoded]) -> int:
        return sum(len(str(text)) > 5 for text in decoded)


def test_networks_of_texts_are_known():
    assert isinstance(Letters(), TextNetwork)
    assert not isinstance(PixelNetwork(), TextNetwork)


def test_counts_of_shards_are_added_and_a_shard_that_is_embedded_again_counts_once(tmp_path: Path):
    assert read_cut(tmp_path) is None
    for _ in range(2):
        note_cut(tmp_path, "pool-00000", Letters(), ["longer than that", "short", "abcdef"])
        note_cut(tmp_path, "pool-00001", Letters(), ["short"])
        note_cut(tmp_path, "test-00000", Letters(), ["abcdefg"] * 2)
    assert read_cut(tmp_path) == CutTexts(texts=4, most_tokens=5)
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == ["pool-00000.json", "test-00000.json"]


@pytest.mark.parametrize("network", [PixelNetwork(), Letters(most_tokens=None)])
def test_where_nothing_is_cut_nothing_is_written(tmp_path: Path, network):
    note_cut(tmp_path, "pool-00000", network, ["a very long text"])
    note_cut(tmp_path, "pool-00001", Letters(), ["a"])
    assert list(tmp_path.iterdir()) == []
    assert describe_cut(read_cut(tmp_path), 3) is None


def test_the_sentence_states_number_share_limit_and_what_to_do():
    assert describe_cut(CutTexts(texts=4, most_tokens=5), 12) == SAID


@pytest.fixture
def store(tmp_path: Path) -> EmbeddingStore:
    """A finished store some of whose texts are cut."""
    made = make_store(tmp_path / "made")
    manifest = made.manifest.model_copy(update={"cut": CutTexts(texts=4, most_tokens=5)})
    (made.directory / "manifest.json").write_text(manifest.model_dump_json())
    return EmbeddingStore.open(made.directory)


def test_an_older_manifest_states_nothing(tmp_path: Path):
    made = make_store(tmp_path / "made")
    assert (made.manifest.cut, made.manifest.warning) == (None, None)


def test_it_is_stated_after_embedding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: EmbeddingStore):
    monkeypatch.setattr(running, "complete_store", lambda *_: store)
    environment = Environment(tmp_path / "runs", tmp_path / "store", tmp_path / "data", "", executor="local")
    printed = io.StringIO()
    running.make_stores(
        make_plan(tmp_path, SMALL), executor_of(environment), environment, Console(file=printed, width=80)
    )
    assert store.manifest.warning is not None
    assert store.manifest.warning in printed.getvalue()


def test_the_content_hash_does_not_depend_on_it(tmp_path: Path, store: EmbeddingStore):
    assert store.manifest.content == make_store(tmp_path / "other").manifest.content


def test_a_plan_states_it(tmp_path: Path, store: EmbeddingStore):
    planned = make_plan(tmp_path, SMALL)
    (each,) = planned.stores
    folder = tmp_path / "store" / each.key
    folder.mkdir(parents=True)
    manifest = store.manifest.model_copy(update={"key": each.key})
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    assert f"  {manifest.warning}" in describe(make_plan(tmp_path, SMALL))


def test_stores_that_warn_are_found_by_their_content(store: EmbeddingStore):
    assert store_warnings(store.directory.parent) == {store.manifest.content: store.manifest.warning}
