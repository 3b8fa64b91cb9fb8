"""Every round begins with the last round's weights, shrunk and perturbed (Ash and Adams 2020, arXiv 1910.08475).

The paper writes shrink * old + noise with Gaussian noise. Here, as in its published code, the noise is the scaled
weights of a freshly initialized model, so each kind of weight gets noise of its own scale. They are the weights with
which the round would begin from scratch, so they depend on the seed of the fit only.
"""

from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat

from labelbench_ray.trainers import Tensors
from labelbench_ray.trainers.engine.continued import Continued

KEPT = ("mean", "scale")
"""The standardization of embeddings, which belongs to the pool."""
STATISTICS = ("running_mean", "running_var", "num_batches_tracked", "mean", "deviation")
"""Last parts of the names of batch normalization's statistics and of an encoder's pixel normalization."""


class ShrinkAndPerturb(Continued):
    """Begins with `shrink` * the last round's weights + `perturb` * fresh ones: as accurate, but less confident.

    `shrink` 1 and `perturb` 0 are `warm_start`; 0 and 1 begin from scratch. The fresh weights of a pretrained model are
    the pretrained ones, so that `perturb` = 1 - `shrink` goes some of the way back to them.
    """

    teaches: ClassVar[str] = (
        "as the trainer inside; it begins with the last round's weights, shrunk and mixed with fresh ones"
    )
    source: ClassVar[str] = "Ash and Adams 2020, [1910.08475](https://arxiv.org/abs/1910.08475)"
    shrink: Annotated[float, Field(ge=0, le=1)] = 0.5
    perturb: NonNegativeFloat = 0.01

    def going_on(self, last: Tensors, fresh: Tensors) -> Tensors:
        return {
            name: self._mixed(last[name], fresh[name]) if learned(name, fresh[name]) else last[name] for name in fresh
        }

    def _mixed(self, last: NDArray[Any], fresh: NDArray[Any]) -> NDArray[Any]:
        return (self.shrink * last + self.perturb * fresh).astype(fresh.dtype)


def learned(name: str, tensor: NDArray[Any]) -> bool:
    """Whether a tensor is a weight that training changes, not a statistic of the data, an index or a mask."""
    weight = np.issubdtype(tensor.dtype, np.floating)
    return weight and name not in KEPT and name.rpartition(".")[2] not in STATISTICS
