"""Fitting a full model: train the encoder's own network under a head on images, then embed every row again."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from labelbench_ray.embeddings.images import DecodedImages
from labelbench_ray.embeddings.store import Embedded
from labelbench_ray.encoders import Network, Trainable
from labelbench_ray.proxies.full import FullProxy
from labelbench_ray.proxies.full.network import Tuned, load_tensors, tensors, tuned
from labelbench_ray.proxies.heads import HeadContext
from labelbench_ray.trainers import Tensors
from labelbench_ray.trainers.engine.checkpoints import Checkpoints
from labelbench_ray.trainers.engine.data import FitData
from labelbench_ray.trainers.engine.descent import Gradient
from labelbench_ray.trainers.engine.device import Device
from labelbench_ray.trainers.engine.images import ImageInputs, validation
from labelbench_ray.trial.fit_light import FitRequest, OpenView, TrainedModel, in_process, unlabeled_ids
from labelbench_ray.trial.label_weights import refuse_weights
from labelbench_ray.types import Floats, Ids

CHUNK = 1024
"""Images that are embedded at a time."""
VALIDATION_SEED = 42


@dataclass(frozen=True, slots=True, eq=False)
class FullFitter:
    """Fits the encoder's own network. A fit that was killed resumes from its last checkpoint."""

    model: FullProxy
    trainer: Gradient
    encoder: Trainable
    embedded: Embedded
    images: DecodedImages
    device: Device
    checkpoints: Callable[[FitRequest], Checkpoints]
    known_logits: dict[str, Floats] = field(default_factory=dict)
    """By model and rows: trainers that remember ask for logits of earlier rounds' models in every round, and to open
    such a model takes longer than a few steps."""

    @property
    def open_view(self) -> OpenView:
        """Views of the store's embeddings, before the first fit."""
        return in_process(self.embedded)

    @property
    def gpus(self) -> float:
        """GPUs that a fit and an opening hold."""
        return float(self.device.size if self.device.kind.startswith("cuda") else 0)

    @property
    def validation_labels(self) -> int:
        """The size of the sample that steers early stopping."""
        return len(self._validation_rows()) * self.trainer.uses_validation

    def fit(self, request: FitRequest) -> Tensors:
        refuse_weights(request.weights_L)
        data = self._data(request)
        network = self.model.network(self._context(request))
        load_tensors(network, self.trainer.start(tensors(network), data.previous))
        network = self.model.adapted(network, request.seed).to(self.device.kind)
        method = self.trainer.method(data.previous)
        method.descend(network, data, request.seed, self.device, self.checkpoints(request))
        return tensors(self.model.finished(network.cpu()))

    def open(self, trained: Tensors) -> TrainedModel:
        opened = self._opened(trained)
        embed = partial(_embedded, runtime=opened.runtime, dimensions=self.encoder.dimensions())
        splits = {
            name: replace(self.embedded.splits[name], embeddings_ND=embed(images, ids_B=np.arange(len(images))))
            for name, images in self.images.splits.items()
        }
        standardization = opened.classifier.standardization
        anew = Embedded(splits, standardization, self.embedded.classes, self.embedded.task)
        return TrainedModel(opened.classifier, anew, in_process(anew))

    def _opened(self, trained: Tensors) -> Tuned:
        network = self.model.plain(self.encoder, len(self.embedded.classes))
        load_tensors(network, trained)
        return tuned(network, self.encoder, "cuda" if self.device.kind.startswith("cuda") else "cpu")

    def _context(self, request: FitRequest) -> HeadContext:
        return HeadContext(self.encoder, self.embedded.classes, self.encoder.dimensions(), request.seed, request.proxy)

    def _data(self, request: FitRequest) -> FitData[ImageInputs]:
        pool, model, classes = self.images.pool, self.model, self.embedded.classes
        unlabeled_U = unlabeled_ids(len(pool), request.asked)
        rows = self._validation_rows()
        return FitData(
            inputs=ImageInputs(
                pool,
                request.labeled_L,
                unlabeled_U,
                model.made_augmentation,
                request.seed,
                self.device.kind,
                self.device.threads,
            ),
            answers_L=request.labels_L,
            labeled_ids_L=request.labeled_L,
            unlabeled_ids_U=unlabeled_U,
            num_classes=len(classes),
            validate=validation(self.images.validation[rows], self.embedded.validation.labels_N[rows], self.device),
            logits=lambda trained, places_B: self._logits(trained, request.labeled_L[places_B]),
            previous=tuple(request.previous),
            on_pseudo_labels=request.on_pseudo_labels,
            on_work=request.on_work,
        )

    def _validation_rows(self) -> Ids:
        """The validation rows that steer early stopping: all, or a sample that is the same for every fit."""
        num_rows, most = len(self.images.validation), self.model.validation_rows
        if most is None or most >= num_rows:
            return np.arange(num_rows)
        return np.sort(np.random.default_rng(VALIDATION_SEED).choice(num_rows, most, replace=False))

    def _logits(self, trained: Tensors, ids_B: Ids) -> Floats:
        key = _digest(trained, ids_B)
        if key not in self.known_logits:
            opened = self._opened(trained)
            embedded_BD = _embedded(self.images.pool, opened.runtime, ids_B, self.encoder.dimensions())
            self.known_logits[key] = opened.classifier.logits(embedded_BD)
        return self.known_logits[key]


def _digest(trained: Tensors, ids_B: Ids) -> str:
    """What the logits of rows depend on."""
    found = sha256(ids_B.tobytes())
    for name in sorted(trained):
        found.update(name.encode())
        found.update(trained[name].tobytes())
    return found.hexdigest()


def _embedded(images_NHWC: NDArray[np.uint8], runtime: Network, ids_B: Ids, dimensions: int) -> NDArray[np.float16]:
    """(B, D) float16, as the store keeps embeddings."""
    embedded_BD: NDArray[np.float16] | None = None
    for start in range(0, len(ids_B), CHUNK):
        part = runtime.embed(list(images_NHWC[ids_B[start : start + CHUNK]]))
        if embedded_BD is None:
            embedded_BD = np.empty((len(ids_B), part.shape[1]), np.float16)
        with np.errstate(over="ignore"):
            embedded_BD[start : start + len(part)] = part
    if embedded_BD is None:
        return np.empty((0, dimensions), np.float16)
    if not (finite_B := np.isfinite(embedded_BD).all(axis=1)).all():
        raise FloatingPointError(
            f"row {ids_B[~finite_B][0]}: the trained model's embedding holds NaN or is beyond float16's 65,504; lower "
            "the trainer's `learning_rate` or set `gradient_clip`"
        )
    return embedded_BD
