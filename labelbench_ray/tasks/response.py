"""An answer is text: the response to a prompt. The text itself never enters a store, a view or a ledger.

A label is a row of `WIDTH` numbers: how many tokens the response has, and the four words of its SHA-256. In a store
every row is `NOT_WRITTEN`, so that responses may be written after prompts were chosen.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from labelbench_ray.pool.distributions import UNPREDICTED, Distribution
from labelbench_ray.tasks import Task
from labelbench_ray.tasks._ranges import AMOUNT, SHARE, Range
from labelbench_ray.types import Floats, Ids, Labels

if TYPE_CHECKING:
    from torch import Tensor

WIDTH: Final = 5
NOT_WRITTEN: Final = -1
"""The number of tokens of a response that nobody has written yet; its hash is zeros."""


class Response(Task):
    """Labels (N, 5) int64. No proxy of embeddings predicts them: fine-tuned language models are what is measured."""

    dtype: ClassVar[type[np.integer[Any]]] = np.int64
    distribution: ClassVar[Distribution] = UNPREDICTED
    predicted: ClassVar[bool] = False
    fewest_classes: ClassVar[int] = 1
    instead: ClassVar[Mapping[str, str]] = {
        "margin": "mean_token_margin",
        "confidence": "sequence_confidence",
        "entropy": "mean_token_entropy",
        "class_balanced": "task_round_robin",
        "simulated": "responses",
        "linear": "none",
        "supervised": "none",
        "full_model": "causal_lm_lora",
        "lora": "causal_lm_lora",
    }
    refusal: ClassVar[str] = "whose answers are text, for which there are no class probabilities"
    primary: ClassVar[str] = "Response Likelihood"
    shown: ClassVar[tuple[str, ...]] = ("Test Response Likelihood", "Test Verified")
    ranges: ClassVar[Mapping[str, Range]] = {
        "Response Likelihood": SHARE,
        "Response NLL": AMOUNT,
        "Verified": SHARE,
        "Num Labeled": AMOUNT,
        "Response Tokens": AMOUNT,
    }

    def shape(self, num_classes: int) -> tuple[int, ...]:
        return (WIDTH,)

    def to_json(self, labels_B: Labels) -> list[JsonValue]:
        """`{"tokens": 12, "sha256": "..."}`; null for a response that is not written yet."""
        return [
            None if row[0] == NOT_WRITTEN else {"tokens": int(row[0]), "sha256": row[1:].astype(">i8").tobytes().hex()}
            for row in labels_B
        ]

    def from_json(self, answers: Sequence[JsonValue], num_classes: int) -> Labels:
        labels_BW = not_written(len(answers))
        for row_W, answer in zip(labels_BW, answers, strict=True):
            if answer is not None:
                assert isinstance(answer, dict), answer
                row_W[0] = answer["tokens"]
                row_W[1:] = np.frombuffer(bytes.fromhex(str(answer["sha256"])), ">i8")
        return labels_BW

    def is_label(self, labels_B: Labels, num_classes: int) -> NDArray[np.bool_]:
        counted_B: NDArray[np.bool_] = labels_B[:, 0] >= NOT_WRITTEN
        return counted_B

    def answer_rule(self, num_classes: int) -> str:
        return f"{WIDTH} numbers for each row: its response's tokens (or {NOT_WRITTEN}) and the words of its SHA-256"

    def made_up_labels(self, numbers_B: Ids, num_classes: int) -> Labels:
        return np.array([label_of(str(number), 1) for number in numbers_B.tolist()], np.int64).reshape(-1, WIDTH)

    def class_counts(self, labels_N: Labels, num_classes: int) -> NDArray[np.int64]:
        return np.zeros(num_classes, np.int64)

    def in_words(self, column: Any, classes: Sequence[str]) -> Any:  # noqa: ANN401
        import pyarrow as pa  # as in single_label

        words = [None if label is None else _in_words(label) for label in column.to_pylist()]
        return pa.array(words, pa.large_string())

    def of_labeled(self, true_L: Labels, num_classes: int) -> dict[str, float]:
        return {"Num Labeled": len(true_L)}

    def of_bought(self, labels_L: Labels) -> dict[str, float]:
        """The number of response tokens, where all responses are written; and how many are not."""
        missing = int((labels_L[:, 0] == NOT_WRITTEN).sum())
        return {"Responses to Write": missing} if missing else {"Response Tokens": int(labels_L[:, 0].sum())}

    def targets(self, labels_B: "Tensor", num_classes: int, smoothing: float) -> "Tensor":
        _refuse()

    def loss(self, logits_BK: "Tensor", targets_BK: "Tensor") -> "Tensor":
        _refuse()

    def validated(self, logits_VK: "Tensor", labels_V: "Tensor") -> tuple[float, float]:
        _refuse()

    def tally(self, probabilities_BK: Floats, labels_B: Labels) -> NoReturn:
        _refuse()

    def of_split(self, split: str, counts: Any) -> dict[str, float]:  # noqa: ANN401
        _refuse()

    def right_answers(self, probabilities_BK: Floats, labels_B: Labels) -> NDArray[np.int64]:
        _refuse()

    def labeling_accuracy(self, pool: Any, labeled_right: int, bought_L: Labels, true_L: Labels) -> float:  # noqa: ANN401
        _refuse()


def label_of(text: str, tokens: int) -> NDArray[np.int64]:
    """(WIDTH,) the label of a response."""
    words = np.frombuffer(hashlib.sha256(text.encode(errors="surrogatepass")).digest(), ">i8")
    return np.array([tokens, *words.tolist()], np.int64)


def not_written(rows: int) -> NDArray[np.int64]:
    """(rows, WIDTH) the labels of responses that are not written, or not looked at."""
    labels_BW = np.zeros((rows, WIDTH), np.int64)
    labels_BW[:, 0] = NOT_WRITTEN
    return labels_BW


def _in_words(label: Sequence[int]) -> str:
    return "not written" if label[0] == NOT_WRITTEN else f"{label[0]} tokens, SHA-256 {_hex(label)[:16]}"


def _hex(label: Sequence[int]) -> str:
    return np.array(label[1:], np.int64).astype(">i8").tobytes().hex()


def _refuse() -> NoReturn:
    raise AssertionError("a proxy of embeddings neither learns nor predicts responses")
