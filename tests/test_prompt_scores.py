"""What vLLM returns of prompts as facts (1.6, test 3): bounds, a configuration that Ray accepts, a stand-in engine."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from labelbench_ray.cluster import prompt_scores
from labelbench_ray.cluster.prompt_scores import (
    TOP,
    PromptScoring,
    completed,
    engine_config,
    request,
    score_prompts,
    scored,
    vocabulary_of,
)
from labelbench_ray.commands.cli import app
from labelbench_ray.encoders.networks.token_statistics import TokenStatistics
from labelbench_ray.encoders.networks.top_logprobs import TOP_FACTS, answer_facts, entropy_bounds
from labelbench_ray.errors import ConfigError, NotProvidedError
from tests.small_language_model import write_language_model

SCORING = PromptScoring(model="some/model", vocabulary=1000, max_new_tokens=6, replicas=2, gpus_per_replica=4)


def logprobs(seed: int, tokens: int, vocabulary: int) -> np.ndarray:
    logits = 3 * np.random.default_rng(seed).normal(size=(tokens, vocabulary))
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def top(row: np.ndarray, most: int = TOP) -> dict[int, dict[str, Any]]:
    """As vLLM returns a token's."""
    return {
        int(token): {"logprob": float(row[token]), "rank": rank, "decoded_token": "x"}
        for rank, token in enumerate(np.argsort(-row)[:most], 1)
    }


@pytest.mark.parametrize("seed", range(20))
def test_3_the_bounds_bracket_the_exact_entropy_of_a_thousand_tokens(seed: int):
    (row,) = logprobs(seed, 1, 1000)
    exact = float(-(np.exp(row) * row).sum())
    least, most = entropy_bounds(np.sort(row)[::-1][:TOP], 1000)
    assert least < exact < most


def test_3_with_no_more_tokens_than_are_returned_both_bounds_are_the_entropy():
    (row,) = logprobs(0, 1, 20)
    exact = float(-(np.exp(row) * row).sum())
    assert entropy_bounds(np.sort(row)[::-1], 20) == (pytest.approx(exact), pytest.approx(exact))


def test_margins_and_log_probabilities_equal_those_of_the_full_distributions():
    rows = logprobs(1, 6, 1000)
    tokens = rows.argmax(axis=1).tolist()
    found = answer_facts(tokens, [top(row) for row in rows], 1000)
    statistics = TokenStatistics(1)
    for row in rows:
        statistics.add(torch.tensor(row[None]), torch.tensor([True]))
    exact = {name: float(values[0]) for name, values in statistics.facts().items()}
    for name in ("neg_logprob", "mean_margin", "min_margin", "min_confidence", "num_new_tokens"):
        assert found[name] == pytest.approx(exact[name], abs=1e-5), name
    assert found["mean_entropy"] < exact["mean_entropy"] < found["mean_entropy_most"]
    assert found["max_entropy"] <= exact["max_entropy"]
    assert 0 < found["mean_tail"] < 1
    assert set(found) == set(TOP_FACTS)


def test_ray_accepts_the_configuration_and_what_it_refuses_is_named():
    config = engine_config(SCORING)
    assert config.model_source == "some/model"
    assert config.engine_kwargs["max_logprobs"] == TOP
    assert config.engine_kwargs["tensor_parallel_size"] == 4
    assert (config.concurrency, config.should_continue_on_error) == (2, True)
    with pytest.raises(ValueError, match="vocabulary"):
        PromptScoring(model="m", vocabulary=0)


