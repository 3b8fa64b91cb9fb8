"""What CONTRIBUTING.md shows works as it stands."""

import re
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray import strategies
from labelbench_ray.types import PoolView


def test_the_strategy_in_contributing_chooses_the_most_mixed_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text()
    shown = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(shown) == 2
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package/impurity.py").write_text(shown[0])
    monkeypatch.syspath_prepend(tmp_path)
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), 200).astype(np.float32)
    view = PoolView.from_arrays(np.zeros((200, 2), np.float32), probabilities, [], [])
    chosen = strategies.create("my_package.impurity").select(view, 5, np.random.default_rng(0))
    assert set(chosen) == set(np.argsort((probabilities**2).sum(axis=1))[:5])


def test_the_trainer_in_contributing_is_the_one_in_the_package() -> None:
    root = Path(__file__).parent.parent
    _, shown = re.findall(r"```python\n(.*?)```", (root / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert shown in (root / "labelbench_ray/trainers/fixmatch.py").read_text()
