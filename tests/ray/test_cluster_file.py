"""cluster.yaml is what Ray's cluster launcher takes."""

from pathlib import Path

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

pytestmark = pytest.mark.ray


def test_ray_accepts_the_cluster_file() -> None:
    cluster = yaml.safe_load((Path(__file__).parents[2] / "cluster.yaml").read_text())
    validate_config(prepare_config(cluster))
    assert cluster["available_node_types"]["gpu_worker"]["min_workers"] == 1


def test_a_misspelt_key_would_be_refused() -> None:
    cluster = yaml.safe_load((Path(__file__).parents[2] / "cluster.yaml").read_text())
    with pytest.raises(Exception, match="head_node_typ"):
        validate_config(prepare_config(cluster | {"head_node_typ": "head"}))
