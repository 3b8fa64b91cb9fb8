"""The manifest for Kubernetes has KubeRay's fields, and every command in pages and manifests has options that exist."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml

from labelbench_ray import __version__
from labelbench_ray.commands.cli import app
from labelbench_ray.commands.options import ENVIRONMENT
from tests.commands import check_options, entrypoints_in

ROOT = Path(__file__).parent.parent
PAGES = ("docs/clusters.md", "cluster.yaml")
ACCOUNT, JOB = yaml.safe_load_all((ROOT / "deploy/rayjob.yaml").read_text())
RUNTIME_ENV = yaml.safe_load((ROOT / "deploy/runtime-env.yaml").read_text())
SECRET = ("KEY", "TOKEN", "PASSWORD", "SECRET", "CREDENTIAL")

POD = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["containers", "securityContext", "serviceAccountName"],
            "properties": {"containers": {"type": "array", "minItems": 1}},
        }
    },
}
# An excerpt of ray.io/v1 as KubeRay's API reference has it (v1.6): the fields used here, and those that are required.
RAY_JOB = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayJob"},
        "metadata": {"type": "object", "required": ["name"]},
        "spec": {
            "type": "object",
            "required": ["entrypoint", "rayClusterSpec", "activeDeadlineSeconds"],
            "additionalProperties": False,
            "properties": {
                "entrypoint": {"type": "string"},
                "runtimeEnvYAML": {"type": "string"},
                "submissionMode": {"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]},
                "backoffLimit": {"type": "integer", "minimum": 0},
                "activeDeadlineSeconds": {"type": "integer", "minimum": 1},
                "shutdownAfterJobFinishes": {"type": "boolean"},
                "ttlSecondsAfterFinished": {"type": "integer", "minimum": 0},
                "submitterPodTemplate": POD,
                "rayClusterSpec": {
                    "type": "object",
                    "required": ["headGroupSpec"],
                    "additionalProperties": False,
                    "properties": {
                        "rayVersion": {"type": "string"},
                        "authOptions": {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {"mode": {"enum": ["disabled", "token"]}, "secretName": {"type": "string"}},
                        },
                        "enableInTreeAutoscaling": {"type": "boolean"},
                        "autoscalerOptions": {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {
                                "idleTimeoutSeconds": {"type": "integer"},
                                "resources": {"type": "object"},
                                "securityContext": {"type": "object"},
                                "upscalingMode": {"enum": ["Default", "Aggressive", "Conservative"]},
                            },
                        },
                        "headGroupSpec": {
                            "type": "object",
                            "required": ["rayStartParams", "template"],
                            "additionalProperties": False,
                            "properties": {
                                "rayStartParams": {"type": "object", "additionalProperties": {"type": "string"}},
                                "template": POD,
                            },
                        },
                        "workerGroupSpecs": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"],
                                "additionalProperties": False,
                                "properties": {
                                    "groupName": {"type": "string"},
                                    "replicas": {"type": "integer"},
                                    "minReplicas": {"type": "integer"},
                                    "maxReplicas": {"type": "integer"},
                                    "rayStartParams": {"type": "object", "additionalProperties": {"type": "string"}},
                                    "template": POD,
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


def test_the_rayjob_has_a_deadline_and_a_group_of_cpu_workers() -> None:
    """The command ends between rounds before Kubernetes ends the job."""
    words = shlex.split(JOB["spec"]["entrypoint"])
    assert float(words[words.index("--max-hours") + 1]) * 3600 < JOB["spec"]["activeDeadlineSeconds"]
    groups = {group["groupName"]: group for group in JOB["spec"]["rayClusterSpec"]["workerGroupSpecs"]}
    limits = groups["cpu"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert "nvidia.com/gpu" not in limits
    assert groups["cpu"]["minReplicas"] == 0 < groups["cpu"]["maxReplicas"]
    nodes = yaml.safe_load((ROOT / "cluster.yaml").read_text())["available_node_types"]
    assert nodes["cpu_worker"]["resources"] == {"CPU": 16}


def pods() -> Iterator[dict[str, Any]]:
    cluster = JOB["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        yield group["template"]["spec"]
    yield JOB["spec"]["submitterPodTemplate"]["spec"]


def containers() -> Iterator[dict[str, Any]]:
    for pod in pods():
        yield from pod["containers"]


def test_the_manifest_has_kuberay_s_fields() -> None:
    jsonschema.validate(JOB, RAY_JOB)


@pytest.mark.parametrize(("field", "value"), [("entrypiont", "labelbench"), ("submissionMode", "K8sMode")])
def test_a_misspelt_field_would_be_found(field: str, value: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(JOB | {"spec": JOB["spec"] | {field: value}}, RAY_JOB)


def test_every_container_has_limits_and_a_pinned_image() -> None:
    for container in (*containers(), JOB["spec"]["rayClusterSpec"]["autoscalerOptions"]):
        resources = container["resources"]
        assert {"cpu", "memory"} <= resources["limits"].keys() & resources["requests"].keys()
    for container in containers():
        _, _, tag = container["image"].partition(":")
        assert tag == __version__
    base = next(line for line in (ROOT / "deploy/Dockerfile").read_text().splitlines() if line.startswith("FROM"))
    ray = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("ray=="))
    version = ray.removeprefix("ray==")
    assert base.startswith(f"FROM rayproject/ray:{version}-")
    assert JOB["spec"]["rayClusterSpec"]["rayVersion"] == version


def test_nothing_runs_as_root() -> None:
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["serviceAccountName"] == ACCOUNT["metadata"]["name"]
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert "USER 1000" in (ROOT / "deploy/Dockerfile").read_text()


def test_no_secret_is_written_down() -> None:
    for container in containers():
        for variable in container.get("env", ()):
            assert "valueFrom" in variable or not any(word in variable["name"] for word in SECRET)
    for given in (RUNTIME_ENV, yaml.safe_load(JOB["spec"]["runtimeEnvYAML"])):
        assert not [name for name in given["env_vars"] if any(word in name for word in SECRET)]


def test_the_runtime_environments_set_options_that_exist() -> None:
    known = {
        variable
        for decorate in ENVIRONMENT
        for parameter in decorate(click.Command("any")).params  # type: ignore[arg-type]
        for variable in parameter.envvar or ()
    }
    for given in (RUNTIME_ENV, yaml.safe_load(JOB["spec"]["runtimeEnvYAML"])):
        assert {name for name in given["env_vars"] if name.startswith("LABELBENCH_")} <= known
        assert not {"OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"} & given["env_vars"].keys()
    assert "LABELBENCH_RUNS" in known


def test_the_manifest_s_entrypoint_has_options_that_exist() -> None:
    words = shlex.split(JOB["spec"]["entrypoint"])
    check_options(app, words)
    assert (ROOT / words[2]).exists()


@pytest.mark.parametrize("page", PAGES)
def test_every_command_has_options_that_exist(page: str) -> None:
    found = entrypoints_in(ROOT / page)
    assert found
    for words in found:
        check_options(app, words)
        assert (ROOT / words[2]).exists(), words


@pytest.mark.parametrize(
    "wrong",
    [
        "labelbench run a.py --rnus b",
        "labelbench walk a.py",
        "labelbench run --runs b",
        "labelbench run a.py --scorers few",
    ],
)
def test_a_command_that_is_wrong_would_be_found(wrong: str) -> None:
    with pytest.raises(click.UsageError):
        check_options(app, shlex.split(wrong))
