"""What is asked of an address before Ray is: the head of a real cluster answers, and as Ray's own clients ask it."""

import pytest
import ray
from ray.core.generated import gcs_service_pb2, ray_client_pb2

from labelbench_ray.cluster.servers import CHECK_ALIVE, PING, check_ray_answers
from labelbench_ray.errors import ConfigError

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]


def test_the_head_of_a_cluster_answers_and_its_raylet_does_not() -> None:
    check_ray_answers(ray.get_runtime_context().gcs_address)
    (node,) = ray.nodes()
    with pytest.raises(ConfigError, match="the gRPC server there is not the head of a cluster"):
        check_ray_answers(f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}")


def test_the_requests_are_those_of_ray_s_own_clients() -> None:
    ping = ray_client_pb2.ClusterInfoRequest(type=ray_client_pb2.ClusterInfoType.PING)
    assert PING[1] == ping.SerializeToString()
    assert CHECK_ALIVE[1] == gcs_service_pb2.CheckAliveRequest().SerializeToString()
    client, head = ray_client_pb2.DESCRIPTOR.services_by_name, gcs_service_pb2.DESCRIPTOR.services_by_name
    assert PING[0] == f"/{client['RayletDriver'].full_name}/ClusterInfo"
    assert CHECK_ALIVE[0] == f"/{head['NodeInfoGcsService'].full_name}/CheckAlive"
    assert "ClusterInfo" in client["RayletDriver"].methods_by_name
    assert "CheckAlive" in head["NodeInfoGcsService"].methods_by_name
