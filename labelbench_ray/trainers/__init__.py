"""Trainers: how a proxy is fitted to the labels. One training method a file.

A method refines one of the base classes here: `Trainer` itself, `Descent` (gradient descent: it writes the loss),
`SemiSupervised` (it writes the loss of the unlabeled rows), or `Continued` (it writes where a round begins).

Torch, scikit-learn and scipy take seconds to import. Plug-ins that ship here import them inside functions, so that
`labelbench list` and `labelbench plan` do without.
"""

from labelbench_ray.trainers.engine.continued import Continued
from labelbench_ray.trainers.engine.data import EmbeddedInputs, FitData, Inputs, PreviousRound, PseudoLabels, Tensors
from labelbench_ray.trainers.engine.descent import Descent, Gradient
from labelbench_ray.trainers.engine.semi_supervised import Pair, SemiSupervised, Term
from labelbench_ray.trainers.engine.step import State, Step
from labelbench_ray.trainers.engine.trainer import PACKAGE, Trainer

__all__ = [
    "PACKAGE",
    "Continued",
    "Descent",
    "EmbeddedInputs",
    "FitData",
    "Gradient",
    "Inputs",
    "Pair",
    "PreviousRound",
    "PseudoLabels",
    "SemiSupervised",
    "State",
    "Step",
    "Tensors",
    "Term",
    "Trainer",
]
