"""The oracle of prompts: it looks up the response to each chosen prompt, and returns its length and hash alone."""

from typing import ClassVar

import numpy as np

from labelbench_ray.oracles import Oracle, Question
from labelbench_ray.tasks.response import NOT_WRITTEN, WIDTH, label_of, not_written
from labelbench_ray.types import Labels


class Responses(Oracle):
    """The data set's own responses; a prompt without one may be chosen, and answered before fine-tuning."""

    tasks: ClassVar[tuple[str, ...]] = ("response",)

    def answer(self, question: Question) -> Labels:
        labels = [
            not_written(1)[0] if each is None else label_of(each.text, each.tokens)
            for each in question.rows.responses(question.ids_B)
        ]
        assert all(label[0] >= NOT_WRITTEN for label in labels)
        return np.array(labels, np.int64).reshape(-1, WIDTH)
