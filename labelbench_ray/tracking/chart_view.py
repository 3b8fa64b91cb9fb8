"""The view in which MLflow compares strategies: learning curves, one a strategy, of the test metric first.

MLflow's page keeps a view under a tag of the experiment and opens it by its name in the address. Without it, the page
shows each run alone, and charts in the order of their names.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from labelbench_ray.tasks.single_label import SINGLE_LABEL
from labelbench_ray.tracking.runs import COMPARED, tracked_name

if TYPE_CHECKING:
    from mlflow.entities import Experiment
    from mlflow.tracking import MlflowClient

NAME: Final = "strategies"
TAG: Final = f"mlflow.sharedViewState.{NAME}"
NOTE: Final = "mlflow.note.content"
KIND: Final = {"mlflow.experimentKind": "custom_model_development"}
"""MLflow's page then opens with runs and curves, not with traces of prompts."""
CHILDREN: Final = "params.strategy LIKE '%'"
"""The filter that leaves out the parent run, which has no strategy."""


def chart_view(compared: Sequence[str] = SINGLE_LABEL.shown) -> str:
    """The view as MLflow's page reads it; `compared`: the metrics of the ledger that the task compares."""
    names = [name for name in (tracked_name(each, compared) for each in compared) if name.startswith(COMPARED)]
    return json.dumps(
        {
            "searchFilter": CHILDREN,
            "groupBy": {
                "aggregateFunction": "average",
                "groupByKeys": [{"mode": "param", "groupByData": "strategy"}],
            },
            "runsHiddenMode": "SHOW_ALL",
            "useGroupedValuesInCharts": True,
            "compareRunCharts": [_chart(name) for name in names],
            "compareRunSections": [
                {
                    "uuid": COMPARED,
                    "name": COMPARED,
                    "display": True,
                    "isReordered": False,
                    "deleted": False,
                    "isGenerated": True,
                    "columns": 2,
                    "cardHeight": 420,
                }
            ],
        }
    )


def prepare(client: "MlflowClient", experiment: "Experiment", compared: Sequence[str] = SINGLE_LABEL.shown) -> None:
    """Give an experiment the kind, the view and, unless it has one, a note that links to the view."""
    note = (
        f"[Compare the strategies]({link('', experiment.experiment_id).lstrip('/')}): learning curves, one a strategy"
    )
    wanted = {**KIND, TAG: chart_view(compared), NOTE: experiment.tags.get(NOTE) or note}
    for name, value in wanted.items():
        if experiment.tags.get(name) != value:
            client.set_experiment_tag(experiment.experiment_id, name, value)


def link(address: str, experiment_id: str) -> str:
    """The address of the view at a server."""
    view = f"compareRunsMode=CHART&viewStateShareKey={NAME}"
    return f"{address}/#/experiments/{experiment_id}/runs?workflowType=machine_learning&{view}"


def _chart(name: str) -> dict[str, Any]:
    return {
        "type": "LINE",
        "uuid": name,
        "metricSectionId": COMPARED,
        "deleted": False,
        "isGenerated": True,
        "runsCountToCompare": 10,
        "metricKey": name,
        "selectedMetricKeys": [name],
        "displayName": name.removeprefix(f"{COMPARED}/"),
        "lineSmoothness": 0,
        "scaleType": "linear",
        "xAxisKey": "step",
        "xAxisScaleType": "linear",
        "selectedXAxisMetricKey": "",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }
