"""Columns of `privacy.hash`: no value reaches the lake by any way, and a table never holds both kinds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from pydantic import SecretStr
from sqlalchemy import create_engine

from include.exceptions import BadData, Conflict, Misconfigured
from include.ingestion.agree import check_types
from include.ingestion.evolve import evolve
from include.ingestion.hashing import Hasher
from include.ingestion.load import load
from include.lake.client import Lake
from include.run_identity import RunIdentity
from include.settings import PrivacyGroup, Settings
from include.tracking.server import TrackingServer
from tests.support.ingest import BRANCH, IngestRun
from tests.support.pipeline import day, orders, write_csv, write_pipeline
from tests.support.workbooks import write_xlsx

SECRET, OTHER = "a" * 32, "b" * 32
MAIL = "MARKED-7f3a9@example.com"
COLUMNS: dict[str, Any] = {"email": {"type": "string", "null_values": ["-"]}, "id": "integer"}
HASHED: dict[str, Any] = {"columns": COLUMNS, "privacy": {"hash": ["email", "id"]}}
Shop = Callable[..., IngestRun]


def rows(*days: int) -> list[dict[str, Any]]:
    mails = [MAIL, "-", f"x{MAIL}", MAIL]
    return [{**row, "email": mail} for row, mail in zip(orders(*days), mails * len(days), strict=True)]


def hashed(*values: Any, secret: str = SECRET) -> list[str | None]:
    found = Hasher.of(SecretStr(secret)).hash(pa.array(values), "")
    return list(found.values.to_pylist())


def use(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    found = Settings(privacy=PrivacyGroup(secret=SecretStr(secret)))
    monkeypatch.setattr("include.ingestion.columns.settings", lambda: found)


@pytest.fixture
def shop(tmp_path: Path, lake: Lake, tracking: TrackingServer, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Make a run of a pipeline whose contract has the given sections; all have the same table."""
    use(monkeypatch, SECRET)

    def make(**sections: Any) -> IngestRun:
        run = IngestRun(write_pipeline(tmp_path / uuid4().hex[:6], **sections), lake, tracking)
        write_csv(run.folder / "orders.csv", rows(0, 1))
        return run

    return make


@pytest.fixture
def table(shop: Shop) -> IngestRun:
    """A table on main with two days, hashed."""
    run = shop(**HASHED)
    run.load(0, 1)
    run.publish()
    return run


@pytest.fixture
def raw(shop: Shop) -> IngestRun:
    """A table on main with two days, as they are."""
    run = shop(columns=COLUMNS)
    run.load(0, 1)
    run.publish()
    return run


def column(run: IngestRun, name: str, ref: str = BRANCH) -> list[Any]:
    return [
        value
        for _, found in run.table.partitions(ref, day(0), day(1))
        for value in found.column(name).to_pylist()
    ]


WRITERS: dict[str, tuple[dict[str, Any], Callable[[Path, pd.DataFrame], Any]]] = {
    "csv": ({}, lambda file, frame: frame.to_csv(file, index=False)),
    "parquet": ({"reader": "parquet"}, lambda file, frame: frame.to_parquet(file)),
    "jsonl": ({"reader": "jsonl"}, lambda file, frame: frame.to_json(file, orient="records", lines=True)),
    "excel": (
        {"reader": "excel"},
        lambda file, frame: write_xlsx(file, {"a": [list(frame), *frame.values.tolist()]}),
    ),
    "delta": ({"reader": "delta"}, lambda file, frame: write_deltalake(str(file), frame)),
    "sql": (
        {
            "reader": "sql",
            "uri": None,
            "conn_id": "shop",
            "query": "select * from orders where :start < :end",
        },
        lambda file, frame: frame.to_sql("orders", create_engine(f"sqlite:///{file}"), index=False),
    ),
}


