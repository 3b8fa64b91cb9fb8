"""Each law of strategies catches the mistake that it is about: one-file strategies, broken on purpose."""

from pathlib import Path

import pytest

from labelbench_ray.contracts.checking import laws_of, made_plugin
from labelbench_ray.contracts.law import Law, Verdict, judge
from labelbench_ray.strategies import Strategy

ROWS = '''
"""A mistake."""
import random
from typing import Any, ClassVar
import numpy as np
from pydantic import ConfigDict, PrivateAttr, model_validator
from labelbench_ray.plugins import Part
from labelbench_ray.strategies import Chosen, MemoryStrategy, RowStrategy, Strategy, best_rows

calls = []

class Own(RowStrategy):
    {attributes}

    def score(self, block):
        {body}
'''
CHOICE = ROWS.replace("Own(RowStrategy)", "Own(Strategy)").replace(
    "score(self, block)", "choose(self, view, budget, key, ask)"
)
MARGIN = "return -block.probabilities_BK.max(axis=1)"
FIRST = "return view.open_ids()[:budget]"


def overriding(select: str) -> str:
    return (
        ROWS.format(attributes="", body=MARGIN)
        + f"\n    def select(self, view, budget, rng, ask=None):\n        {select}\n"
    )


BROKEN: dict[str, tuple[str, str]] = {
    "its settings survive JSON and pickling": (
        ROWS.format(attributes="rule: Any = len", body=MARGIN),
        "written as JSON and read back it raises .*Unable to serialize unknown type.*; give every setting",
    ),
    "it has a fingerprint, the same for the same settings": (
        ROWS.format(attributes='other: Part = Part(name="margin")', body=MARGIN),
        "asked for its recipe it raises .*inner_plugins must make",
    ),
    "it refuses settings that it does not have": (
        ROWS.format(
            attributes='model_config = ConfigDict(extra="ignore")\n'
            '    @model_validator(mode="before")\n    @classmethod\n'
            "    def _refuse_unknown_keys(cls, given):\n        return given",
            body=MARGIN,
        ),
        "it takes a setting 'no_such_setting', which it does not have; leave `model_config` as it is",
    ),
    "its settings cannot be assigned": (
        ROWS.format(attributes="rate: float = 1.0\n    model_config = ConfigDict(frozen=False)", body=MARGIN),
        "its setting 'rate' can be assigned",
    ),
    "chooses as many distinct unlabeled rows as asked for, on ordinary and odd pools": (
        CHOICE.format(attributes="", body="return view.open_ids()[: budget - 1]"),
        r"on the pool 'plain', asked for 12 of 130 .* Own returned int64 of shape \(11,\); a strategy must choose 12",
    ),
    "chooses from pools of one to thirty rows": (
        CHOICE.format(attributes="", body="return view.open_ids()[np.argpartition(view.open_ids(), 9)[:budget]]"),
        "on a pool of 2 rows, 1 of them labeled, .*kth.* out of bounds",
    ),
    "a budget of 0 gives an empty array": (
        overriding("return super().select(view, budget, rng, ask) if budget else None"),
        "with a budget of 0, asked for 0 rows, it returned NoneType; choose distinct ids",
    ),
    "a budget of all unlabeled rows gives all of them": (
        CHOICE.format(attributes="", body="return view.open_ids()[np.argpartition(view.open_ids(), budget)[:budget]]"),
        "with a budget of all unlabeled rows, .*kth.* out of bounds",
    ),
    "refuses a budget that cannot be met or is not an integer": (
        overriding("return super().select(view, min(max(int(budget or 0), 0), view.num_unlabeled), rng, ask)"),
        "asked for 31 of 30 unlabeled rows it chose some; leave `select` as it is",
    ),
    "returns the pool's own ids, not positions": (
        CHOICE.format(attributes="", body="return np.flatnonzero(view.shards[0].open_S)[:budget]"),
        "on a pool whose ids are 1000, .* chose ids that are not in the pool.*; ids come from `shard.ids_S`",
    ),
    "chooses with a model whose probabilities are exactly 0 and 1": (
        ROWS.format(
            attributes="", body="return -(block.probabilities_BK * np.log(block.probabilities_BK)).sum(axis=1)"
        ),
        r"with a model that is sure \(logits times 30\), .* Own.score returned nan for row",
    ),
    "refuses a row of NaN": (
        CHOICE.format(
            attributes="",
            body="rows = np.concatenate([s.raw_SD[s.open_S] for s in view.shards]).astype(float)\n"
            "        return view.open_ids()[np.argsort(np.nan_to_num(rows.sum(axis=1)))[:budget]]",
        ),
        "on a pool with a row of NaN: it chose rows; read `block.embeddings_BD`",
    ),
    "chooses among tied rows uniformly": (
        CHOICE.format(attributes="", body=FIRST),
        "of 60 equal rows some are chosen up to 100 times .* others 0 times.*; break ties by `tie_hash",
    ),
    "asks only for rows that it chooses": (
        CHOICE.format(attributes="needs_ask = True", body=f"ask(view.open_ids())\n        {FIRST}"),
        "with a budget of 15 it asked for too many labels .*; ask only for rows that you choose",
    ),
    "works without `ask`, or states that it needs it": (
        CHOICE.format(attributes="needs_ask = True", body=f"ask(view.open_ids()[:1])\n        {FIRST}"),
        "it raises .*TypeError: 'NoneType' object is not callable",
    ),
    "chooses the first batch, if `cold_start` states that it can": (
        CHOICE.format(attributes="cold_start = True", body=f"view.labeled_L[0]\n        {FIRST}"),
        "before the first label, .*IndexError",
    ),
    "reads only what `wants` names": (
        ROWS.format(attributes='wants = ("embeddings",)', body=MARGIN),
        "it reads probabilities, which its attribute `wants` does not name; add 'probabilities'",
    ),
    "remembers by its notes alone, if it has memory": (
        CHOICE.format(
            attributes="_seen: list = PrivateAttr(default_factory=list)",
            body="",
        )
        .replace("Own(Strategy)", "Own(MemoryStrategy)")
        .replace(
            "def choose(self, view, budget, key, ask):",
            "def choose_with_notes(self, view, budget, key, ask, history):\n"
            "        self._seen.append(1)\n"
            "        return Chosen(view.open_ids()[len(self._seen):][:budget])",
        ),
        "three rounds with one strategy give other rows or notes than with a new one in each round; keep what",
    ),
    "chooses the same rows for the same pool and key": (
        ROWS.format(attributes="", body="return np.random.random(len(block.ids_B))"),
        r"called twice for the same pool and key it chose different rows \(the choice at place 0 is row \d+ or",
    ),
    "chooses the same rows in every process": (
        ROWS.format(
            attributes="_noise: float = PrivateAttr(default_factory=random.random)",
            body="return np.sin(self._noise * 1e4 * block.ids_B)",
        ),
        "made anew with the same settings it chose different rows",
    ),
    "leaves its inputs as they are": (
        ROWS.format(attributes="", body=f"block.embeddings_BD[:] = 0\n        {MARGIN}").replace(
            "def score",
            "def scorer(self, view, key):\n        view.shards[0].raw_SD[:] = 0\n        return self.score\n"
            "    def score",
        ),
        "it changed the embeddings of the pool; copy an array before writing to it",
    ),
    "takes read-only arrays": (
        CHOICE.format(attributes="", body=f"view.shards[0].raw_SD.sort()\n        {FIRST}"),
        "on a pool of read-only arrays, .*read-only",
    ),
    "chooses the same rows on any number of shards": (
        CHOICE.format(
            attributes="",
            body="share = -(-budget // len(view.shards))\n"
            "        return np.concatenate([shard.open_ids[:share] for shard in view.shards])[:budget]",
        ),
        "of a pool in 1, 2 and 7 shards it chose different rows .*; compute on blocks",
    ),
    "chooses the same rows with a linear model and with its probabilities": (
        CHOICE.format(
            attributes="",
            body="values = np.concatenate([s.probabilities_SK[s.open_S, 0] for s in view.shards])\n"
            "        return view.open_ids()[np.argsort(values)[:budget]]",
        ),
        "it raises .*AttributeError: 'ModelShard' object has no attribute 'probabilities_SK'",
    ),
    "chooses the same rows for float16 embeddings and their float32 values": (
        CHOICE.format(
            attributes="",
            body="values = np.concatenate([(s.raw_SD[s.open_S] ** 2).sum(axis=1) for s in view.shards])\n"
            "        return view.open_ids()[np.argsort(values)[:budget]]",
        ),
        "with embeddings in float16 and with the same values in float32 it chose different rows .*; read `block.emb",
    ),
}
"""By the law that it breaks: a strategy's file, and what `labelbench check` states of it."""


def test_there_is_a_mistake_for_every_law():
    assert set(BROKEN) == {law.statement for law in laws_of("Strategy")}


@pytest.mark.parametrize("law", laws_of("Strategy"), ids=str)
def test_a_law_catches_its_mistake(law: Law[Strategy], tmp_path: Path):
    text, states = BROKEN[law.statement]
    (tmp_path / "own.py").write_text(text)
    found = judge(law, made_plugin(tmp_path / "own.py", {}))
    assert found.verdict is Verdict.FAIL
    assert "\n" not in str(found)
    with pytest.raises(AssertionError, match=states):
        raise AssertionError(found.text)
