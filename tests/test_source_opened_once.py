"""A data set is opened by the plan, and once more after embedding, to see whether it changed."""

from pathlib import Path

import pytest

from labelbench_ray.config import Trial
from labelbench_ray.datasets import Dataset, Source
from labelbench_ray.embeddings.complete import complete_store
from labelbench_ray.embeddings.local import LocalEmbedder
from labelbench_ray.environment import Environment
from labelbench_ray.planning.stores import planned_store
from labelbench_ray.trial.parts import build


def test_the_opened_source_is_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    load = Dataset.open

    def counted(dataset: Dataset, root: Path) -> Source:
        opened.append(str(dataset))
        return load(dataset, root)

    monkeypatch.setattr(Dataset, "open", counted)
    built = build(Trial(dataset="digits", encoder="pixels", strategy="random", seed=0, rounds=1, budget=1))
    places = {name: tmp_path / name for name in ("runs", "store", "data_root")}
    environment = Environment(**places, tracking_uri="")
    planned = planned_store(built.embedding, built, (), environment, tmp_path)
    assert len(opened) == 1
    for times in (2, 2):  # embedded and compared again; then found
        complete_store(built.store_recipe, None, environment, LocalEmbedder(), lambda *_: None, planned.source)
        assert len(opened) == times
