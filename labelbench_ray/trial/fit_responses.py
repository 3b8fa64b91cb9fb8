"""Fine-tuning a language model on the responses that a trial bought, and what it then makes of held-out prompts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.config import digest
from labelbench_ray.costs import Stopwatch
from labelbench_ray.embeddings.pool_rows import StoredRows
from labelbench_ray.embeddings.store import SplitArrays, embedded
from labelbench_ray.encoders import Device
from labelbench_ray.encoders.causal_lm import CausalLm
from labelbench_ray.errors import LedgerError, NotProvidedError
from labelbench_ray.ledger.finetunes import FineTuneLedger, FineTuneRecord, chosen_hash
from labelbench_ray.ledger.trials import Ledger, RoundRecord
from labelbench_ray.oracles import CountedResponse
from labelbench_ray.proxies.causal_lm_lora import CausalLmLora
from labelbench_ray.streams import integer
from labelbench_ray.tasks.response import NOT_WRITTEN, label_of
from labelbench_ray.trainers.sft import Sft
from labelbench_ray.trial.finetune import FineTuning
from labelbench_ray.trial.fit_light import in_process
from labelbench_ray.trial.no_fit import NoFitter
from labelbench_ray.trial.parts import Parts, Tuning
from labelbench_ray.types import Ids, Labels

if TYPE_CHECKING:
    from labelbench_ray.proxies.full.language_model import Adapted

CHECKPOINTS: Final = "checkpoints"
MOST_TASKS: Final = 100
"""Tasks whose metrics are recorded one by one."""


@dataclass(frozen=True, slots=True, eq=False)
class ResponseTuning(FineTuning):
    """The fine-tune of a language model at each budget."""

    model: CausalLmLora
    trainer: Sft
    encoder: CausalLm
    pool: StoredRows
    test: StoredRows
    directory: Path
    """The job's, for checkpoints."""
    device: Device

    def bought(self, records: Sequence[RoundRecord], num_labeled: int) -> tuple[Ids, Labels]:
        """The first pool ids and the labels of the responses as they are written now.

        Raises:
            NotProvidedError: a response is not written yet.
            LedgerError: a response is not the one that was bought.
        """
        chosen, recorded = FineTuning.bought(self, records, num_labeled)
        written = written_responses(self.pool, chosen)
        labels = np.array([label_of(each.text, each.tokens) for each in written], np.int64).reshape(recorded.shape)
        changed_L = (recorded[:, 0] != NOT_WRITTEN) & (labels[:, 1:] != recorded[:, 1:]).any(axis=1)
        if changed_L.any():
            (row_id,) = self.pool.row_ids(chosen[changed_L][:1])
            raise LedgerError(
                f"{self.ledger.directory}: the response to prompt {row_id!r} is not the one that was bought; bring it "
                "back, or delete this trial's folder to buy again"
            )
        return chosen, labels

    def fit(self, records: Sequence[RoundRecord], chosen: Ids, labels: Labels) -> FineTuneRecord:
        """Train fresh adapters on these responses, measure them on the held-out prompts and record them."""
        # Imported here: they take seconds, and only fine-tunes need them.
        from labelbench_ray.proxies.full.language_model import adapted
        from labelbench_ray.trainers.engine.language_model import fine_tune

        watch, gpus = Stopwatch(), float(self.device == "cuda")
        seed = integer(self.parts.trial.seed, len(chosen), "finetune")
        identity = digest([*chosen.tolist(), *labels.tolist(), str(seed)])
        with watch.stage("fine-tune", gpus=gpus):
            network = adapted(self.encoder, self.model, seed, self.device)
            written = [each.text for each in written_responses(self.pool, chosen)]
            prompts = self.pool.payloads(chosen)
            examples = [network.example(prompt, text) for prompt, text in zip(prompts, written, strict=True)]
            fine_tune(network, examples, self.trainer, seed, self.directory / CHECKPOINTS / identity)
        with watch.stage("evaluate", gpus=gpus):
            measured = {
                "Num Labeled": float(len(chosen)),
                "Response Tokens": float(labels[:, 0].sum()),
                "Num Test Rows": float(len(self.fitter.embedded.test.labels_N)),
                **self._measured(network),
            }
        hashed = chosen_hash(chosen.tolist(), labels.tolist())
        return self.finetunes.publish(len(chosen), hashed, measured, watch.lap(), network.tensors())

    def _measured(self, network: "Adapted") -> dict[str, float]:
        """Means over the tasks of what each makes of its held-out prompts."""
        split = self.fitter.embedded.test
        ids = np.arange(len(split.labels_N))
        if not len(ids):
            return {}
        prompts, written = self.test.payloads(ids), written_responses(self.test, ids)
        examples = [network.example(prompt, each.text) for prompt, each in zip(prompts, written, strict=True)]
        lengths_N = np.array([len(each.response) for each in examples])
        costs = by_task(network.negative_log_likelihoods(examples), lengths_N, split)
        verified: dict[str, float] = {}
        if self.model.answer_tokens:
            scores = self.test.scores(ids, network.answers(prompts, self.model.answer_tokens))
            verified = by_task(np.array(scores), np.ones(len(ids)), split)
        return response_metrics(costs, verified)


