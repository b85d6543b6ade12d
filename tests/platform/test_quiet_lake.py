"""A lakeFS program calls nobody on the internet, in any deployment."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from include.platform.embedded import lake_process, stack_secrets
from include.settings import ROOT
from tests.support.lakefs_binary import BINARY, NO_BINARY, run_lakefs
from tests.support.stack import changed, settings_in

AUDIT = "LAKEFS_SECURITY_AUDIT_CHECK_URL"


def embedded(folder: Path) -> Mapping[str, str]:
    settings = changed(settings_in(folder / "var"), lakefs={"binary": "/usr/bin/lakefs"})
    return lake_process.variables(settings, stack_secrets.ensure(settings.var), "127.0.0.1:1")


def compose(_: Path) -> Mapping[str, str]:
    services = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
    found: Mapping[str, str] = services["lakefs"]["environment"]
    return found


def cluster(_: Path) -> Mapping[str, str]:
    text = (ROOT / "include/platform/kubernetes/base/lakefs.yaml").read_text()
    (deployment,) = (one for one in yaml.safe_load_all(text) if one["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one["value"] for one in container["env"] if "value" in one}


@pytest.mark.parametrize("where", [embedded, compose, cluster])
def test_every_deployment_switches_off_each_call(where: Any, tmp_path: Path) -> None:
    given = where(tmp_path)
    assert {name: given.get(name) for name in lake_process.QUIET} == lake_process.QUIET


class _Proxy(BaseHTTPRequestHandler):
    """A proxy that notes where it is to connect to, and connects to nothing."""

    called_up: list[str]

    def do_CONNECT(self) -> None:
        self.called_up.append(self.path)
        self.send_error(502)

    do_GET = do_POST = do_CONNECT

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def called_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What a program calls outside of this machine, all of which goes to a proxy here."""
    found: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Proxy", (_Proxy,), {"called_up": found}))
    Thread(target=server.serve_forever, daemon=True).start()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    yield found
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(not BINARY, reason=NO_BINARY)
@pytest.mark.parametrize(
    ("audit", "called"),
    [(lake_process.QUIET[AUDIT], False), ("", True)],
    ids=["as set", "set to nothing"],
)
def test_a_lakefs_that_starts_calls_nobody(
    audit: str, called: bool, called_up: list[str], tmp_path: Path
) -> None:
    """The second case shows that the proxy sees such a call."""
    with run_lakefs(tmp_path, **{AUDIT: audit}):
        deadline = time.monotonic() + (30 if called else 5)
        while not called_up and time.monotonic() < deadline:
            time.sleep(0.2)
    assert any("audit" in address for address in called_up) == called
    assert called or called_up == []
