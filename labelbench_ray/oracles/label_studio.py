"""The oracle of people in Label Studio: rows become tasks of a project, and its annotations are the labels."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from pydantic import Field, PositiveInt, field_validator

from labelbench_ray.answers.events import to_table
from labelbench_ray.answers.fold import RowState, row_states
from labelbench_ray.answers.label_studio.client import TOKEN, Server, checked_url
from labelbench_ray.answers.label_studio.pictures import data_uri
from labelbench_ray.answers.label_studio.project import LONGEST_TITLE, SHORTEST_TITLE, Wanted, find_project
from labelbench_ray.answers.label_studio.tasks import BatchOfTasks
from labelbench_ray.answers.label_studio.transfer import pull, push
from labelbench_ray.oracles import Oracle, Question
from labelbench_ray.oracles._answer_files import GivenAnswer, GivenAnswers
from labelbench_ray.oracles._judging import judged
from labelbench_ray.oracles._to_show import rows_to_show
from labelbench_ray.types import Ids

WAITING: Final = {RowState.OPEN, RowState.PART}
FIXES: Final = {
    RowState.DISPUTED: "has different labels of its annotators; correct one of them",
    RowState.RETIRED: "was skipped; label it, since a round needs all its rows",
    RowState.UNSURE: "has annotators who are unsure; correct one of the annotations",
}


class LabelStudio(Oracle):
    """People answer in a project of Label Studio; the token is in the environment variable LABEL_STUDIO_API_KEY."""

    answers_at_once: ClassVar[bool] = False
    directions: ClassVar[str] = (
        f"label them in the project of Label Studio that the oracle names, and run the same command again ({TOKEN} "
        "holds the token)"
    )
    url: str
    """The server's address, such as http://localhost:8080."""
    project: Annotated[str, Field(min_length=SHORTEST_TITLE, max_length=LONGEST_TITLE)]
    """The project's title; it is made if there is none."""
    overlap: PositiveInt = 1
    """How many annotators label each row; they have to agree."""

    def answer(self, question: Question) -> Ids:
        return judged(self._given(question), question).labels_B

    def refused(self, question: Question) -> tuple[str, ...]:
        return judged(self._given(question), question).refused

    def post(self, question: Question) -> None:
        wanted = Wanted(self.project, question.rows.modality, question.classes, answers_a_row=self.overlap)
        rows = rows_to_show(question.rows, question.ids_B)
        push(Server(self.url), self.project, BatchOfTasks(*_names(question), rows, wanted, data_uri))

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        return checked_url(url)

    def _given(self, question: Question) -> GivenAnswers:
        """What annotators agree on; what cannot be used is named beside it."""
        server = Server(self.url)
        if find_project(server, self.project) is None:
            return GivenAnswers((), ())
        pulled = pull(server, self.project)
        where = pulled.source.name
        _, batch = _names(question)
        mine = [each for each in pulled.answers if each.batch == batch]
        asked = {*question.row_ids}
        refused = [str(each) for each in pulled.rejected if each.row_id in asked]
        agreed: list[GivenAnswer] = []
        for row in row_states(to_table(mine), self.overlap).to_pylist():
            state, row_id = RowState(row["state"]), row["row_id"]
            if state is RowState.AGREED and len(row["labels"]) == 1:
                agreed.append(Agreed(where, 0, row_id, *row["labels"]))
            elif state not in WAITING:
                fix = FIXES.get(state, f"has the classes {', '.join(row['labels'] or ())}; choose exactly one")
                refused.append(f"{where}: row {row_id!r} {fix}")
        return GivenAnswers(tuple(agreed), tuple(refused))


@dataclass(frozen=True, slots=True)
class Agreed(GivenAnswer):
    """A label that a row has in a project."""

    @property
    def place(self) -> str:
        """The project."""
        return self.file


def _names(question: Question) -> tuple[str, str]:
    """The campaign and the batch of a question: its trial and its round."""
    return question.directory.name, f"{question.directory.name}-{question.round:03d}"
