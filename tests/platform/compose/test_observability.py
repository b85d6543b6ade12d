"""The metrics that the profile `monitoring` reads and shows agree with those that Airflow documents."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Any

import pytest
import yaml

from include.settings import ROOT
from tests.support.compose import Server, build_monitoring, run_server
from tests.support.engine import run_engine

FOLDER = ROOT / "include/platform/observability"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
PANELS: list[dict[str, Any]] = json.loads((FOLDER / "grafana/dashboards/millrace.json").read_text())["panels"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
LAKE = {"api_requests_total": "code", "api_request_duration_seconds_bucket": "operation"}
"""Metrics of lakeFS (pkg/api/stats.go of 1.84.0), each with the label that the panels use."""


def registry() -> dict[str, dict[str, Any]]:
    """Return Airflow's own table of its metrics, with Prometheus's names."""
    table = files("airflow._shared.observability.metrics") / "metrics_template.yaml"
    rows = yaml.safe_load(table.read_text())["metrics"]
    suffix = {"timer": "_bucket"}
    return {
        "airflow_" + row["name"].replace(".", "_") + suffix.get(row["type"], ""): row
        for row in rows
        if "{" not in row["name"]
    }


@pytest.mark.parametrize(("title", "query"), QUERIES, ids=[title for title, _ in QUERIES])
def test_a_panel_asks_for_what_there_is(title: str, query: str) -> None:
    names = set(re.findall(r"\b(?:airflow|api)_\w+", query))
    assert len(names) == 1
    [name] = names
    if name in LAKE:
        assert LAKE[name] in query
        return
    labels = set(re.findall(r"by \(([^)]*)\)", query)[0].split(", ")) if "by (" in query else set()
    known = set(registry()[name]["name_variables"])
    assert labels - {"le"} <= known


def test_the_panels_are_few_and_lie_beside_each_other() -> None:
    places = [panel["gridPos"] for panel in PANELS]
    assert len({panel["id"] for panel in PANELS}) == len(PANELS) == 8
    cells = [
        (x, y)
        for at in places
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23


def test_what_is_scraped_is_a_service_of_the_platform() -> None:
    read = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
    targets = [row["targets"] for job in read["scrape_configs"] for row in job["static_configs"]]
    assert targets == [["statsd-exporter:9102"], ["lakefs:8000"]]
    for [target] in targets:
        assert "platform" in COMPOSE[target.partition(":")[0]]["networks"]


def test_airflow_sends_to_the_exporter_names_that_hold_no_ids() -> None:
    told = COMPOSE["airflow-scheduler"]["environment"]
    assert told["AIRFLOW__METRICS__STATSD_HOST"] in COMPOSE
    assert told["AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED"] == "true"
    assert told["AIRFLOW__METRICS__LEGACY_NAMES_ON"] == "false"
    assert yaml.safe_load((FOLDER / "statsd.yaml").read_text())["defaults"]["observer_type"] == "histogram"


def test_grafana_finds_its_source_and_its_dashboards() -> None:
    provisioning = FOLDER / "grafana/provisioning"
    [source] = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())["datasources"]
    [provider] = yaml.safe_load((provisioning / "dashboards/millrace.yaml").read_text())["providers"]
    mounted = dict(mount.split(":")[1::-1] for mount in COMPOSE["grafana"]["volumes"])
    assert mounted[provider["options"]["path"]] == "./include/platform/observability/grafana/dashboards"
    assert {panel["datasource"]["uid"] for panel in PANELS} == {source["uid"]}
    assert source["url"] == "http://prometheus:9090"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with only Prometheus and the exporter of Airflow's metrics."""
    with run_engine(), run_server(build_monitoring) as found:
        found.make("compose", "DO=env")
        found.compose.up(lambda _: None, "statsd-exporter", "prometheus")
        yield found


def send(server: Server, names: Iterable[str]) -> None:
    """Send metrics of Airflow as configured in docker-compose.yaml."""
    from airflow._shared.observability.metrics.statsd_logger import get_statsd_logger
    from statsd import StatsClient

    networks = json.loads(
        server.compose.docker(
            "inspect",
            "--format",
            "{{json .NetworkSettings.Networks}}",
            server.compose.container("statsd-exporter").id,
            stdout=subprocess.PIPE,
        )
    )
    (network,) = networks.values()
    airflow = get_statsd_logger(
        stats_class=StatsClient,
        host=network["IPAddress"],
        port=9125,
        prefix="airflow",
        influxdb_tags_enabled=True,
        statsd_influxdb_enabled=True,
    )
    rows = registry()
    for row in (rows[name] for name in names):
        call = {"counter": airflow.incr, "gauge": airflow.gauge, "timer": airflow.timing}[row["type"]]
        call(row["name"], 7, tags=dict.fromkeys(row["name_variables"], "some"))
    airflow.statsd.close()


@pytest.mark.docker
@pytest.mark.timeout(300)
def test_prometheus_reads_its_file_and_finds_what_the_panels_ask_for(server: Server) -> None:
    server.inside("prometheus", "promtool", "check", "config", "/etc/prometheus/prometheus.yaml")
    names = {name for _, query in QUERIES for name in re.findall(r"\bairflow_\w+", query)}
    send(server, names)

    series = "http://127.0.0.1:9090/api/v1/series?match[]={job=%22airflow%22}"
    missing, deadline = names, time.monotonic() + 60
    while missing and time.monotonic() < deadline:
        time.sleep(1)
        answer = json.loads(server.inside("prometheus", "wget", "-qO-", series))
        found = {row["__name__"]: set(row) for row in answer["data"]}
        missing = names - found.keys()
    assert missing == set(), sorted(found)
    # The panels group by Prometheus's labels, which are Airflow's tags.
    for _, query in QUERIES:
        for labels, name in re.findall(r"by \(([^)]*)\) \(rate\((airflow_\w+)", query):
            assert set(labels.split(", ")) <= found[name]
