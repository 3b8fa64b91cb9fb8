"""The ids that each strategy picks on one small pool.

Regenerate with `pytest --update-golden`, and say why in the commit.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from labelbench_ray import strategies
from labelbench_ray.types import PoolView

FILE = Path(__file__).parent / "chosen.json"
ROWS, DIMENSIONS, CLASSES, LABELED, BUDGET = 200, 16, 5, 10, 20


def pick(name: str) -> list[int]:
    """Twenty rows of a pool that is made by integer arithmetic, so that it has the same bits on every machine."""
    row, column = np.arange(ROWS)[:, None], np.arange(DIMENSIONS)
    embeddings = ((row * row * 7919 + row * column * 104_729 + column * 31) % 1009 / 1009).astype(np.float32)
    column = np.arange(CLASSES)
    weights = (1 + (row * 389 + row * row * (11 + 7 * column**3) + row * column**2 * 53 + column * 5417) % 997) ** 3
    probabilities = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    truth = (np.arange(ROWS) * 7 + np.arange(ROWS) // 9) % CLASSES
    labeled = np.arange(LABELED) * 19
    strategy, rows = strategies.create(name), np.arange(ROWS)
    facts = {fact: 1 + (rows * rows * (7 + 2 * place) + 31 * rows) % 97 for place, fact in enumerate(strategy.facts)}
    view = PoolView.from_arrays(embeddings, probabilities, labeled, truth[labeled], facts=facts)
    chosen = strategy.select(view, BUDGET, np.random.default_rng(0), ask=lambda ids: truth[ids])
    return chosen.tolist()


def golden() -> dict[str, list[int]]:
    return json.loads(FILE.read_text())


@pytest.fixture(scope="session", autouse=True)
def _update(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        lines = [f"  {json.dumps(name)}: {json.dumps(pick(name))}" for name in strategies.names()]
        FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


@pytest.mark.parametrize("name", strategies.names())
def test_picks_the_rows_of_the_golden_file(name: str):
    known = golden()
    assert name in known, f"{FILE.name} has no {name!r} yet: run `pytest --update-golden` and commit the file"
    assert pick(name) == known[name], (
        "the picks changed: if that is meant, `pytest --update-golden` and say why in the commit"
    )


def test_the_golden_file_names_no_strategy_that_is_gone():
    assert set(golden()) <= set(strategies.names())
