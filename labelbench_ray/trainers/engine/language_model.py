"""Fine-tuning a language model by trl, with a checkpoint after each epoch.

A process that is killed leaves the checkpoint of the last complete epoch, and the next one goes on from there: batches,
optimizer and random states are those that an undisturbed fit has.
"""

import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from labelbench_ray.errors import ConfigError
from labelbench_ray.trainers.sft import Sft

if TYPE_CHECKING:
    from labelbench_ray.proxies.full.language_model import Adapted, Example

IGNORED: Final = -100
"""The label of a token that is not learned, as torch's cross-entropy has it."""
COMPLETE: Final = "trainer_state.json"
"""The last file of a checkpoint that is written."""


def fine_tune(adapted: "Adapted", examples: Sequence["Example"], settings: Sft, seed: int, folder: Path) -> None:
    """Train the adapters in place.

    Args:
        adapted: the model.
        examples: prompts with their responses.
        settings: of the fit.
        seed: of the order of the examples.
        folder: for checkpoints of this fit alone; removed at the end.
    """
    # Imported here: it takes ten seconds, and only fine-tunes need it.
    from datasets import Dataset
    from transformers import PrinterCallback
    from transformers.utils.logging import set_verbosity_error
    from trl.trainer.sft_trainer import SFTTrainer

    set_verbosity_error()  # type: ignore[no-untyped-call]
    with _same_random_state():
        trainer = SFTTrainer(
            model=adapted.model,
            args=_arguments(settings, seed % 2**31, folder, adapted.device == "cpu"),
            train_dataset=Dataset.from_list(training_rows(examples, settings.max_length)),
            processing_class=adapted.tokenizer,
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=_last_complete(folder))
    adapted.model.eval()
    shutil.rmtree(folder, ignore_errors=True)


def training_rows(examples: Sequence["Example"], max_length: int) -> list[dict[str, list[int]]]:
    """Tokens and labels as trl takes them: a prompt's tokens are not learned, those of its response are.

    Raises:
        ConfigError: a prompt with its response is longer than `max_length`: what is cut off would not be learned.
    """
    lengths = [len(each.prompt) + len(each.response) for each in examples]
    if long := sum(length > max_length for length in lengths):
        raise ConfigError(
            f"trainer: sft: {long} of {len(examples)} prompts with their responses have more than "
            f"max_length={max_length} tokens; set max_length={max(lengths)}"
        )
    return [
        {
            "input_ids": [*each.prompt, *each.response],
            "labels": [*[IGNORED] * len(each.prompt), *each.response],
        }
        for each in examples
    ]


def _arguments(settings: Sft, seed: int, folder: Path, use_cpu: bool) -> Any:  # noqa: ANN401  trl's SFTConfig
    from trl.trainer.sft_config import SFTConfig

    return SFTConfig(
        output_dir=str(folder),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warmup,  # below 1 it is a share of all steps
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.gradient_clip,
        max_length=settings.max_length,
        packing=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        seed=seed,
        data_seed=seed,
        use_cpu=use_cpu,
        bf16=False,
        fp16=False,
        activation_checkpointing=False,
        report_to="none",
        disable_tqdm=True,
        logging_strategy="no",
        save_strategy="epoch",
        save_total_limit=2,
    )


def _last_complete(folder: Path) -> str | None:
    """The newest checkpoint that was written completely."""
    found = [path for path in folder.glob("checkpoint-*") if (path / COMPLETE).is_file()]
    return str(max(found, key=lambda path: int(path.name.partition("-")[2]))) if found else None


@contextmanager
def _same_random_state() -> Iterator[None]:
    """Leave the global generators as they were: trl seeds them all."""
    import torch

    before, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(before)
        np.random.set_state(legacy)  # noqa: NPY002
