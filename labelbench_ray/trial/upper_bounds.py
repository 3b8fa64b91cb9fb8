"""What an upper bound may ask of a trial: how good the model of a round gets by a batch, and when it may not.

Its strategies see no label. The trial adds a candidate batch with the answers that the oracle would give, noise
included, fits the proxy as it will fit that of the round, and measures it on the validation rows: on test rows the
bound would be the best of many by chance on the rows that it is reported on.
"""

from collections.abc import Callable, Sequence

from labelbench_ray.errors import ConfigError
from labelbench_ray.ledger.records import RoundRecord
from labelbench_ray.proxies.full import FullProxy
from labelbench_ray.trial.evaluation import measure_splits
from labelbench_ray.trial.fit_light import FitRequest, Fitter
from labelbench_ray.trial.parts import Parts
from labelbench_ray.types import Ids, Labels, PoolView

BatchWorth = Callable[[Sequence[RoundRecord], PoolView, Callable[[Ids], Labels], Ids], float]
"""(earlier rounds, view, answers, candidate) -> how good the model of the next round gets by this batch."""


def check_upper_bound(built: Parts, validation: int | None) -> None:
    """Refuse an upper bound where labels are not known, or each fit takes long.

    Args:
        built: the trial's parts.
        validation: its validation rows; None where they are not known yet.
    """
    if not built.strategy.sees_labels:
        return
    trial, named = built.trial, f"strategy {built.trial.strategy}"
    if not built.oracle.needs_labels:
        raise ConfigError(
            f"{named}: sees labels of the pool, and the oracle {trial.oracle} answers without the data set's; use "
            "another strategy, such as 'margin', or the oracle 'simulated' on a pool with labels"
        )
    if isinstance(built.proxy, FullProxy):
        raise ConfigError(
            f"{named}: fits the proxy once for every candidate, and the proxy {trial.proxy} trains its encoder; use "
            "'linear' or another light proxy"
        )
    if validation == 0:
        raise ConfigError(
            f"{named}: chooses by the accuracy on validation rows, and the data set {trial.dataset} has none; give it "
            "a validation split"
        )


def validated(request: FitRequest, fitter: Fitter) -> float:
    """The metric that decides, on validation rows, of the model of this fit."""
    task, validation = fitter.embedded.task, fitter.embedded.validation
    model = fitter.open(fitter.fit(request)).classifier
    return measure_splits(model, {"validation": validation}, task).metrics[f"Validation {task.primary}"]
