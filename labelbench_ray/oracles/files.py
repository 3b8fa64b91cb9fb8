"""The oracle of people: `batch.csv` lists the rows to label, and files in `answers/` hold the labels."""

from typing import ClassVar

from labelbench_ray.oracles import Oracle, Question
from labelbench_ray.oracles._answer_files import BATCH, FOLDER, read_answers
from labelbench_ray.oracles._batch import post_batch
from labelbench_ray.oracles._judging import judged
from labelbench_ray.types import Ids


class Files(Oracle):
    """People answer in files: `batch.csv` lists the rows, `answers/*.csv` or `*.parquet` hold `row_id,label`."""

    answers_at_once: ClassVar[bool] = False
    batch_file: ClassVar[str] = BATCH
    directions: ClassVar[str] = (
        f"label its rows, save them as CSV or parquet with the columns row_id,label in {FOLDER}/ beside it, and run "
        "the same command again"
    )

    def answer(self, question: Question) -> Ids:
        return judged(read_answers(question.directory), question).labels_B

    def refused(self, question: Question) -> tuple[str, ...]:
        return judged(read_answers(question.directory), question).refused

    def post(self, question: Question) -> None:
        post_batch(question)
