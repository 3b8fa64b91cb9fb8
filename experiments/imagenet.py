"""ImageNet with open_clip ViT-B-32 on a cluster with GPUs, LabelBench's grid: 8 rounds of 50,000 labels.

labelbench run experiments/imagenet.py --data-root DIR --address auto
DIR/imagenet holds train/<class>/ and val/<class>/; the weights are downloaded where they are not cached.
"""

from labelbench_ray.config import Part, Trial, grid


def imagenet() -> list[Trial]:
    """4 strategies x 4 seeds, a linear proxy on CLIP embeddings of 1,281,167 images."""
    base = Trial(
        dataset=Part(name="imagenet"),
        encoder=Part.of("open_clip", model="ViT-B-32", pretrained="laion2b_s34b_b79k"),
        strategy=Part(name="random"),
        trainer=Part.of("supervised", batch_size=500, learning_rate=1e-3),
        seed=0,
        rounds=8,
        budget=50_000,
    )
    return grid(base, strategy=["random", "confidence", "margin", "entropy"], seed=range(4))
