"""The section `columns`: what it may say, and how it fits the rest of a contract."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from include.contract import loader
from include.contract.checks import named_columns
from include.contract.columns import Column
from include.exceptions import PipelineInvalid
from tests.support.pipeline import write_pipeline


def faults(tmp_path: Path, **changes: Any) -> list[str]:
    found = loader.read(write_pipeline(tmp_path, **changes))
    return [f"{path}: {text}" for path, text in found.faults] if isinstance(found, PipelineInvalid) else []


def test_a_type_alone_is_a_column_of_that_type(tmp_path: Path) -> None:
    columns = {"id": "integer", "price": {"type": "decimal(12, 2)", "from": "Price (EUR)"}}
    assert loader.load(write_pipeline(tmp_path, columns=columns)).columns == {
        "id": Column(type="integer"),
        "price": Column(type="decimal(12,2)", **{"from": "Price (EUR)"}),
    }


def test_the_first_days_of_columns_that_begin_late_are_together(tmp_path: Path) -> None:
    columns = {"amount": {"type": "float", "since": "2024-03-02"}, "id": "integer"}
    assert loader.load(write_pipeline(tmp_path, columns=columns)).since == {"amount": date(2024, 3, 2)}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"id": "int"}, "columns.id.type: 'int' is not a type"),
    ({"id": "flaot"}, "columns.id.type: 'flaot' is not a type; did you mean 'float'?"),
    (
        {"id": {"type": "decimal(39,2)"}},
        "'decimal(39,2)' is not valid; a decimal has 1 to 38",
    ),
    ({"id": {"type": "decimal(4,5)"}}, "columns.id.type: 'decimal(4,5)' is not valid"),
    ({"id": 7}, "columns.id: 7 is not a column; write its type, or keys such as 'type: integer'"),
    (
        {"id": {"type": "integer", "form": "x"}},
        "columns.id.form: is not a known key; did you mean 'format'? allowed: format, from, null",
    ),
    ({"id": {"type": "integer", "format": "%d"}}, "columns.id: format is for date, timestamp, timestamptz"),
    ({"at": {"type": "timestamp", "format": "epoch_s"}}, "'epoch_s' is an instant; write type 'timestamptz'"),
    ({"at": {"type": "timestamptz", "format": "%d.%m.%Y"}}, "has no offset from UTC; add '%z', or write"),
    (
        {"at": {"type": "date", "format": "DD.MM.YYYY"}},
        "'DD.MM.YYYY' has no part of a time",
    ),
    ({"at": {"type": "date", "format": "%e.%m.%Y"}}, "'e' is a bad directive in format '%e.%m.%Y'"),
    ({"at": {"type": "timestamp", "format": "%H:%M:%S.%f"}}, "only ISO 8601 may have one"),
    ({"a": {"type": "float", "from": "b"}, "b": "float"}, "are both made of the source's column 'b'"),
    ({"prediction": "float"}, "columns.prediction: 'prediction' is the name of the model's predictions"),
    (
        {"amount": "string"},
        "'amount' is 'string' by columns.amount; it has to be boolean, decimal",
    ),
    ({"returned": "timestamp"}, "model.target: 'returned' is 'timestamp' by columns.returned"),
    ({"time": {"type": "integer"}}, "source.partition_by: 'time' is 'integer' by columns.time; it has to be"),
    (
        {"time": {"type": "timestamp", "since": "2024-03-01"}},
        "columns.time.since: is for features",
    ),
]


@pytest.mark.parametrize(("columns", "message"), WRONG, ids=[str(columns) for columns, _ in WRONG])
def test_a_wrong_column_is_refused_with_its_key_and_what_is_allowed(
    tmp_path: Path, columns: dict[str, Any], message: str
) -> None:
    assert any(message in fault for fault in faults(tmp_path, columns=columns))


def test_a_column_that_is_dropped_cannot_be_declared(tmp_path: Path) -> None:
    columns = {"mail": {"type": "string", "from": "email"}}
    assert faults(tmp_path, columns=columns, privacy={"drop": ["email"]}) == [
        "columns.mail: 'email' is dropped by privacy.drop; name another column, or keep it"
    ]


def test_a_declared_column_may_be_a_slice(tmp_path: Path) -> None:
    assert faults(tmp_path, gate={"slices": {"column": "region"}}) != []
    assert faults(tmp_path / "b", columns={"region": "string"}, gate={"slices": {"column": "region"}}) == []


@pytest.mark.parametrize(
    ("names", "columns", "expected"),
    [
        (["a"], {}, ["source.csv.columns: lacks 'time' (partition_by); name all columns of the file"]),
        (["when"], {"time": {"type": "timestamp", "from": "when"}}, []),
        (
            ["time"],
            {"time": {"type": "timestamp", "from": "when"}},
            ["source.csv.columns: lacks 'when' (partition_by); name all columns of the file"],
        ),
    ],
    ids=["lacking", "renamed", "named as in the table"],
)
def test_the_names_of_a_file_without_a_header_have_the_time(
    tmp_path: Path, names: list[str], columns: dict[str, Any], expected: list[str]
) -> None:
    assert faults(tmp_path, source={"csv": {"columns": names}}, columns=columns) == expected
    workbook = {"reader": "excel", "uri": "orders.xlsx", "excel": {"columns": names}}
    assert faults(tmp_path / "b", source=workbook, columns=columns) == [
        fault.replace("source.csv", "source.excel") for fault in expected
    ]


def test_the_columns_that_a_contract_names_are_those_of_all_its_sections_and_of_its_suite(
    tmp_path: Path,
) -> None:
    folder = write_pipeline(tmp_path, columns={"new": "float"}, monitoring={"fairness": {"column": "kind"}})
    named = named_columns(loader.load(folder).feed(), folder)
    assert named == {"time", "id", "amount", "kind", "returned", "new"}