def response_tuning(
    built: Parts,
    tuned: Tuning,
    ledger: Ledger,
    finetunes: FineTuneLedger,
    rows: StoredRows,
    store: Path,
    directory: Path,
) -> ResponseTuning:
    """The fine-tune of a trial's language model, in this process and on its GPU if it has one."""
    import torch

    assert isinstance(tuned.model, CausalLmLora)
    assert isinstance(tuned.trainer, Sft)
    assert isinstance(built.encoder, CausalLm)
    arrays = embedded(store)
    return ResponseTuning(
        parts=built,
        tuning=tuned,
        ledger=ledger,
        finetunes=finetunes,
        fitter=NoFitter(arrays, in_process(arrays)),
        selector=None,
        model=tuned.model,
        trainer=tuned.trainer,
        encoder=built.encoder,
        pool=rows,
        test=replace(rows, split="test"),
        directory=directory,
        device="cuda" if torch.cuda.is_available() else "cpu",
    )


def response_metrics(costs: dict[str, float], verified: dict[str, float]) -> dict[str, float]:
    """Metrics of a fine-tuned model from those of each task: NLL in nats a token, and the share of right answers.

    The likelihood is exp(-mean NLL): the geometric mean probability of a response's token, each task counted once.
    """
    nll = float(np.mean([*costs.values()]))
    means = {"Test Response NLL": nll, "Test Response Likelihood": float(np.exp(-nll))}
    if verified:
        means["Test Verified"] = float(np.mean([*verified.values()]))
    if len(costs) > MOST_TASKS or len(costs) == 1:
        return means
    return means | {f"Test Response NLL of {name}": value for name, value in costs.items()}


def by_task(sums_N: NDArray[np.float64], counts_N: NDArray[np.generic], split: SplitArrays) -> dict[str, float]:
    """The sum over the count of each task's prompts, by the task's name."""
    if split.groups_N is None:
        return {"all": float(sums_N.sum() / counts_N.sum())}
    members = ((split.group_names[task], split.groups_N == task) for task in np.unique(split.groups_N).tolist())
    return {name: float(sums_N[mine_N].sum() / counts_N[mine_N].sum()) for name, mine_N in members}


def written_responses(rows: StoredRows, ids: Ids) -> list[CountedResponse]:
    """The responses to these prompts.

    Raises:
        NotProvidedError: some are not written yet; states how many and where they belong.
    """
    found = rows.responses(ids)
    if missing := [place for place, each in enumerate(found) if each is None]:
        (first,) = rows.row_ids(ids[missing[:1]])
        raise NotProvidedError(
            f"{len(missing)} of {len(ids)} {'held-out ' * (rows.split != 'pool')}prompts have no response, the first "
            f"is {first!r}; write them into {rows.where_to_write()}"
        )
    return [each for each in found if each is not None]
