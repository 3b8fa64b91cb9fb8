"""cluster.yaml is what Ray's cluster launcher takes, and the commands of Ray that our pages name have their options."""

from pathlib import Path

import click
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import cli

from labelbench_ray.cluster.embed import DECLARED
from tests.commands import check_options, commands_in

pytestmark = pytest.mark.ray
ROOT = Path(__file__).parents[2]


def test_ray_accepts_the_cluster_file() -> None:
    cluster = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    validate_config(prepare_config(cluster))
    head, worker = (cluster["available_node_types"][name] for name in ("head", "gpu_worker"))
    assert worker["min_workers"] == 1
    assert head["resources"][DECLARED["GPU"]] == worker["max_workers"] * worker["resources"]["GPU"]


def test_a_misspelt_key_would_be_refused() -> None:
    cluster = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    with pytest.raises(Exception, match="head_node_typ"):
        validate_config(prepare_config(cluster | {"head_node_typ": "head"}))


def test_every_node_has_the_token_and_a_role_and_the_dashboard_is_on_loopback() -> None:
    cluster = prepare_config(yaml.safe_load((ROOT / "cluster.yaml").read_text()))
    assert cluster["file_mounts"]["/home/ubuntu/.ray/auth_token"].endswith("/.ray/auth_token")
    for start in (cluster["head_start_ray_commands"], cluster["worker_start_ray_commands"]):
        assert "RAY_AUTH_MODE=token ray start" in start[-1]
    assert "--dashboard-host=127.0.0.1" in cluster["head_start_ray_commands"][-1]
    for node in cluster["available_node_types"].values():
        assert node["node_config"]["IamInstanceProfile"]["Name"]


@pytest.mark.parametrize("page", ["docs/clusters.md", "cluster.yaml"])
def test_ray_s_commands_have_the_options_that_our_pages_give_them(page: str) -> None:
    found = [words for words in commands_in(ROOT / page) if words[0] == "ray"]
    assert {"up", "down", "job"} <= {words[1] for words in found}
    for words in found:
        check_options(cli, words)


def test_a_misspelt_option_of_ray_would_be_found() -> None:
    with pytest.raises(click.UsageError):
        check_options(cli, ["ray", "job", "submit", "--nowait", "--", "true"])
