"""Each law of trainers, proxies, encoders, data sets, augmentations and corrupters catches its mistake."""

from pathlib import Path

import pytest

from labelbench_ray.contracts.checking import LAWS, kind_of, laws_of, made_plugin
from labelbench_ray.contracts.law import Verdict, judge

HEAD = '''
"""A mistake."""
import io
import random
from dataclasses import dataclass
import numpy as np
import torch
from PIL import Image
from labelbench_ray.augmentations import Augmentation, stream
from labelbench_ray.corrupters import Corrupter
from labelbench_ray.datasets import Dataset, Records, Source, Split
from labelbench_ray.encoders import Encoder
from labelbench_ray.encoders.pixels import Pixels
from labelbench_ray.proxies import LightProxy
from labelbench_ray.trainers import Trainer
from labelbench_ray.trainers.logistic import Logistic

calls = []
'''
CORRUPTER = HEAD + "class Own(Corrupter):\n    def corrupt(self, labels_N, num_classes):\n        {}\n"
PROXY = HEAD + "class Own(LightProxy):\n    def widths(self, dimensions, classes):\n        return {}\n"
MODULE = PROXY.format("(dimensions, classes)") + "    def module(self, dimensions, classes, seed):\n        {}\n"
AUGMENTATION = HEAD + (
    'class Own(Augmentation):\n    payload = "image"\n'
    "    def weak(self, decoded, key):\n        return decoded\n"
    "    def strong(self, decoded, key):\n        {}\n"
)
ENCODER = HEAD + (
    "class Network:\n    compute = 'numpy'\n    def embed(self, decoded):\n        {embed}\n"
    'class Own(Encoder):\n    payload = "image"\n'
    "    def weights(self):\n        return {weights}\n"
    "    def dimensions(self):\n        return 3\n"
    '    def preprocessing(self):\n        return "none"\n'
    "    def decode(self, payload):\n        {decode}\n"
    "    def load(self, device):\n        return Network()\n"
)
MEANS = "return np.stack([each.mean(axis=(0, 1)) for each in decoded]).astype(np.float32)"
DECODED = 'return np.asarray(Image.open(io.BytesIO(payload)).convert("RGB"))'
DATASET = HEAD + (
    "@dataclass(frozen=True)\nclass Numbers:\n    rows: int\n"
    "    def __len__(self):\n        return self.rows\n"
    "    def read(self, rows):\n        {read}\n"
    "    def labels(self, rows):\n        return {labels}\n"
    "class Own(Dataset):\n    def load(self, root):\n"
    '        names = ("pool", "validation", "test"){some}\n'
    "        splits = {{name: Split(Numbers(90), range(30 * n, 30 * n + 30)) for n, name in enumerate(names)}}\n"
    '        return Source(("a", "b"), splits, {signature})\n'
)
READ = "return Records([f'row {row}' for row in rows], [bytes([row]) for row in rows], np.asarray(rows) % 2)"
BY_PLACE = (
    "return Records([f'row {row}' for row in rows], [bytes([n]) for n in range(len(rows))], np.asarray(rows) % 2)"
)
LABELS = "np.asarray(rows) % 2"
TRAINER = HEAD + "class Own(Logistic):\n    def fit(self, proxy, data, seed):\n        {}\n"
FIT = "return super().fit(proxy, data, seed)"


def dataset(read: str = READ, labels: str = LABELS, some: str = "", signature: str = "'s'") -> str:
    return DATASET.format(read=read, labels=labels, some=some, signature=signature)


def encoder(embed: str = MEANS, decode: str = DECODED, weights: str = "'none'") -> str:
    return ENCODER.format(embed=embed, decode=decode, weights=weights)


