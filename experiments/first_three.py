"""The paper's first three experiments (LabelBench, arXiv 2306.09910): what selecting by a light proxy saves and loses.

1. confidence, the full model trained anew in every round;
2. confidence by a linear proxy on frozen embeddings, the full model trained once at the end;
3. confidence by a linear proxy trained with FlexMatch, the full model trained once at the end with FlexMatch.

labelbench run experiments/first_three.py:here --data-root DIR        # DIR/cifar10; two cores, no hub
labelbench finetune experiments/first_three.py:here --data-root DIR
labelbench run experiments/first_three.py:paper --data-root DIR --address auto --gpus-per-trial 1    # DIR/imagenet
"""

from labelbench_ray.config import FineTune, Part, Trial, vary

FULL = {"batch_size": 32, "learning_rate": 5e-4, "warmup_steps": 50, "gradient_clip": 1.0}
SUPERVISED = Part.of("supervised", epochs=12, epoch_steps=8, patience=12, mixup=0.0, **FULL)
FLEXMATCH = Part.of("flexmatch", epochs=6, patience=6, unlabeled_ratio=3, **FULL)


def three(
    base: Trial, model: Part, warm: Part, supervised: Part, flexmatch: Part, budgets: tuple[int, ...]
) -> list[Trial]:
    """The three experiments of one seed; `warm` is the model with a head that knows something before the first step."""
    by_proxy = FineTune(model=model, trainer=supervised, budgets=budgets)
    return [
        vary(base, proxy=model, trainer=supervised),
        vary(base, finetune=by_proxy),
        vary(base, trainer=Part(name="flexmatch"), finetune=FineTune(model=warm, trainer=flexmatch)),
    ]


def here() -> list[Trial]:
    """3 seeds x 10 rounds of 50 labels on 5,000 CIFAR-10 images of 64 pixels, EfficientNet-Lite0."""
    base = Trial(
        dataset=Part.of("cifar10", max_rows=5000),
        encoder=Part.of("efficientnet_lite0", size=64),
        strategy=Part(name="confidence"),
        seed=0,
        rounds=10,
        budget=50,
    )
    model = Part.of("full_model", validation_rows=250)
    # FlexMatch's thresholds begin at 0: under a random head, unlabeled rows would teach noise before labels do sense.
    warm = Part.of("full_model", validation_rows=250, head=Part(name="from_proxy"))
    budgets = (100, 200, 350, 500)
    return [
        trial
        for seed in range(3)
        for trial in three(vary(base, seed=seed), model, warm, SUPERVISED, FLEXMATCH, budgets)
    ]


def paper() -> list[Trial]:
    """As written: ImageNet, CLIP ViT-B/32 with a zero-shot head, 8 rounds of 50,000 labels, 4 seeds."""
    base = Trial(
        dataset=Part(name="imagenet"),
        encoder=Part.of("open_clip", model="ViT-B-32", pretrained="laion2b_s34b_b79k"),
        strategy=Part(name="confidence"),
        trainer=Part.of("supervised", batch_size=500, learning_rate=1e-3),
        seed=0,
        rounds=8,
        budget=50_000,
    )
    model = Part.of("full_model", head=Part(name="zero_shot"), precision="bfloat16")
    supervised = Part.of(
        "supervised",
        epochs=10,
        batch_size=400,
        learning_rate=3e-5,
        weight_decay=5e-3,
        warmup_steps=500,
        gradient_clip=1.0,
    )
    flexmatch = Part.of("flexmatch", epochs=10, batch_size=80, learning_rate=1e-5, weight_decay=1e-4, patience=2)
    return [
        trial for seed in range(4) for trial in three(vary(base, seed=seed), model, model, supervised, flexmatch, ())
    ]
