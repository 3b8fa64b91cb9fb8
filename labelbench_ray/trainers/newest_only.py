"""Fine-tuning on the newest rows alone, without replay: the baseline that forgets (Das et al. 2023)."""

from typing import ClassVar

from labelbench_ray.trainers.engine.replay import Newest


class NewestOnly(Newest):
    """As `supervised` on the rows that the last round bought, from the last round's weights.

    The cheapest way to go on. It is there for comparison: the model forgets what older rows taught.
    """

    teaches: ClassVar[str] = "nothing; the newest labeled rows alone"
    source: ClassVar[str] = "the baseline of Das et al. 2023, [2305.06408](https://arxiv.org/abs/2305.06408)"
