"""What it costs to stop by a rule: cost regret of three published criteria and of the rules that forecast.

.venv/bin/python benchmarks/stopping.py [--data-root DIR] [--only digits banking77] [--published FILE]
.venv/bin/python benchmarks/stopping.py --tiny

Runs experiments/stopping.py in this process: `digits` unless `--only` names others, or none. The models in the
ledgers predict the pool, and each rule is applied to each trial. Regret is what the stop costs (labels, and errors
that remain on test rows) less the cost of the best stop on the same curve, as a share of the latter, in the mean
over trials. A point of accuracy is worth 10, 30, 100 or 300 labels for digits, ten times as much for others.
`after`: the mean share of the curve's labels that were bought.

--published: LabelBench's runs as a parquet file (dataset, batch_size, embed, model, trainer, strategy, seed, metric,
num_labels, value); rules that need predictions cannot be applied to them. A point is worth 1 to 30 % of a curve's
labels there, since curves differ in length.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from command import ROOT, Places, environment, histories, places
from machine import parser, show_measured
from rich.console import Console
from safetensors.numpy import load_file

from labelbench_ray.api.run import run_experiment
from labelbench_ray.costs import ASSUMED
from labelbench_ray.embeddings.store import embedded
from labelbench_ray.planning.experiment import Experiment, load
from labelbench_ray.report.statistics.learning_curves import Floats
from labelbench_ray.report.statistics.money import Stakes
from labelbench_ray.report.statistics.regret import first_stop, forecasts, gain_stop, money_stop, oracle_stop, regret
from labelbench_ray.report.statistics.stopping import (
    MOST_CHANGED,
    MOST_UNCERTAIN,
    classification_change,
    kappas,
    overall_uncertainty,
    stabilized,
    stop_set,
)
from labelbench_ray.trial.parts import build

POINTS: Final = (10, 30, 100, 300)
"""Labels that a point of accuracy is worth."""
TRIALS: Final = ("digits", "banking77")
SHARES: Final = (0.01, 0.03, 0.1, 0.3)
"""The same as a share of a curve's labels."""
LEAST_ROUNDS: Final = 8
Rule = Callable[[Stakes], int]
"""Stakes -> the round after which to stop."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A trial with the rules that can be applied to it."""

    labels_T: Floats
    accuracies_T: Floats
    rules: dict[str, Rule]


def worth(labels: float) -> Stakes:
    """A point of accuracy is worth so many labels of price 1."""
    return Stakes(use=100 * labels, harm=1.0, price=1.0)


def forecast_rules(labels_T: Floats, accuracies_T: Floats) -> dict[str, Rule]:
    """Rules that see the accuracies alone, and the two ends of the scale."""
    ahead_T, last = forecasts(labels_T, accuracies_T), len(labels_T) - 1
    gain = gain_stop(ahead_T)
    return {
        "oracle stop": lambda stakes: oracle_stop(labels_T, accuracies_T, stakes),
        "money": lambda stakes: money_stop(labels_T, ahead_T, stakes),
        "gain unlikely": lambda _: gain,
        "no stop": lambda _: last,
    }


def published(path: Path) -> list[Curve]:
    """The test accuracies of every published run of eight rounds or more."""
    import pyarrow.parquet as pq

    keys = ["dataset", "batch_size", "embed", "model", "trainer", "strategy", "seed"]
    rows = pq.read_table(path, filters=[("metric", "=", "Test Accuracy")]).to_pandas().sort_values("num_labels")
    curves = []
    for _, found in rows.groupby(keys):
        if len(found) >= LEAST_ROUNDS:
            labels_T, accuracies_T = (found[name].to_numpy(float) for name in ("num_labels", "value"))
            curves.append(Curve(labels_T, accuracies_T, forecast_rules(labels_T, accuracies_T)))
    return curves


