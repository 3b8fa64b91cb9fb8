"""The contents of the ledger's files as checked values: a trial, a round, a failure, a grid."""

from typing import Self

from pydantic import Field, FiniteFloat, JsonValue, NonNegativeInt, PositiveInt, model_validator

from labelbench_ray.config import Fingerprint, Trial
from labelbench_ray.console.redaction import redacted
from labelbench_ray.costs import Cost
from labelbench_ray.ledger.origin import Origin
from labelbench_ray.plugins import Frozen, Part
from labelbench_ray.storage.versions import versions
from labelbench_ray.tasks.single_label import SINGLE_LABEL

FORMAT = 1


class Traits(Frozen):
    """What the report needs to know of a trial's plug-ins: recorded, because the report imports none of them."""

    from_scratch: Part | None = None
    """The trainer that does the same without the rounds before; None: the trial's begins each round from scratch."""
    trains_encoder: bool = False
    trains_every_weight: bool = False
    baselines: tuple[str, ...] = ()
    """Fields of the trial whose plug-ins are those that the report measures others of their kind against."""
    sees_labels: bool = Field(default=False, exclude_if=lambda sees: not sees)
    """The strategy is an upper bound: it sees labels that nobody has paid for, and is compared with no other."""
    metrics: tuple[str, ...] = Field(default=SINGLE_LABEL.shown, exclude_if=lambda names: names == SINGLE_LABEL.shown)
    """The metrics that its task compares; the first decides."""


class Header(Frozen):
    """`trial.json`: what a trial is, and what its numbers were computed from."""

    format: int = FORMAT
    fingerprint: Fingerprint
    trial: Trial
    store: str
    """Content hash of the embedding store."""
    views: str = ""
    """The augmented views that its trainer reads, as `digest:count`; "" for none."""
    views_content: str = ""
    """Content hash of those views."""
    compute: str
    """Compute path of the embeddings: engine, dtype, device."""
    traits: Traits | None = None
    """Of its plug-ins; not known of older trials."""
    task: str = Field(default="single_label", exclude_if=lambda task: task == "single_label")
    """What a label is."""
    versions: dict[str, str]
    """Versions of the code that began the trial; each round states its own."""


COSTS = {"seconds", "cpu_seconds", "cpu", "gpu", "bytes_written", "finished", "versions"}
"""The costs of a round, when it ended and by which code. Everything else in a record is the same on any machine,
whatever was killed."""


class RoundRecord(Frozen):
    """One finished round: `chosen` and `labels` are aligned, metrics are finite or absent."""

    fingerprint: Fingerprint
    round: NonNegativeInt
    chosen: tuple[NonNegativeInt, ...]
    labels: tuple[JsonValue, ...]
    """What the oracle returned, as the task writes it: a class number, or an object of several classes."""
    notes: tuple[NonNegativeInt, ...] = Field(default=(), exclude_if=lambda notes: not notes)
    """Aligned with `chosen`; none unless the strategy wrote some, and then left out of the file."""
    num_labeled: NonNegativeInt
    metrics: dict[str, FiniteFloat]
    groups: dict[str, dict[str, FiniteFloat]] = Field(default={}, exclude_if=lambda groups: not groups)
    """By evaluation split, the primary metric of each group. Validation and test are here only with groups."""
    scored_on: str = Field(default="", exclude_if=lambda device: not device)
    """The torch device that scores the pool with this round's model, such as "cuda"; "" for the CPU, where models that
    are no classifiers stay, and then left out of the file."""
    seconds: dict[str, FiniteFloat]
    """Wall seconds by stage."""
    cpu_seconds: FiniteFloat
    """The sum of `cpu`."""
    cpu: dict[str, FiniteFloat]
    """CPU seconds by stage."""
    gpu: dict[str, FiniteFloat]
    """GPU seconds by stage."""
    bytes_written: NonNegativeInt
    """The size of the round's files, up to the digits of this number."""
    finished: NonNegativeInt
    """When the round ended, in milliseconds since 1970."""
    proxy: str
    """SHA-256 of the round's safetensors file."""
    versions: dict[str, str] = {}
    """Versions of the code that made the round; empty in older records, which count as made by the header's."""

    @model_validator(mode="after")
    def _check_notes(self) -> Self:
        if self.notes and len(self.notes) != len(self.chosen):
            raise ValueError(f"{len(self.notes)} notes for {len(self.chosen)} rows")
        return self

    @property
    def spent(self) -> Cost:
        """The sum over stages."""
        return Cost(sum(self.seconds.values()), self.cpu_seconds, sum(self.gpu.values()), self.bytes_written)


class Failure(Frozen):
    """Why an attempt ended."""

    error: str
    traceback: str
    sweep: str = ""
    """The sweep in which a limit ended it, which does not resume it; "" for other failures."""
    versions: dict[str, str] = {}
    """Versions of the code that failed; empty in older files."""

    @classmethod
    def of(cls, error: str, traceback: str) -> "Failure":
        """A failure of the running code, without secrets in its texts."""
        return cls(error=redacted(error), traceback=redacted(traceback), versions=versions())


class Entry(Frozen):
    """A trial of a grid and the name of its folder."""

    fingerprint: Fingerprint
    trial: Trial
    owner: str = Field(default="", pattern=r"^([^./\\][^/\\]*)?$", exclude_if=lambda owner: not owner)
    """The experiment's folder, beside this one's, that holds the trial's ledger; "" where that is this one."""
    store: str = Field(default="", exclude_if=lambda store: not store)
    """Content hash of the store from which a ledger in another folder was made; "" where it had not begun."""


class SearchNote(Frozen):
    """The search that suggested the trials of an experiment."""

    base: str
    """The fingerprint of the trial with the settings as they were."""
    over: dict[str, str]
    """The distribution of each searched setting in words, by `part.setting`."""
    metric: str
    """By which points are judged, after their last round."""
    trials: PositiveInt
    """How many points it tries in all."""


class Grid(Frozen):
    """`experiment.json`: the trials of an experiment as last run."""

    experiment: str
    entries: tuple[Entry, ...]
    versions: dict[str, str] = {}
    """Versions of the code that wrote it; empty in older files."""
    origin: Origin | None = Field(default=None, exclude_if=lambda origin: origin is None)
    """Of the run that last had something to do; None in older files."""
    owner: str | None = Field(default=None, exclude_if=lambda owner: owner is None)
    """Whose experiment it is, as `--owner` has it."""
    tags: dict[str, str] = Field(default={}, exclude_if=lambda tags: not tags)
    """As `--tag` has them."""
    search: SearchNote | None = Field(default=None, exclude_if=lambda search: search is None)
    """None: its trials are a grid."""


class Stopped(Frozen):
    """`stopped.json`: a trial was ended before its last round because others were better."""

    rounds_done: PositiveInt
    rounds: PositiveInt
    """The number of rounds that was asked for."""
    rule: str
    """Why it was ended, in words."""
    versions: dict[str, str] = {}
    """Versions of the code that ended it; empty in older files."""

    def __str__(self) -> str:
        return f"stopped early after {self.rounds_done} of {self.rounds} rounds: {self.rule}"
