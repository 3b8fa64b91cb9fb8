"""Scoring prompts with vLLM through `ray.data.llm`: the facts of `encoders.networks.top_logprobs`, in parquet.

The engine batches, schedules and retries; here its configuration is built and its answers become facts. The result is
written as `prompts.parquet` (`labelbench score-prompts`), whose columns of facts the data set `prompts` reads by
`facts=[...]`. vLLM needs GPUs and is not part of any extra: install it on the cluster.
"""

import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, Field, PositiveInt

from labelbench_ray.cluster.session import connected
from labelbench_ray.encoders.networks.top_logprobs import TOP_FACTS, answer_facts
from labelbench_ray.errors import ConfigError, NotProvidedError

TOP: Final = 20
"""Log-probabilities of each token: as many as vLLM returns unless it is started with a larger `max_logprobs`."""
LENGTH, ERROR = "num_prompt_tokens", "__inference_error__"
Build = Callable[..., Callable[[Any], Any]]
"""`ray.data.llm.build_processor`, or what stands in for it: (configuration, preprocess=, postprocess=) -> stage."""


class PromptScoring(BaseModel, frozen=True, extra="forbid"):
    """What the engine is asked for."""

    model: str = Field(min_length=1)
    """A folder, or a name on the Hugging Face hub."""
    vocabulary: PositiveInt
    """V, as the model's config.json states it (`vocab_size`): it bounds the entropy."""
    context: PositiveInt = 8192
    """Tokens of a prompt with its answer; a longer prompt becomes a row with the engine's error."""
    max_new_tokens: PositiveInt = 128
    replicas: PositiveInt = 1
    """Engines at a time."""
    gpus_per_replica: PositiveInt = 1
    batch_size: PositiveInt = 64


def engine_config(scoring: PromptScoring) -> Any:  # noqa: ANN401  a `vLLMEngineProcessorConfig`
    """The engine's configuration, checked by Ray; `ConfigError` states what Ray refuses."""
    from ray.data.llm import vLLMEngineProcessorConfig

    try:
        return vLLMEngineProcessorConfig(
            model_source=scoring.model,
            engine_kwargs={
                "max_model_len": scoring.context,
                "max_logprobs": TOP,
                "tensor_parallel_size": scoring.gpus_per_replica,
                "enable_prefix_caching": True,  # the template of chats begins every prompt alike
            },
            task_type="generate",
            concurrency=scoring.replicas,
            batch_size=scoring.batch_size,
            should_continue_on_error=True,
        )
    except ValueError as error:
        raise ConfigError(f"vLLM's configuration: {error}") from error


def request(row: dict[str, Any], scoring: PromptScoring) -> dict[str, Any]:
    """What the engine gets of a row with `row_id` and `prompt`, text or messages; the answer is greedy.

    Prompts without a system message get an empty one, as `causal_lm` has it: some templates insert their own.
    """
    prompt = row["prompt"]
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    if messages[0]["role"] != "system":
        messages = [{"role": "system", "content": ""}, *messages]
    sampling = {"temperature": 0.0, "max_tokens": scoring.max_new_tokens, "logprobs": TOP}
    return {**row, "messages": messages, "sampling_params": sampling}


def scored(row: dict[str, Any], scoring: PromptScoring, kept: tuple[str, ...]) -> dict[str, Any]:
    """The columns that are kept, with facts; neither the answer nor its log-probabilities go on."""
    same = {name: row[name] for name in kept}
    try:
        facts = answer_facts(row["generated_tokens"], row["logprobs"], scoring.vocabulary)
    except ValueError as error:
        return {**same, ERROR: str(error)}
    return {**same, **facts, LENGTH: float(row["num_input_tokens"])}


def completed(row: dict[str, Any], kept: tuple[str, ...]) -> dict[str, Any]:
    """A row with the same columns whether it was scored or not: facts of NaN, and why, where it was not.

    Ray passes rows with an error on as they are, without `scored`. A fact of 0 would rank such a row first in some
    designs; the data set `prompts` refuses NaN.
    """
    same = {name: row[name] for name in kept}
    return {
        **same,
        **{name: float("nan" if row.get(name) is None else row[name]) for name in (*TOP_FACTS, LENGTH)},
        "error": row.get(ERROR) or "",
    }


def score_prompts(dataset: Any, scoring: PromptScoring, build: Build | None = None) -> Any:  # noqa: ANN401  a Dataset
    """A Ray data set of prompts with the columns `row_id`, `prompt` and any others, and the facts of each.

    Rows come back in any order; `row_id` identifies them. `write_parquet` the result where the prompts lay.

    Args:
        dataset: a `ray.data.Dataset`.
        scoring: what is asked for.
        build: makes the stage; None: `ray.data.llm.build_processor`.
    """
    if build is None:
        from ray.data.llm import build_processor

        build = build_processor
    kept = tuple(dataset.columns())
    if missing := [name for name in ("row_id", "prompt") if name not in kept]:
        raise ConfigError(f"the prompts have no column {missing[0]!r} (have: {', '.join(kept)}); name it so")
    stage = build(
        engine_config(scoring),
        preprocess=partial(request, scoring=scoring),
        postprocess=partial(scored, scoring=scoring, kept=kept),
    )
    return stage(dataset).map(partial(completed, kept=kept))


def score_files(source: str, out: str, scoring: PromptScoring, address: str | None) -> tuple[int, int]:
    """Score the prompts of parquet files on a Ray cluster, and write them with their facts.

    Returns:
        How many prompts were scored (`out`/prompts.parquet), and how many the engine refused (`out`/refused.parquet,
        written where there are any).

    Raises:
        ConfigError: `out` is there already, no cluster can be joined, or a column is missing.
        NotProvidedError: there are no files, or vLLM is not installed for a local Ray.
    """
    import ray.data

    if (place := Path(out)).exists() and any(place.iterdir()):
        raise ConfigError(f"{out}: is not empty, and nothing is overwritten; name another folder")
    if address is None and importlib.util.find_spec("vllm") is None:
        raise NotProvidedError("vLLM is not installed; `pip install vllm` on a machine with GPUs, or name --address")
    with connected(address):
        try:
            prompts = ray.data.read_parquet(source)
        except FileNotFoundError as error:
            raise NotProvidedError(f"{source}: there are no parquet files; name a file or a folder of them") from error
        found = score_prompts(prompts, scoring).materialize()
        right = found.filter(lambda row: not row["error"]).drop_columns(["error"])
        refused = found.filter(lambda row: bool(row["error"]))
        right.write_parquet(f"{out}/prompts.parquet")
        if count := refused.count():
            refused.write_parquet(f"{out}/refused.parquet")
        return right.count(), count


def vocabulary_of(model: str) -> int:
    """How many tokens a model knows, by its config.json."""
    try:
        from transformers import AutoConfig

        return int(AutoConfig.from_pretrained(model).get_text_config().vocab_size)
    except (ImportError, OSError, ValueError, AttributeError) as error:
        raise NotProvidedError(
            f"{model}: its vocabulary is not known ({str(error).splitlines()[0]}); give --vocabulary, the `vocab_size` "
            "of its config.json"
        ) from error
