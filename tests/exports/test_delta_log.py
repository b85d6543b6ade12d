"""A folder is written to only if the export made all that is in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from include.exceptions import BadData, MillraceError, Misconfigured, Transient, Unauthorized
from include.exports.delta_log import DeltaLog, failures
from include.lake.client import Lake
from tests.support.delta import change_log
from tests.support.exports import Exported, orders
from tests.support.pipeline import day

URI = "file:///srv/warehouse/orders"


@pytest.fixture
def shop(tmp_path: Path, lake: Lake) -> Exported:
    """A table with a commit that is exported, and one that is not yet."""
    made = Exported(lake, tmp_path)
    made.put({0: orders(0), 1: orders(1)})
    made.export()
    made.put({1: orders(1, first=50), 2: orders(2)})
    return made


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def rows(number: int) -> pa.Table:
    made = orders(number)
    return made.append_column("dt", pa.array([day(number)] * len(made)))


CHANGES: dict[str, Callable[[DeltaTable], Any]] = {
    "WRITE": lambda table: write_deltalake(table, rows(5), mode="append"),
    "DELETE": lambda table: table.delete("id = 1"),
    "UPDATE": lambda table: table.update({"id": "7"}, predicate="id = 1"),
    "RESTORE": lambda table: table.restore(0),
    "SET TBLPROPERTIES": lambda table: table.alter.set_table_properties({"delta.appendOnly": "true"}),
}


@pytest.mark.parametrize("operation", CHANGES)
def test_what_somebody_else_changed_is_not_overwritten(shop: Exported, operation: str) -> None:
    if operation == "RESTORE":
        shop.export()
    CHANGES[operation](shop.delta())
    shop.put({3: orders(3)})
    before, version = files(shop.folder), shop.delta().version()
    with pytest.raises(Misconfigured) as error:
        shop.export()
    message = str(error.value)
    assert f"version {version} of {shop.uri!r} was written by somebody else ({operation!r})" in message
    assert "nothing is overwritten; export to a folder that is empty" in message
    assert files(shop.folder) == before


def test_upkeep_by_others_changes_no_row_so_the_export_goes_on(shop: Exported) -> None:
    table = shop.delta()
    table.optimize.z_order(["id"])
    table.optimize.compact()
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    done = shop.export()
    assert [entry["operation"] for entry in shop.delta().history()[1:4]] == [
        "VACUUM END",
        "VACUUM START",
        "OPTIMIZE",
    ]
    assert (done.versions, shop.rows()) == (1, shop.lake_rows("main"))
    shop.delta().create_checkpoint()
    shop.put({0: None})
    shop.export()
    assert shop.rows() == shop.lake_rows("main")


def test_the_commit_is_found_below_any_number_of_versions_of_upkeep(shop: Exported) -> None:
    for _ in range(12):
        shop.delta().optimize.z_order(["id"])
    shop.export()
    assert shop.rows() == shop.lake_rows("main")


def test_a_log_without_the_last_commit_is_refused(shop: Exported) -> None:
    shop.delta().optimize.z_order(["id"])
    shop.delta().create_checkpoint()
    (shop.folder / "_delta_log" / f"{0:020}.json").unlink()
    with pytest.raises(
        Misconfigured, match=r"names no commit of the lake: .* or what the last export logged"
    ):
        shop.export()


def test_a_table_that_somebody_else_made_is_refused(tmp_path: Path, lake: Lake) -> None:
    shop = Exported(lake, tmp_path)
    shop.put({0: orders(0)})
    write_deltalake(shop.uri, rows(9), partition_by=["dt"])
    before = files(shop.folder)
    with pytest.raises(Misconfigured, match=r"version 0 of .* was written by somebody else"):
        shop.export()
    assert files(shop.folder) == before


@pytest.mark.parametrize("name", ["orders.csv", "dt=2024-03-01/part-0.parquet", ".hidden/a"])
def test_a_folder_with_something_else_is_refused(tmp_path: Path, lake: Lake, name: str) -> None:
    shop = Exported(lake, tmp_path)
    shop.put({0: orders(0)})
    (shop.folder / name).parent.mkdir(parents=True)
    (shop.folder / name).write_text("somebody's")
    with pytest.raises(Misconfigured, match=r"is not a Delta Lake table, and not empty: .* is in it"):
        shop.export()
    assert list(files(shop.folder)) == [str(shop.folder / name)]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path, lake: Lake) -> None:
    shop = Exported(lake, tmp_path)
    shop.put({0: orders(0)})
    shop.folder.write_text("somebody's")
    with pytest.raises(Misconfigured, match="is a file, not a folder"):
        shop.export()


def test_a_folder_whose_disk_may_not_be_there_is_not_made(tmp_path: Path, lake: Lake) -> None:
    uri = (tmp_path / "disk/warehouse").as_uri()
    shop = Exported(lake, tmp_path, sections={"exports": {"delta": {"uri": uri}}})
    shop.put({0: orders(0)})
    with pytest.raises(Misconfigured, match=r"cannot be created: there is no folder .*/disk'; create it"):
        shop.export()
    assert not (tmp_path / "disk").exists()


@pytest.mark.parametrize("changed", ["repository", "branch", "table"])
def test_the_export_of_another_table_is_refused(shop: Exported, changed: str) -> None:
    change_log(shop.folder, 0, lambda action: _set(action, f"millrace.{changed}", "other"))
    with pytest.raises(Misconfigured, match=r"is the export of table .*'other'.*; name another folder"):
        shop.export()


def _set(action: dict[str, Any], key: str, value: str) -> None:
    if found := action.get("commitInfo"):
        found[key] = value


def test_a_damaged_log_is_refused(shop: Exported) -> None:
    (shop.folder / "_delta_log" / f"{0:020}.json").write_text('{"metaData": {"id": "secret')
    with pytest.raises(BadData, match="its log is damaged") as error:
        shop.export()
    assert "secret" not in str(error.value)


def test_a_name_with_a_blank_is_the_folder_of_that_name(tmp_path: Path, lake: Lake) -> None:
    uri = f"file://{tmp_path}/ware house"
    shop = Exported(lake, tmp_path, sections={"exports": {"delta": {"uri": uri}}})
    shop.put({0: orders(0)})
    shop.export()
    assert (tmp_path / "ware house/_delta_log").is_dir()
    assert len(DeltaTable(str(tmp_path / "ware house")).file_uris()) == 1


FAILURES: list[tuple[str, Exception, type[MillraceError], str]] = [
    (URI, PermissionError(13, "Permission denied"), Unauthorized, "may not be written or read by this user"),
    ("s3://bucket/orders", OSError("403 Forbidden <Code>AccessDenied"), Unauthorized, "the credentials"),
    (URI, OSError(30, "Read-only file system"), Unauthorized, "correct its permissions"),
    (URI, OSError(28, "No space left on device"), Transient, "the disk of .* is full"),
    ("s3://bucket/orders", OSError("error sending request"), Transient, "its storage does not answer"),
    (URI, pa.ArrowInvalid("secret"), BadData, "its log is damaged"),
]


@pytest.mark.parametrize(("uri", "raised", "kind", "message"), FAILURES)
def test_failures_of_the_folder_are_told_apart(
    uri: str, raised: Exception, kind: type[MillraceError], message: str
) -> None:
    with pytest.raises(kind, match=message) as error, failures(uri):
        raise raised
    assert "secret" not in str(error.value)


def test_a_look_at_a_folder_writes_nothing(tmp_path: Path) -> None:
    found = DeltaLog.open((tmp_path / "warehouse").as_uri(), ("orders", "main", "orders"))
    assert (found.version, found.commit(), found.types()) == (None, None, {})
    assert list(files(tmp_path)) == []