BROKEN: dict[str, dict[str, tuple[str, str]]] = {
    "Corrupter": {
        "leaves the true labels as they are": (
            CORRUPTER.format("labels_N[:] = 0\n        return labels_N"),
            "it changed the true labels; change a copy",
        ),
        "gives the same answers for the same labels, in every process": (
            CORRUPTER.format("return np.random.randint(0, num_classes, len(labels_N))"),
            "two calls for the same 400 labels give different answers",
        ),
        "answers with labels of the task": (
            CORRUPTER.format("return labels_N + 1"),
            r"of 7 classes it answered \[7\]; return one class number for each row, 0 \.\. 6",
        ),
    },
    "Proxy": {
        "its layers lead from the embedding's dimensions to the classes": (
            PROXY.format("(dimensions, classes - 1)"),
            r"for 64 dimensions and 10 classes its widths are \(64, 9\); return a tuple",
        ),
        "begins with weights of the seed, and uses no global generator": (
            MODULE.format("return torch.nn.Sequential(torch.nn.Linear(dimensions, classes))"),
            "two modules of one seed begin with different weights",
        ),
        "scores as arrays what its module computes": (
            MODULE.format(
                "torch.manual_seed(seed)\n        return torch.nn.Sequential("
                "torch.nn.Linear(dimensions, 8), torch.nn.Tanh(), torch.nn.Linear(8, classes))"
            ),
            "read as affine layers with ReLU between, give other logits",
        ),
    },
    "Augmentation": {
        "changes a payload in the same way for the same key, in every process": (
            AUGMENTATION.format("return np.roll(decoded, random.randrange(1, 30), axis=0)"),
            "`strong` changed the same payload in two ways for the same key; draw from",
        ),
        "keeps shape and type": (
            AUGMENTATION.format('return decoded * stream(key, "strong").random()'),
            r"`strong` returned float64 of shape \(32, 32, 3\) for uint8 of shape \(32, 32, 3\)",
        ),
        "leaves its input as it is": (
            AUGMENTATION.format("decoded[:8] = key % 251\n        return decoded"),
            "`strong` changed the array that it was given; change a copy",
        ),
        "changes a payload in other ways for other keys": (
            AUGMENTATION.format("return decoded[::-1]"),
            "`strong` gives the same for 20 keys",
        ),
    },
    "Encoder": {
        "states its weights, its width and its preprocessing": (
            encoder(weights="str(random.random())"),
            "`weights` returned '.*', and then '.*'; return the hash",
        ),
        "decodes a payload into what its network takes, the same in every process": (
            encoder(decode=f"{DECODED}.astype(np.float32)"),
            r"`decode` returned float32 of shape \(32, 32, 3\); return uint8",
        ),
        "refuses bytes that are not a payload of its kind": (
            encoder(decode="return np.frombuffer(payload.ljust(48, b' ')[:48], np.uint8).reshape(4, 4, 3)"),
            "`decode` takes b'' for one of its images; raise ValueError or OSError",
        ),
        "embeds every payload as one finite row of `dimensions` float32": (
            encoder(embed=MEANS.replace("float32", "float64")),
            r"`embed` returned float64 of shape \(3, 3\) for 3 payloads; return \(3, 3\) float32",
        ),
        "embeds a payload alone as it does in a batch": (
            encoder(embed=MEANS.replace("return ", "rows = ") + "\n        return rows - rows.mean(axis=0)"),
            "payloads embedded alone differ from those embedded together by .*%",
        ),
    },
    "Dataset": {
        "opens with the same classes, rows and signature, in every process": (
            dataset(signature="str(random.random())"),
            "opened twice it states other classes or another signature; sort what is listed",
        ),
        "has the splits pool, validation and test": (dataset(some="[:2]"), r"'test'|no split"),
        "reads an id of its own, a payload and a label for each row": (
            dataset(read=READ.replace("f'row {row}'", "'row'")),
            "in the split 'pool' ids repeat or are not texts; give each row a key of its own",
        ),
        "reads the same rows in any order, in every process": (
            dataset(
                read=READ.replace("bytes([row])", "bytes([n])").replace(
                    "for row in rows], np", "for n, row in enumerate(rows)], np"
                )
            ),
            "rows of the split 'pool', read in another order and by a copy of the table, are other rows",
        ),
        "states the labels that it reads": (
            dataset(labels="1 - np.asarray(rows) % 2"),
            "in the split 'pool' `labels` and `read` give different labels",
        ),
    },
    "Trainer": {
        "fits a classifier of the classes": (
            TRAINER.format(f"{FIT}.tensors()"),
            "`fit` returned dict; return a labelbench_ray.proxies.Classifier",
        ),
        "fits the same weights for the same data and seed, in every process": (
            TRAINER.format(
                "model = super().fit(proxy, data, seed)\n"
                "        model.layers[0][0][0] += np.random.random()\n        return model"
            ),
            "two fits of the same data and seed give different weights; draw from the seed alone",
        ),
        "learns four separate clusters from 1,000 labels": (
            TRAINER.format(
                "model = super().fit(proxy, data, seed)\n        model.layers[0][0][:] *= -1\n        return model"
            ),
            r"with 1000 labels of four separate clusters \d+% of new rows are right; check the sign",
        ),
        "takes one labeled row, and classes without a label": (
            TRAINER.format(f"assert len(data.labels_L) > 1, 'too few'\n        {FIT}"),
            "with 1 labeled rows it raises .*AssertionError: too few",
        ),
        "leaves its inputs as they are": (
            TRAINER.format(
                "model = super().fit(proxy, data, seed)\n        data.labels_L[:] = 0\n        return model"
            ),
            "it changed the embeddings or labels that it was given",
        ),
        "goes on from an earlier round": (
            TRAINER.format(f"[each.no_such_thing for each in data.previous]\n        {FIT}"),
            "with an earlier round it raises .*no_such_thing",
        ),
    },
}
"""By kind and by the law that it breaks: a file, and what `labelbench check` states of it."""
CASES = [(kind, statement) for kind, broken in BROKEN.items() for statement in broken]


def test_there_is_a_mistake_for_every_law():
    assert set(BROKEN) | {"Strategy"} == set(LAWS)
    shared = {law.statement for law in laws_of("Plugin")}
    for kind, broken in BROKEN.items():
        assert set(broken) == {law.statement for law in laws_of(kind)} - shared


@pytest.mark.parametrize(("kind", "statement"), CASES)
def test_a_law_catches_its_mistake(kind: str, statement: str, tmp_path: Path):
    text, states = BROKEN[kind][statement]
    (tmp_path / "own.py").write_text(text)
    plugin = made_plugin(tmp_path / "own.py", {})
    assert kind_of(type(plugin)) == kind
    (law,) = (law for law in laws_of(kind, tmp_path) if law.statement == statement)
    found = judge(law, plugin)
    assert found.verdict is Verdict.FAIL
    with pytest.raises(AssertionError, match=states):
        raise AssertionError(found.text)


SOUND = {
    "Corrupter": CORRUPTER.format("return labels_N.copy()"),
    "Proxy": PROXY.format("(dimensions, 8, classes)"),
    "Augmentation": AUGMENTATION.format('return np.roll(decoded, stream(key, "strong").integers(1, 30), axis=0)'),
    "Encoder": encoder(),
    "Dataset": dataset(),
    "Trainer": TRAINER.format(FIT),
}


@pytest.mark.parametrize("kind", SOUND)
def test_the_same_file_without_the_mistake_breaks_no_law(kind: str, tmp_path: Path):
    (tmp_path / "own.py").write_text(SOUND[kind])
    plugin = made_plugin(tmp_path / "own.py", {})
    broken = [str(found) for law in laws_of(kind, tmp_path) if (found := judge(law, plugin)).verdict is Verdict.FAIL]
    assert not broken
