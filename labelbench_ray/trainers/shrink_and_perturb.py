"""Every round begins with the last round's weights, shrunk and perturbed (Ash and Adams 2020, arXiv 1910.08475).

They write shrink * old + noise with Gaussian noise. Here the noise is that of their published code: the
weights of a freshly initialized model, scaled, which respects that kinds of weights are initialized differently. They
are the very weights with which the round would begin from scratch, so that they depend on the fit's seed alone.
"""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat

from labelbench_ray.trainers import Tensors
from labelbench_ray.trainers.engine.continued import Continued

KEPT = ("mean", "scale")
"""How embeddings are standardized: it belongs to the pool."""
STATISTICS = ("running_mean", "running_var", "num_batches_tracked", "mean", "deviation")
"""The last step of the names of what batch normalization counts, and of how an encoder's pixels are normalized."""


class ShrinkAndPerturb(Continued):
    """Begins with `shrink` * the last round's weights + `perturb` * fresh ones: as right as before, but less sure.

    `shrink` 1 and `perturb` 0 are `warm_start`; 0 and 1 begin from scratch. The fresh weights of a pretrained model are
    the pretrained ones, so that `perturb` = 1 - `shrink` goes some of the way back to them.
    """

    shrink: Annotated[float, Field(ge=0, le=1)] = 0.5
    perturb: NonNegativeFloat = 0.01

    def going_on(self, last: Tensors, fresh: Tensors) -> Tensors:
        return {
            name: self._mixed(last[name], fresh[name]) if learned(name, fresh[name]) else last[name] for name in fresh
        }

    def _mixed(self, last: NDArray[Any], fresh: NDArray[Any]) -> NDArray[Any]:
        return (self.shrink * last + self.perturb * fresh).astype(fresh.dtype)


def learned(name: str, tensor: NDArray[Any]) -> bool:
    """Whether a tensor is a weight that training moves, and no statistic of the data, index or mask."""
    weight = np.issubdtype(tensor.dtype, np.floating)
    return weight and name not in KEPT and name.rpartition(".")[2] not in STATISTICS
