"""The embedded stack beside a cluster."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from include.exceptions import Misconfigured, Unauthorized, Unavailable
from include.platform.embedded import stack_secrets
from include.platform.embedded.cluster import find_gateway, prepare
from include.platform.embedded.environment import environment
from include.platform.embedded.gateway import Gateway
from include.platform.embedded.stack import GATEWAY, PARTS, Stack
from include.settings import KubernetesGroup, Runtime, Settings, read
from tests.support.cluster import Cluster, account_config, run_cluster, score_task
from tests.support.stack import changed, database_folder, settings_in


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with run_cluster({}) as found:
        yield found


def test_a_gateway_that_is_named_is_taken() -> None:
    assert find_gateway(Settings(kubernetes=KubernetesGroup(gateway="10.0.0.1%br-0"))) == Gateway(
        "10.0.0.1", "br-0"
    )


@pytest.mark.parametrize("wrong", ["10.0.0.1", "%br-0", "host%br-0", "10.0.0.1%br 0"])
def test_a_gateway_is_an_address_and_an_interface(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setenv("MILLRACE_KUBERNETES_GATEWAY", wrong)
    with pytest.raises(Misconfigured, match="MILLRACE_KUBERNETES_GATEWAY"):
        read(tmp_path / "none")


@pytest.mark.kubernetes
def test_the_gateway_is_the_bridge_that_leads_to_the_nodes(cluster: Cluster) -> None:
    found = find_gateway(Settings())
    assert found.address in [one.address for one in psutil.net_if_addrs()[found.bridge]]
    assert Path(f"/sys/class/net/{found.bridge}/bridge").exists()


@pytest.mark.kubernetes
def test_a_machine_without_a_bridge_to_the_cluster_is_not_opened(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "net_if_addrs", dict)
    with pytest.raises(
        Misconfigured,
        match=r"no bridge of this machine leads to the cluster's nodes .*MILLRACE_KUBERNETES_GATEW",
    ):
        find_gateway(Settings())


@pytest.mark.kubernetes
def test_what_jobs_need_is_put_there_and_replaced_by_the_same_stack_only(
    cluster: Cluster, tmp_path: Path
) -> None:
    # Checkouts on two machines may have the same path.
    both = Settings(var=tmp_path, kubernetes=KubernetesGroup(namespace=cluster.namespace, secret="keys"))
    for key in ("old", "new"):
        prepare(both, {"LAKECTL_CREDENTIALS_ACCESS_KEY_ID": key}, "mine")
    held = cluster.client.read_namespaced_secret("keys", cluster.namespace).data
    assert b64decode(held["LAKECTL_CREDENTIALS_ACCESS_KEY_ID"]) == b"new"
    with pytest.raises(
        Misconfigured,
        match=r"has a Secret 'keys' of another stack; set MILLRACE_KUBERNETES_NAMESPACE .* remove it",
    ):
        prepare(both, {}, "another")
    assert cluster.client.read_namespaced_secret("keys", cluster.namespace).data == held


@pytest.mark.kubernetes
def test_an_account_without_rights_is_told_which_it_needs(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The client reads KUBECONFIG when it is imported.
    config = account_config(cluster, tmp_path / "config")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(config))
    with pytest.raises(Unauthorized, match=r"answered 403 Forbidden; name an account that may read nodes"):
        find_gateway(Settings())


ASK = """
import json, os, urllib3
login = os.environ["LAKECTL_CREDENTIALS_ACCESS_KEY_ID"], os.environ["LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY"]
keys = urllib3.make_headers(basic_auth=":".join(login))
user = os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"]
requests = {os.environ["LAKECTL_SERVER_ENDPOINT_URL"] + "/api/v1/repositories": keys,
         os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/experiments/get?experiment_id=0":
             urllib3.make_headers(basic_auth=":".join(user))}
answers = [urllib3.request("GET", url, headers=keys, retries=False) for url, keys in requests.items()]
print(json.dumps({"commit": " ".join(str(one.status) for one in answers), "days": 0, "rows": 0}))
"""


@pytest.mark.kubernetes
@pytest.mark.stack
def test_pods_reach_a_stack_with_its_keys(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    with database_folder() as folder:
        where = {"namespace": cluster.namespace, "secret": "stack"}
        stack = Stack(changed(settings_in(folder / "var"), runtime=Runtime.KUBERNETES, kubernetes=where))
        try:
            stack.up(lambda text: None)
            assert stack.health() == dict.fromkeys((*PARTS, GATEWAY), "healthy")
            inside = find_gateway(stack.settings)
            variables = environment(stack.settings, stack_secrets.ensure(stack.settings.var), "-", inside)
            for name in ("AIRFLOW_CONN_LAKEFS_DEFAULT", "AIRFLOW_CONN_MLFLOW_DEFAULT"):
                monkeypatch.setenv(name, variables[name])
            answer = score_task(cluster, f"python -c '{ASK}'", "stack", secret="stack").run()
            # MLflow would answer 403 if the host were not allowed.
            assert answer == {"commit": "200 200", "days": 0, "rows": 0}
        finally:
            stack.down(lambda text: None)


@pytest.mark.parametrize(
    ("config", "kind", "message"),
    [
        (
            {},
            Misconfigured,
            r"needs the cluster of KUBECONFIG \(Invalid kube-config.*or set MILLRACE_RUNTIME=process",
        ),
        (
            {"server": "http://127.0.0.1:1"},
            Unavailable,
            r"of KUBECONFIG, which does not answer \(MaxRetry.*start",
        ),
    ],
    ids=["none", "away"],
)
def test_without_a_cluster_it_says_what_to_do(
    config: dict[str, str],
    kind: type[Exception],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = {
        "clusters": [{"name": "c", "cluster": config}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": ""}}],
        "current-context": "x",
    }
    (tmp_path / "config").write_text(json.dumps(written if config else {}))
    # The client reads KUBECONFIG when it is imported.
    monkeypatch.setattr(
        "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config")
    )
    with pytest.raises(kind, match=message):
        find_gateway(Settings())
