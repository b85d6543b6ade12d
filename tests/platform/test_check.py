"""A dry run finds what would stop a pipeline, and says nothing of one that would run."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Mapping
from datetime import time
from pathlib import Path
from typing import Any

import pytest

from include.exceptions import Misconfigured
from include.platform.check import Finding, check, main
from include.platform.source_urls import url_of
from include.settings import Settings
from tests.support import delta
from tests.support.pipeline import SUITE, Row, day, orders, write_csv, write_parquet, write_pipeline
from tests.support.workbooks import table, write_xlsx

MODEL = """
from sklearn.linear_model import LogisticRegression
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder


def build(model):
    encode = make_column_transformer((OneHotEncoder(), ["kind"]), remainder="passthrough")
    return make_pipeline(encode, LogisticRegression(**model.params))
"""


def pipeline(parent: Path, rows: list[Row] | None = None, code: str = MODEL, **changes: Any) -> Path:
    """Return the folder of a pipeline with 60 days of orders."""
    folder = write_pipeline(parent, **changes)
    (folder / "model.py").write_text(code)
    write_csv(folder / "orders.csv", orders(*range(60)) if rows is None else rows)
    return folder


def run(folder: Path, first: int = 0, last: int = 59) -> list[Finding]:
    return list(check(folder, day(first), day(last)))


def faults(found: list[Finding]) -> list[str]:
    return [f"{one.step}: {one.seen}: {one.fault}" for one in found if one.fault]


def test_a_pipeline_that_would_run_has_no_faults(tmp_path: Path) -> None:
    found = run(pipeline(tmp_path))

    assert faults(found) == []
    assert [one.step for one in found] == ["contract", "source", "expectations.yaml", "model"]
    assert found[1].seen == "240 rows in 60 of 60 day(s), 5 columns"
    assert found[2].seen == "7 of 7 expectations passed"
    assert found[3].seen.startswith("Pipeline, fitted on 240 rows in ")


def test_what_is_left_out_and_what_loses_digits_is_shown(tmp_path: Path) -> None:
    rows = [{**row, "id": 2**60 + number} for number, row in enumerate(orders(*range(60)))]
    undated, late = {**rows[0], "time": None}, {**rows[0], "time": "2023-01-01"}
    features = {"numerical": ["amount", "id"]}
    source = {"uri": "{dt:%Y}.csv", "late": "drop", "invalid_time": "drop"}
    folder = pipeline(
        tmp_path, model={"target": "returned", "time": "time", "features": features}, source=source
    )
    (folder / "model.py").write_text(MODEL.replace('(OneHotEncoder(), ["kind"])', '("drop", ["id"])'))
    write_csv(folder / "2024.csv", [*rows, undated, late])

    found = run(folder)

    assert faults(found) == []
    assert Finding("source", "left out: 1 late, 1 undated row(s)") in found
    assert Finding("model", "'id' holds 240 whole numbers that are too long for float64") in found


def write_lines(file: Path, rows: list[Row]) -> None:
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def write_workbook(file: Path, rows: list[Row]) -> None:
    write_xlsx(file, {"Orders": table(rows)})


WRITERS: dict[str, Callable[[Path, list[Row]], object]] = {
    "parquet": write_parquet,
    "jsonl": write_lines,
    "excel": write_workbook,
    "delta": delta.append,
}


@pytest.mark.parametrize("reader", WRITERS)
def test_rows_of_any_reader_are_checked(tmp_path: Path, reader: str) -> None:
    folder = pipeline(tmp_path, source={"reader": reader, "uri": "source"})
    WRITERS[reader](folder / "source", orders(*range(60)))
    found = run(folder)
    assert faults(found) == []
    assert found[1].seen == "240 rows in 60 of 60 day(s), 5 columns"


def test_nothing_is_written_into_the_folder(tmp_path: Path) -> None:
    folder = pipeline(tmp_path)
    before = sorted(folder.iterdir())

    run(folder)

    assert [path for path in sorted(folder.iterdir()) if path.name != "__pycache__"] == before


_ROWS = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "rows", "min_value": 9}}
BROKEN: Mapping[str, tuple[dict[str, Any], str]] = {
    "contract": ({"gate": {"minimun": 1}}, r"contract: gate.minimun: .*is not a known key"),
    "suite": ({"suite": {"rows": []}}, r"expectations.yaml: partitions: "),
    "source": (
        {"source": {"uri": "nothing.csv"}},
        r"source: not read: 'nothing.csv' does not exist; provide",
    ),
    "feature": (
        {"model": {"features": {"numerical": ["amonut"]}}},
        r"model: the source has no column 'amonut': did you mean 'amount'\? correct model.features",
    ),
    "type": (
        {"model": {"features": {"numerical": ["kind"]}}},
        r"model: failed: column 'kind' is not numeric: 240 of 240 values",
    ),
    "params": ({"model": {"params": {"D": "much"}}}, r"model: failed: .*model.py"),
    "rule": (
        {"suite": {"partitions": [_ROWS], "rows": []}},
        r"expectations.yaml: rows: expect_column_values_to_be_between .* failed .*: correct the source",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_would_stop_it_is_named(tmp_path: Path, kind: str) -> None:
    changes, message = BROKEN[kind]

    [fault] = faults(run(pipeline(tmp_path, **changes)))

    assert re.search(message, fault)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("def build(:", "model.py: line 1: is not valid Python"),
        ("def build(model):\n    raise ValueError('why')", "model.py:2 in 'build'"),
        ("def build(model):\n    return 7", "returned a int without fit and predict_proba"),
        (MODEL.replace("OneHotEncoder()", "lambda x: x"), "model: failed: "),
        (MODEL + "\nTRUSTED_TYPES = 7", "TRUSTED_TYPES of "),
    ],
    ids=["syntax", "raises", "no estimator", "a lambda", "trusted types"],
)
def test_what_is_wrong_with_a_model_is_named(tmp_path: Path, model: str, message: str) -> None:
    found = faults(run(pipeline(tmp_path, code=model)))

    assert len(found) == 1
    assert message in found[0]


def test_without_rows_it_asks_for_other_days(tmp_path: Path) -> None:
    found = run(pipeline(tmp_path), 90, 91)

    assert (
        "source: no rows from 2024-05-30 to 2024-05-31: choose days that the source has" in faults(found)[0]
    )


def test_few_rows_are_no_fault(tmp_path: Path) -> None:
    found = run(pipeline(tmp_path), 0, 1)

    assert faults(found) == []
    assert found[-1].seen == (
        "Pipeline, not fitted: 8 rows with a target, and 100 of both classes are needed; choose more days"
    )


def test_a_query_is_run_with_the_url_of_its_connection(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE orders (time TEXT, id INT, amount REAL, kind TEXT, returned INT)")
        rows = [tuple(row.values()) for row in orders(*range(60))]
        database.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", rows)
    query = "SELECT * FROM orders WHERE time >= :start AND time < :end"
    source = {"reader": "sql", "conn_id": "shop", "query": query, "uri": None}
    folder = pipeline(tmp_path, source=source)

    found = list(check(folder, day(0), day(59), sql_url=lambda name: f"sqlite:///{tmp_path}/{name}.db"))

    assert faults(found) == []


def test_the_connection_is_that_of_airflow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", '{"conn_type": "postgres", "host": "db", "schema": "shop"}')

    assert url_of("shop") == "postgresql+psycopg2://db/shop"


def test_a_connection_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path}/none.db")

    monkeypatch.setattr("include.platform.source_urls.settings", lambda: Settings(var=tmp_path / "var"))

    with pytest.raises(Misconfigured, match=r"connection 'nobody' of source.conn_id: .*run `make up` first"):
        url_of("nobody")


def test_what_airflow_logs_is_no_part_of_the_url(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of a password of less than five characters it warns on the standard output."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", "postgres://me:abc@db/shop")

    assert url_of("shop") == "postgresql+psycopg2://me:abc@db/shop"


def test_the_command_prints_a_table_and_fails_where_there_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("include.platform.check.settings", lambda: Settings(pipelines=tmp_path))
    pipeline(tmp_path)
    days = ["--from", str(day(0)), "--to", str(day(59))]

    assert main(["orders", *days]) == 0
    assert "nothing would stop it" in capsys.readouterr().out
    (tmp_path / "orders" / "expectations.yaml").write_text("rows: []")
    assert main(["orders", *days]) == 1
    assert "1 fault(s)" in capsys.readouterr().out
    with pytest.raises(Misconfigured, match=r"no pipeline 'order': did you mean 'orders'\? PIPELINE is"):
        main(["order"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--from", "2024-02-30"], "'2024-02-30' is not a day from 1900-01-01 to "),
        (["--to", "0001-01-01"], "'0001-01-01' is not a day from 1900-01-01 to "),
    ],
)
def test_what_is_no_day_is_named(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["orders", *options])
    assert message in capsys.readouterr().err


def test_days_in_the_wrong_order_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        Misconfigured, match="--from 2024-03-06 is after --to 2024-03-03; set the earlier day"
    ):
        run(pipeline(tmp_path), 5, 2)


def test_columns_that_the_contract_names_are_kept_as_in_a_load(tmp_path: Path) -> None:
    rows = [{**row, "note": "x"} for row in orders(*range(60))]
    found = run(pipeline(tmp_path, rows, source={"extra": "drop"}))
    assert faults(found) == []
    assert found[1].seen == "240 rows in 60 of 60 day(s), 5 columns"


def test_a_column_to_hash_needs_no_secret_in_a_dry_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{**row, "email": f"MARKED-{row['id']}"} for row in orders(*range(60))]
    suite = {
        "partitions": SUITE["partitions"],
        "rows": [
            {"type": "expect_column_value_lengths_to_equal", "kwargs": {"column": "email", "value": 64}},
            {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "email", "regex": "MARKED"}},
        ],
    }
    hashed: dict[str, Any] = {"columns": {"email": "string"}, "privacy": {"hash": ["email"]}}
    found = run(pipeline(tmp_path, rows, suite=suite, **hashed))

    [fault] = faults(found)
    assert "240 of 240" in fault
    assert "regex" in fault
    assert "MARKED-" not in f"{found} {capsys.readouterr()}"


def test_a_column_that_the_export_cannot_hold_is_named(tmp_path: Path) -> None:
    rows = [{**row, "at": time(5, 30)} for row in orders(*range(3))]
    source, exports = (
        {"reader": "parquet", "uri": "orders.parquet"},
        {"delta": {"uri": "s3://warehouse/orders"}},
    )
    folder = pipeline(tmp_path, source=source, exports=exports)
    write_parquet(folder / "orders.parquet", rows)
    found = faults(run(folder, last=2))
    expected = "exports.delta: not written: column 'at' is 'time64[us]', which a Delta Lake table cannot hold"
    assert any(one.startswith(expected) for one in found), found
