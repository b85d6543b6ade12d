"""The types of the contract, and the JSON Schema that editors check a pipeline.yaml with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter, ValidationError

from include.contract import loader, schema
from include.contract.pipeline import Pipeline
from include.contract.types import Cron, Days, Duration, written
from include.settings import settings
from tests.support.pipeline import CONTRACT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", timedelta(seconds=30)),
        ("5m", timedelta(minutes=5)),
        ("1h", timedelta(hours=1)),
        ("90d", timedelta(days=90)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, expected: timedelta) -> None:
    assert TypeAdapter(Duration).validate_python(text) == expected


@pytest.mark.parametrize("text", ["", "d", "5", 5, "-1d", "0h", "1.5h", "1 d", "1y", "1d2h", None])
def test_anything_else_is_no_duration(text: object) -> None:
    with pytest.raises(
        ValidationError, match="is not a valid duration; write a whole number and s, m, h, d or w"
    ):
        TypeAdapter(Duration).validate_python(text)


@pytest.mark.parametrize(("text", "days"), [("48h", 2), ("1d", 1), ("1440m", 1)])
def test_days_are_whole(text: str, days: int) -> None:
    assert TypeAdapter(Days).validate_python(text) == timedelta(days=days)
    with pytest.raises(ValidationError, match="is not a whole number of days"):
        TypeAdapter(Days).validate_python(f"{days * 24 + 1}h")


@pytest.mark.parametrize("text", ["@daily", "0 2 * * *", "*/15 8-18 * * MON-FRI"])
def test_a_cron_expression_stays_as_it_is_written(text: str) -> None:
    assert TypeAdapter(Cron).validate_python(text) == text


@pytest.mark.parametrize("text", ["", "daily", "0 25 * * *", "0 2 * *"])
def test_anything_else_is_no_cron_expression(text: str) -> None:
    with pytest.raises(ValidationError, match="is not a cron expression; write five fields or a preset"):
        TypeAdapter(Cron).validate_python(text)


def test_what_can_never_happen_is_refused() -> None:
    with pytest.raises(ValidationError, match="'0 2 30 2 \\*' is never due; write a date that exists"):
        TypeAdapter(Cron).validate_python("0 2 30 2 *")
    with pytest.raises(ValidationError, match="69999993 days are more than 36525"):
        TypeAdapter(Days).validate_python("9999999w")
    with pytest.raises(ValidationError, match="is not a valid duration"):
        TypeAdapter(Days).validate_python("9999999999d")
    with pytest.raises(ValidationError, match="at most 100 characters"):
        Pipeline.model_validate({**CONTRACT, "tags": ["x" * 101]})


def test_a_contract_cannot_be_changed_once_it_is_read() -> None:
    spec = Pipeline.model_validate(CONTRACT)
    with pytest.raises(ValidationError, match="Instance is frozen"):
        spec.model.seed = 8  # type: ignore[misc]
    assert hash(spec.source) == hash(Pipeline.model_validate(CONTRACT).source)


def faults(contract: dict[str, Any]) -> list[str]:
    """What an editor would underline."""
    known = json.loads(schema.schema())
    return sorted("/".join(map(str, e.path)) for e in Draft202012Validator(known).iter_errors(contract))


def defaults(found: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    """Each part of a schema with its default, where it has one."""
    if isinstance(found, dict):
        if "default" in found:
            yield found, found["default"]
        yield from (pair for key, one in found.items() if key != "default" for pair in defaults(one))
    elif isinstance(found, list):
        yield from (pair for one in found for pair in defaults(one))


def test_every_default_that_the_schema_shows_is_one_that_it_accepts() -> None:
    known = json.loads(schema.schema())
    shown = list(defaults(known))
    assert len(shown) > 60
    for part, default in shown:
        Draft202012Validator({**part, "$defs": known["$defs"]}).validate(default)
    training = known["$defs"]["Training"]["properties"]
    assert [training[key]["default"] for key in ("window", "timeout")] == ["90d", "1h"]
    assert known["$defs"]["Monitoring"]["properties"]["retrain"]["default"]["cooldown"] == "3d"


@pytest.mark.parametrize("text", ["1s", "90s", "5m", "36h", "14d"])
def test_a_duration_is_written_as_it_is_read(text: str) -> None:
    assert written(TypeAdapter(Duration).validate_python(text)) == text


def test_the_schema_accepts_each_shipped_pipeline() -> None:
    for name in loader.names(settings().pipelines):
        file: Path = settings().pipelines / name / "pipeline.yaml"
        assert faults(yaml.safe_load(file.read_text())) == [], name


def test_the_schema_underlines_what_the_contract_refuses() -> None:
    broken = {
        **CONTRACT,
        "onwer": "shop",
        "source": {**CONTRACT["source"], "reader": "access"},
        "training": {"window": "soon"},
        "monitoring": {"drift": {"share": 2}},
    }
    assert faults(broken) == ["", "monitoring/drift/share", "source/reader", "training/window"]
