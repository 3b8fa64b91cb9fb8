"""What selects: light proxies, adapters and the full model, each choosing labels for one common final model.

LabelBench's open questions 1 and 2 (arXiv 2306.09910, section 6): how well another model's choice must agree with the
full model's before the final accuracy suffers, and whether adapters are a proxy worth their cost.

labelbench run experiments/proxies.py          # scikit-learn's digits, which ship with it; two cores
labelbench finetune experiments/proxies.py     # the final model, after every round, and the fidelity of the selector
"""

from labelbench_ray.config import FineTune, Part, Trial, vary

ROUNDS, BUDGET = 4, 50
STEPS = {"epochs": 5, "epoch_steps": 8, "patience": 5, "batch_size": 32, "warmup_steps": 8, "gradient_clip": 1.0}
IMAGES = Part.of("images", flip=False)
"""A flipped digit is another sign."""
FINAL = Part.of("full_model", validation_rows=100, augmentation=IMAGES)
ADAPTERS = Part.of("lora", validation_rows=100, augmentation=IMAGES)
TRAINER = Part.of("supervised", mixup=0.0, learning_rate=1e-3, **STEPS)
OF_ADAPTERS = Part.of("supervised", mixup=0.0, learning_rate=5e-3, **STEPS)
"""Adapters start at zero and take larger steps."""


def proxies() -> list[Trial]:
    """{linear, shallow, lora, full model} x {random, margin} x 5 seeds, 4 rounds of 50 labels of digits at 32 pixels.

    The final model is the same for all, and trained after every round on what the selector has bought by then. `random`
    buys the same rows beside every selector, so there the final model is trained beside the first alone.
    """
    base = Trial(
        dataset=Part(name="digits"),
        encoder=Part.of("efficientnet_lite0", size=32),
        strategy=Part(name="random"),
        seed=0,
        rounds=ROUNDS,
        budget=BUDGET,
        finetune=FineTune(
            model=FINAL, trainer=TRAINER, budgets=tuple(BUDGET * (number + 1) for number in range(ROUNDS))
        ),
    )
    selectors = [
        vary(base, proxy="linear"),
        vary(base, proxy="shallow"),
        vary(base, proxy=ADAPTERS, trainer=OF_ADAPTERS),
        vary(base, proxy=FINAL, trainer=TRAINER),
    ]
    return [
        trial
        for seed in range(5)
        for selector in selectors
        for trial in (
            vary(selector, seed=seed, finetune=base.finetune if selector is selectors[0] else None),
            vary(selector, seed=seed, strategy="margin"),
        )
    ]