@pytest.mark.parametrize("reader", sorted(WRITERS))
def test_every_reader_gives_the_same_hashes_and_no_value(shop: Shop, reader: str) -> None:
    source, write = WRITERS[reader]
    run = shop(source=source, **HASHED)
    (run.folder / "orders.csv").unlink()
    write(run.folder / "orders.csv", pd.DataFrame(rows(0)))
    run.lake.create_branch(BRANCH, "main")
    load(run.ingestion(0), sql_url=f"sqlite:///{run.folder / 'orders.csv'}")
    assert column(run, "email") == hashed(MAIL, None, f"x{MAIL}", MAIL)
    assert column(run, "id") == hashed(0, 1, 2, 3) == hashed("0", "1", "2", "3")
    for item in run.lake.list_objects(BRANCH):
        content = run.lake.download(BRANCH, item.path)
        if item.path.endswith(".parquet"):
            content = json.dumps(pq.read_table(pa.BufferReader(content)).to_pylist(), default=str).encode()
        assert b"MARKED" not in content


def test_a_function_of_the_pipeline_may_hold_the_values_in_any_type(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
import pyarrow as pa
def read(first, last):
    times = [f"{first} 05:00:00"] * 2
    for kind in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())):
        mails = pa.array(["MAIL", ""]).cast(kind)
        ids = pa.array([7, None], pa.uint8())
        yield pa.RecordBatch.from_pydict({"time": times, "email": mails, "id": ids})