class StandIn:
    """Stands in for Ray Data and the engine: rows as dicts, answers in another order."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def map(self, function: Any) -> list[dict[str, Any]]:
        return [function(row) for row in self.rows]

    def columns(self) -> list[str]:
        return list(self.rows[0])


def engine(config: Any, preprocess: Any, postprocess: Any) -> Any:
    def stage(dataset: StandIn) -> StandIn:
        found = []
        for number, row in enumerate(dataset.rows):
            asked = preprocess(row)
            assert asked["sampling_params"] == {"temperature": 0.0, "max_tokens": 6, "logprobs": TOP}
            assert asked["messages"][-1]["role"] == "user"
            rows = logprobs(number, 1 + number, SCORING.vocabulary)
            answer = {
                "generated_text": "secret",
                "generated_tokens": rows.argmax(axis=1).tolist(),
                "num_input_tokens": 9,
            }
            answer["logprobs"] = json.loads(json.dumps([top(row) for row in rows]))  # keys become text, as in Arrow
            if number == 2:  # as Ray has it, a row with an error goes on as it is
                found.append({**asked, "__inference_error__": "the prompt is longer than the model's context"})
            else:
                found.append({**postprocess({**asked, **answer}), "__inference_error__": ""})
        return StandIn(found[::-1])

    return stage


def test_answers_of_an_engine_become_facts_and_nothing_else_goes_on():
    given = StandIn(
        [
            {"row_id": "a", "prompt": "one", "task": "x"},
            {"row_id": "b", "prompt": [{"role": "user", "content": "two"}], "task": "y"},
            {"row_id": "c", "prompt": "too long", "task": "x"},
        ]
    )
    found = {row["row_id"]: row for row in score_prompts(given, SCORING, engine)}
    assert set(found) == {"a", "b", "c"}
    assert set(found["a"]) == {"row_id", "prompt", "task", "num_prompt_tokens", "error", *TOP_FACTS}
    assert found["b"]["num_new_tokens"] == 2
    assert found["a"]["error"] == ""
    assert all(np.isnan(found["c"][name]) for name in (*TOP_FACTS, "num_prompt_tokens")), "0 would rank it first"
    assert found["c"]["error"] == "the prompt is longer than the model's context"
    assert "secret" not in repr(found)
    assert "logprobs" not in repr(found)


def test_mistakes_are_named():
    with pytest.raises(ConfigError, match="no column 'row_id'"):
        score_prompts(StandIn([{"prompt": "x"}]), SCORING, engine)
    row = {"row_id": "a", "prompt": "x", "generated_tokens": [3], "logprobs": [], "num_input_tokens": 1}
    unscored = scored(row, SCORING, ("row_id",))
    assert "1 tokens with 0 log-probabilities" in completed(unscored, ("row_id",))["error"]
    beside_scored_rows = {**row, "mean_entropy": None, "__inference_error__": "too long"}  # as Arrow completes a block
    assert np.isnan(completed(beside_scored_rows, ("row_id",))["mean_entropy"])
    assert request({"row_id": "a", "prompt": "x"}, SCORING)["messages"] == [
        {"role": "system", "content": ""},
        {"role": "user", "content": "x"},
    ]


class StandInData(StandIn):
    """Stands in for a Ray data set, whose writes are kept."""

    written: ClassVar[dict[str, list[dict[str, Any]]]] = {}

    def map(self, function: Any) -> "StandInData":
        return StandInData([function(row) for row in self.rows])

    def filter(self, keep: Any) -> "StandInData":
        return StandInData([row for row in self.rows if keep(row)])

    def drop_columns(self, names: list[str]) -> "StandInData":
        return StandInData([{name: value for name, value in row.items() if name not in names} for row in self.rows])

    def materialize(self) -> "StandInData":
        return self

    def count(self) -> int:
        return len(self.rows)

    def write_parquet(self, path: str) -> None:
        self.written[path] = self.rows


def in_turn(*given: Any, **named: Any) -> Any:
    """Stands in for `build_processor`."""
    return lambda data: StandInData(engine(*given, **named)(data).rows)


def run(*words: str) -> tuple[int, str]:
    ended = CliRunner().invoke(app, ["score-prompts", *words], standalone_mode=False)
    if ended.exception:
        raise ended.exception
    return ended.return_value, ended.output


def test_the_command_writes_facts_and_what_was_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import ray.data
    import ray.data.llm

    rows = [{"row_id": name, "prompt": name, "task": "x"} for name in "abc"]
    joined: list[str | None] = []
    monkeypatch.setattr(prompt_scores, "connected", lambda address: joined.append(address) or nullcontext())
    monkeypatch.setattr(ray.data, "read_parquet", lambda source: StandInData(rows))
    monkeypatch.setattr(ray.data.llm, "build_processor", in_turn)
    monkeypatch.setattr(StandInData, "written", {})
    out = tmp_path / "scored"
    asked = ["in", str(out), "--model", "m", "--vocabulary", "1000", "--max-new-tokens", "6", "--address", "auto"]
    status, text = run(*asked)
    assert (status, joined) == (1, ["auto"])
    assert "2 prompts scored" in text
    assert "1 prompts refused" in text
    scored_rows = StandInData.written[f"{out}/prompts.parquet"]
    assert {row["row_id"] for row in scored_rows} == {"a", "b"}
    assert {"row_id", "prompt", "task", "mean_entropy", "mean_tail"} <= set(scored_rows[0])
    assert "error" not in scored_rows[0]
    assert [row["error"] for row in StandInData.written[f"{out}/refused.parquet"]] == [
        "the prompt is longer than the model's context"
    ]
    out.mkdir()
    (out / "prompts.parquet").touch()
    with pytest.raises(ConfigError, match="is not empty, and nothing is overwritten"):
        run(*asked)


def test_without_vllm_or_a_known_vocabulary_the_command_states_what_to_do(tmp_path: Path):
    with pytest.raises(NotProvidedError, match="pip install vllm"):
        run("in", str(tmp_path / "out"), "--model", "m", "--vocabulary", "1000")
    with pytest.raises(NotProvidedError, match="give --vocabulary"):
        run("in", str(tmp_path / "out"), "--model", str(tmp_path / "gone"))


def test_the_vocabulary_is_that_of_the_model_s_config(tmp_path: Path):
    assert vocabulary_of(str(write_language_model(tmp_path / "model"))) == 260
