"""What a trainer by gradient descent says of a round: the weights that it begins with, and how it goes on from them."""

from abc import abstractmethod
from typing import TYPE_CHECKING

from labelbench_ray.proxies import Classifier, LightProxy, Proxy
from labelbench_ray.trainers import Past, Tensors, Trainer, TrainingData
from labelbench_ray.trainers.engine.data import embedded_material

if TYPE_CHECKING:
    from labelbench_ray.trainers.engine.descent import Descent


class Gradient(Trainer):
    """A trainer by gradient descent: from scratch in every round, or from what the rounds before have learned.

    `start` and `method` are all that differs; who fits another kind of model calls them as `fit` does.
    """

    def start(self, fresh: Tensors, past: tuple[Past, ...]) -> Tensors:
        """The weights to begin a round with, by name, given those of a freshly initialized model: those themselves."""
        return fresh

    @abstractmethod
    def method(self, past: tuple[Past, ...]) -> "Descent":
        """The descent of a round."""

    def fit(self, proxy: Proxy, data: TrainingData, seed: int) -> Classifier:
        assert isinstance(proxy, LightProxy), proxy
        module = proxy.module(data.labeled.embeddings_BD.shape[1], data.num_classes, seed)
        fresh = Classifier.of_module(module, data.standardization).tensors()
        Classifier.of_tensors(self.start(fresh, data.past)).fill(module)
        self.method(data.past).descend(module, embedded_material(data), seed)
        return Classifier.of_module(module, data.standardization)