"""
    run = shop(source={"reader": "python", "uri": None, "callable": "hashed_source:read"}, **HASHED)
    (run.folder / "hashed_source.py").write_text(code.replace("MAIL", MAIL))
    monkeypatch.syspath_prepend(run.folder)
    run.load(0)
    assert column(run, "email") == hashed(MAIL, None) * 3
    assert column(run, "id") == hashed("7", None) * 3


def test_a_renamed_column_is_hashed_under_its_name_in_the_table(shop: Shop) -> None:
    run = shop(columns={"person": {"type": "string", "from": "email"}}, privacy={"hash": ["person"]})
    run.load(0)
    assert column(run, "person") == hashed(MAIL, "-", f"x{MAIL}", MAIL)
    schema = run.table.schema(BRANCH)
    assert schema is not None
    assert sorted(schema.names) == ["amount", "id", "kind", "person", "returned", "time"]


def test_the_same_rows_give_the_same_parts_so_a_second_try_writes_nothing(table: IngestRun) -> None:
    before = table.lake.resolve("main")
    assert table.load(0, 1).written == 0
    assert table.lake.resolve(BRANCH) == before


def test_what_does_not_fit_is_counted_before_it_is_hashed(shop: Shop) -> None:
    run = shop(
        columns={"email": {"type": "string", "nullable": False, "null_values": ["-"]}, "id": "date"},
        privacy={"hash": ["email", "id"]},
    )
    with pytest.raises(BadData) as told:
        run.load(0, 1)
    assert "column 'id' does not fit date in 8 row(s), first in row 1" in str(told.value)
    assert "column 'email' is empty in 2 row(s), first in row 2" in str(told.value)
    assert "MARKED" not in str(told.value)


def test_rules_of_the_suite_see_the_hashes(shop: Shop) -> None:
    rules = [
        {"type": "expect_column_value_lengths_to_equal", "kwargs": {"column": "email", "value": 64}},
        {
            "type": "expect_column_values_to_match_regex",
            "kwargs": {"column": "id", "regex": "^[0-9a-f]{64}$"},
        },
        {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "email"}},
    ]
    run = shop(suite={"partitions": [], "rows": rules}, **HASHED)
    suite = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "rows", "min_value": 1}}
    (run.folder / "expectations.yaml").write_text(json.dumps({"partitions": [suite], "rows": rules}))
    [reason] = run.faults(0)
    assert "column_values_to_be_unique" in reason.replace("expect_", "")
    assert str(hashed(MAIL)[0]) not in reason


def test_no_secret_fails_before_anything_is_read(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    run = shop(**HASHED)
    (run.folder / "orders.csv").unlink()
    use(monkeypatch, "")
    with pytest.raises(
        Misconfigured, match=r"privacy.hash needs the secret of this deployment, and MILLRACE_P"
    ):
        run.load(0)


def test_another_secret_is_found_at_once(table: IngestRun, monkeypatch: pytest.MonkeyPatch) -> None:
    (table.folder / "orders.csv").unlink()
    use(monkeypatch, OTHER)
    one, other = (Hasher.of(SecretStr(text)).fingerprint for text in (SECRET, OTHER))
    with pytest.raises(
        Misconfigured,
        match=r"privacy.hash: the table holds hashes of column 'email' by another secret than "
        rf"MILLRACE_PRIVACY_SECRET \(their fingerprints are {one} and {other}\); set the secret of",
    ):
        table.load(0)


@pytest.mark.parametrize("columns", [COLUMNS, {}], ids=["declared", "undeclared"])
def test_values_never_come_beside_hashes(shop: Shop, table: IngestRun, columns: dict[str, Any]) -> None:
    before = table.lake.resolve("main")
    run = shop(columns=columns)
    with pytest.raises(Misconfigured, match=r"holds hashes of column '(email|id)', and values would stand"):
        run.load(0, 1)
    assert run.lake.resolve(BRANCH) == before
    with pytest.raises(Misconfigured, match=r"values would stand beside them; name it under privacy.hash ag"):
        evolve(shop(columns=COLUMNS).pipeline.feed(), run.table, run=run.run)


def test_a_hashed_column_may_be_dropped_from_some_day_on(shop: Shop, table: IngestRun) -> None:
    run = shop(columns={"id": "integer"}, privacy={"hash": ["id"], "drop": ["email"]})
    run.load(1)
    schema = run.table.schema(BRANCH)
    assert schema is not None
    assert schema.equals(table.table.schema("main"), check_metadata=True)


def test_hashes_of_another_type_are_not_mixed(shop: Shop, table: IngestRun) -> None:
    run = shop(columns={**COLUMNS, "id": "string"}, privacy=HASHED["privacy"])
    with pytest.raises(
        Misconfigured, match="hashes of column 'id' as integer, and the contract declares string"
    ):
        run.load(0)
    same = shop(columns={**COLUMNS, "id": "decimal(20,0)"}, privacy=HASHED["privacy"])
    assert same.load(0, 1).written == 0


def test_hashes_never_come_beside_values_until_evolve_has_hashed_all(shop: Shop, raw: IngestRun) -> None:
    run = shop(**HASHED)
    with pytest.raises(
        Misconfigured,
        match=r"the table holds the values of column 'email' as they are; run `make evolve PIPELINE=orders",
    ):
        run.load(0)
    done = evolve(run.pipeline.feed(), run.table, run=run.run)
    assert done.columns == {"email": ("string", "hash of string"), "id": ("integer", "hash of integer")}
    assert column(run, "email", "main") == hashed(MAIL, None, f"x{MAIL}", MAIL) * 2
    assert column(run, "id", "main") == hashed(0, 1, 2, 3, 100, 101, 102, 103)
    assert evolve(run.pipeline.feed(), run.table, run=run.run).commit is None
    run.lake.delete_branch(BRANCH)
    run.load(0, 1)
    assert column(run, "id") == column(run, "id", "main")


def test_a_load_from_before_evolve_is_not_published_after_it(shop: Shop, raw: IngestRun) -> None:
    late = shop(columns=COLUMNS)
    late.run = RunIdentity(dag_id="orders.ingest", run_id="late")
    late.load(0)
    run = shop(**HASHED)
    evolve(run.pipeline.feed(), run.table, run=run.run)
    with pytest.raises(
        Conflict, match="'email' of table 'orders' has become hash of string since this run loa"
    ):
        check_types(late.table, BRANCH, "main")


def test_of_two_first_loads_the_one_with_values_is_not_published(shop: Shop, monkeypatch: Any) -> None:
    values = shop(columns=COLUMNS)
    values.load(0)
    run = shop(**HASHED)
    run.lake.create_branch("other", "main")
    ingestion = run.ingestion(1)
    load(type(ingestion)(**{**vars(ingestion), "branch": "other"}))
    with pytest.raises(
        Conflict, match="has become hash of string since this run loaded, and is string in its"
    ):
        check_types(run.table, BRANCH, "other")


def test_a_table_that_lost_the_file_of_its_types_still_knows(shop: Shop, table: IngestRun) -> None:
    table.lake.delete_objects("main", [table.table.schema_path])
    table.lake.commit("main", "lost", {})
    kept = shop(**HASHED)
    assert kept.load(0, 1).written == 0
    kept.lake.delete_branch(BRANCH)
    with pytest.raises(
        Misconfigured, match="the table holds hashes of column 'email', and values would stand"
    ):
        shop(columns=COLUMNS).load(0)
