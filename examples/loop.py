"""The loop by hand, in one process and without Ray: select, ask, fit, measure. Run `python examples/loop.py`."""

import numpy as np
from sklearn.datasets import load_digits

from labelbench_ray import select
from labelbench_ray.pool.standardization import standardize
from labelbench_ray.proxies.linear import Linear
from labelbench_ray.trainers import EmbeddedInputs, FitData
from labelbench_ray.trainers.logistic import Logistic
from labelbench_ray.types import Examples

digits_ND, truth_N = load_digits(return_X_y=True)
pool_ND, test_ND = np.split(digits_ND.astype(np.float32), [1400])
scaled, none = standardize(pool_ND), np.arange(0)
labeled, labels, probabilities = none, none, np.full((len(pool_ND), 10), 0.1, np.float32)
for number in range(5):
    strategy = "margin" if number else "random"
    chosen = select(pool_ND, probabilities, labeled, labels, strategy, budget=40, seed=number)
    labeled, labels = np.append(labeled, chosen), np.append(labels, truth_N[chosen])  # ask: the truth answers here
    known = Examples(scaled.apply(pool_ND[labeled]), labels)
    inputs = EmbeddedInputs(known.embeddings_BD, known, scaled, labeled, none, ())
    data = FitData(inputs, labels, labeled, none, 10, validate=None, logits=lambda *_: pool_ND[:0])
    model = Logistic().fit(Linear(), data, seed=number)
    probabilities = model.probabilities(pool_ND)
    correct_N = model.probabilities(test_ND).argmax(axis=1) == truth_N[1400:]
    print(f"{len(labels)} labels: test accuracy {correct_N.mean():.3f}")