def own(experiment: Experiment, where: Places) -> list[Curve]:
    """The trials, run as far as they are not, with every rule applied to the models in their ledgers."""
    _, status = run_experiment(experiment, environment(where, executor="local"), Console(quiet=True), ASSUMED)
    assert not status, f"{experiment.name}: a trial failed; `labelbench status` states why"
    rows = np.asarray(embedded((where.store / build(experiment.trials[0]).embedding).resolve()).pool.embeddings_ND)
    folder, curves = where.runs / experiment.name, []
    for history in histories(folder):
        records = history.records
        labels_T = np.array([record.num_labeled for record in records], float)
        accuracies_T = np.array([record.metrics["Test Accuracy"] for record in records])
        built = build(history.header.trial)
        directory = folder / history.header.fingerprint
        found = [_model(directory, record.round, built).probabilities(rows) for record in records]
        chosen = [np.array(record.chosen) for record in records]
        rules = forecast_rules(labels_T, accuracies_T) | criteria(labels_T, found, chosen)
        curves.append(Curve(labels_T, accuracies_T, rules))
    return curves


def _model(directory: Path, number: int, built: Any) -> Any:  # noqa: ANN401
    tensors = load_file(directory / "rounds" / f"{number:03d}.safetensors")
    return built.proxy.classifier_type().of_tensors(tensors, built.task.distribution)


def criteria(labels_T: Floats, probabilities_TNK: Sequence[Any], chosen_T: Sequence[Any]) -> dict[str, Rule]:
    """Where the published criteria stop; they do not depend on prices."""
    predictions_TN = [each.argmax(axis=1) for each in probabilities_TNK]
    rows = len(predictions_TN[0])
    stop_set_S = stop_set(rows)
    kappas_T = kappas(labels_T, [each[stop_set_S] for each in predictions_TN])
    open_N = np.ones(rows, bool)
    changed, uncertain = [], []
    for number, chosen in enumerate(chosen_T):
        open_N[chosen] = False
        before, now = predictions_TN[max(number - 1, 0)][open_N], predictions_TN[number][open_N]
        changed.append(number > 0 and classification_change(before, now) <= MOST_CHANGED)
        uncertain.append(overall_uncertainty(probabilities_TNK[number][open_N]) <= MOST_UNCERTAIN)
    stops = {
        "stabilizing predictions": first_stop([stabilized(kappas_T[: end + 1]) for end in range(len(kappas_T))]),
        "classification change": first_stop(changed),
        "overall uncertainty": first_stop(uncertain),
    }
    return {name: (lambda _, stop=stop: stop) for name, stop in stops.items()}


def compared(curves: Sequence[Curve], stakes_of: Callable[[Curve, float], Stakes], values: Sequence[float]) -> Any:  # noqa: ANN401
    """By rule and by what a point is worth: mean regret in % of the best stop's cost, and the share bought."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for name in curves[0].rules:
        table[name] = {}
        for value in values:
            regrets, bought = [], []
            for curve in curves:
                stakes = stakes_of(curve, value)
                stop = curve.rules[name](stakes)
                least = stakes.total(curve.labels_T, curve.accuracies_T).min()
                regrets.append(100 * regret(curve.labels_T, curve.accuracies_T, stakes, stop) / least)
                bought.append(curve.labels_T[stop] / curve.labels_T[-1])
            table[name][str(value)] = {"regret_percent": float(np.mean(regrets)), "after": float(np.mean(bought))}
    return {"curves": len(curves), "rules": table}


def main(words: Sequence[str] | None = None) -> None:
    """Run, apply the rules, and show."""
    options = parser(__doc__)
    options.add_argument("--published", type=Path)
    options.add_argument("--only", nargs="*", choices=TRIALS, default=TRIALS[:1])
    options.add_argument("--tiny", action="store_true", help="two trials of digits with eight rounds")
    given = options.parse_args(words)
    measured: dict[str, Any] = {}
    experiment = ROOT / "experiments" / "stopping.py"
    with places(Path(given.data_root), given.runs, given.store) as where:
        for name in given.only:
            if name != "digits" and not (where.data_root / name).is_dir():
                measured[name] = f"skipped: no {name} below the data root"
                continue
            found = load(f"{experiment}:{name}")
            if given.tiny:
                found = replace(found, trials=tuple(each.model_copy(update={"rounds": 8}) for each in found.trials[:2]))
            values = POINTS if name == "digits" else tuple(10 * each for each in POINTS)
            measured[name] = compared(own(found, where), lambda _, value: worth(value), values)
    if given.published:
        measured["published"] = compared(
            published(given.published), lambda curve, share: worth(share * curve.labels_T[-1]), SHARES
        )
    show_measured("stopping", measured)


if __name__ == "__main__":
    main()
