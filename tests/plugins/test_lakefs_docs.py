"""docs/lakefs.md and the action file agree with the code."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from include.settings import ROOT
from millrace import provider
from millrace.dags import retries
from millrace.operators import lakefs
from millrace.sensors import lakefs as sensors
from millrace.ui import lakefs_webhook
from tests.plugins.operators.test_templates import CASES

GUIDE = (ROOT / "docs/lakefs.md").read_text()
OPERATORS = set(lakefs.__all__) - {"LakeFSOperator"}


def test_the_guide_lists_every_operator_and_sensor() -> None:
    listed = set(re.findall(r"^\| `(LakeFS\w+)`", GUIDE, re.MULTILINE))
    waiting = {name for name in vars(sensors) if name.startswith("LakeFS") and name.endswith("Sensor")}
    assert listed == OPERATORS | waiting - {"LakeFSSensor"}


def test_every_operator_and_sensor_is_tried_with_templates() -> None:
    assert {case[0].__name__ for case in CASES} >= OPERATORS


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_an_operator_returns_the_same_in_the_guide_and_in_its_docstring(name: str) -> None:
    [result] = re.findall(rf"^\| `{name}` \| .* \| (?:`(.*)`)? ?\|$", GUIDE, re.MULTILINE)
    assert result in (getattr(lakefs, name).__doc__ or "")


@pytest.mark.parametrize("example", re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL))
def test_an_example_of_the_guide_runs(example: str) -> None:
    exec(example, {})


def test_the_guide_names_a_retry_policy_that_exists() -> None:
    [name] = re.findall(r"retry_policy=millrace\.dags\.retries\.(\w+)", GUIDE)
    assert hasattr(retries, name)


def test_the_guide_lists_every_field_of_the_connection() -> None:
    fields: Any = provider.LAKEFS["conn-fields"]
    listed = re.findall(
        r"^\| `(repository|verify_tls|ui_url|\w+)` \| (?:none|`true`|the host) \|", GUIDE, re.MULTILINE
    )
    assert listed == list(fields)


def test_the_action_file_calls_the_route_for_the_events_that_it_accepts() -> None:
    action = yaml.safe_load((ROOT / "docs/_lakefs_actions/airflow.yaml").read_text())
    events: Any = lakefs_webhook.LakeFSEvent.model_fields["event_type"].annotation
    [hook] = action["hooks"]
    assert set(action[True]) == set(events.__args__)  # YAML 1.1 reads the key `on` as true
    assert hook["type"] == "webhook"
    assert hook["properties"]["url"].endswith(
        "/millrace" + str(lakefs_webhook.app.url_path_for("lakefs_event"))
    )
    assert hook["properties"]["headers"] == {"Authorization": "Bearer {{ ENV.LAKEFSACTION_AIRFLOW_TOKEN }}"}
