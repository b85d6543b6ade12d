"""The Job `lakefs-setup` of the manifests, run by a real cluster for a lake on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from kubernetes import client

from include.exceptions import Misconfigured, Unauthorized
from include.lake.client import Lake, LakeConnection
from include.platform.embedded.cluster import gateway
from include.platform.embedded.gateway import Gateway
from include.settings import Settings
from tests.support.cluster import JOB_IMAGE, Cluster, run_cluster, wait_until
from tests.support.lake import LakeServer
from tests.support.manifests import Object, named, overlay
from tests.support.services import open_doors

pytestmark = pytest.mark.kubernetes
NAME = "lakefs-setup"
SECONDS = 120  # a Job waits 10 s before its second try, 20 s before its third


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with run_cluster({}) as found:
        account = rendered(found, "ServiceAccount", "lakefs")
        found.client.create_namespaced_service_account(found.namespace, account)
        yield found


@pytest.fixture
def where() -> Gateway:
    try:
        return gateway(Settings())
    except Misconfigured as error:
        pytest.skip(str(error))


def rendered(cluster: Cluster, kind: str, name: str) -> Object:
    """An object of the overlay, in a namespace of the test's own."""
    found = named(overlay("trial"), kind)[name]
    found["metadata"]["namespace"] = cluster.namespace
    return found


def tell_keys(cluster: Cluster, lake: LakeConnection) -> None:
    """Put the lake's keys where the manifests look for them."""
    login = {
        "LAKEFS_INSTALLATION_ACCESS_KEY_ID": lake.access_key_id,
        "LAKEFS_INSTALLATION_SECRET_ACCESS_KEY": lake.secret_access_key,
    }
    cluster.secret("lakefs", login)


def start(cluster: Cluster, address: str) -> None:
    """Make the Job, with the image and the address that a cluster without a registry and names has."""
    job = rendered(cluster, "Job", NAME)
    [container] = job["spec"]["template"]["spec"]["containers"]
    container |= {"image": JOB_IMAGE, "imagePullPolicy": "IfNotPresent"}
    [endpoint] = [one for one in container["env"] if one["name"] == "LAKECTL_SERVER_ENDPOINT_URL"]
    endpoint["value"] = address
    jobs(cluster).create_namespaced_job(cluster.namespace, job)


def jobs(cluster: Cluster) -> client.BatchV1Api:
    return client.BatchV1Api(cluster.client.api_client)


def pods(cluster: Cluster) -> list[client.V1Pod]:
    label = f"app.kubernetes.io/name={NAME}"
    return list(cluster.client.list_namespaced_pod(cluster.namespace, label_selector=label).items)


def end(cluster: Cluster) -> tuple[str, str]:
    """How the Job ended and what its pod said last; both are gone then."""

    def how() -> list[str]:
        status = jobs(cluster).read_namespaced_job(NAME, cluster.namespace).status
        return [one.type for one in status.conditions or () if one.type in ("Complete", "Failed")]

    [ended] = wait_until(how, SECONDS)
    [pod] = pods(cluster)
    said = cluster.log(pod).strip()
    jobs(cluster).delete_namespaced_job(NAME, cluster.namespace, propagation_policy="Background")
    wait_until(lambda: not pods(cluster))
    return ended, said


def set_up_twice(cluster: Cluster, where: Gateway, lake: LakeConnection) -> None:
    """Run the Job as at the first installation, and as at an upgrade."""
    port = urlsplit(lake.endpoint).port or 80
    address = f"http://{where.address}:{port}"
    tell_keys(cluster, lake)
    with open_doors(where, port):
        for _ in range(2):
            start(cluster, address)
            ended, said = end(cluster)
            version = Lake(lake, "any").ping()  # raises if the keys are not taken
            words = f"lakeFS {version} at {address} is set up and accepts the keys"
            assert (ended, said) == ("Complete", words)


def test_a_lakefs_without_a_user_gets_its_first(
    cluster: Cluster, where: Gateway, fresh_lakefs: LakeConnection
) -> None:
    with pytest.raises(Unauthorized):
        Lake(fresh_lakefs, "any").ping()
    set_up_twice(cluster, where, fresh_lakefs)


def test_it_is_harmless_where_there_is_a_user(
    cluster: Cluster, where: Gateway, lake_server: LakeServer
) -> None:
    set_up_twice(cluster, where, lake_server.connection)


def test_it_tries_again_until_the_lake_is_there(
    cluster: Cluster, where: Gateway, lake_server: LakeServer
) -> None:
    tell_keys(cluster, lake_server.connection)
    start(cluster, f"http://{where.address}:{lake_server.port}")
    wait_until(lambda: any(one.restart_count for pod in pods(cluster) for one in _states(pod)))
    with open_doors(where, lake_server.port):
        assert end(cluster)[0] == "Complete"


def _states(pod: client.V1Pod) -> list[client.V1ContainerStatus]:
    return pod.status.container_statuses or []
