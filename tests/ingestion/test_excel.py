"""Workbooks: cells become columns of one type, and what is unclear is named by sheet, column and count."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from include.contract.data import Source
from include.exceptions import BadData, FileMissing
from include.ingestion import excel
from include.ingestion.files import find
from tests.support.pipeline import orders
from tests.support.workbooks import XLS, Error, table, write_ods, write_xlsx

SECRET = "secret-7f3a9"
MORNING = datetime(2024, 3, 1, 5, 30, 15)
Cells = Sequence[Sequence[Any]]
Header = tuple[Cells, dict[str, Any], list[tuple[Any, ...]]]


def read(folder: Path, name: str = "orders.xlsx", required: str = "time", **options: Any) -> pa.Table:
    given = {"reader": "excel", "uri": name, "partition_by": required, "excel": options}
    source = Source.model_validate(given)
    return pa.concat_tables(
        [pa.Table.from_batches([batch]) for _, batch in excel.read(source, find(name, folder))],
        promote_options="none",
    )


def of(folder: Path, cells: Cells, **options: Any) -> pa.Table:
    write_xlsx(folder / "orders.xlsx", {"Data": cells})
    return read(folder, **options)


def fault(folder: Path, cells: Cells, **options: Any) -> str:
    with pytest.raises(BadData) as raised:
        of(folder, cells, **options)
    assert SECRET not in str(raised.value)
    return str(raised.value)


def as_times(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "time": datetime.fromisoformat(row["time"])} for row in rows]


def test_xlsx_ods_and_xls_give_the_same_rows(tmp_path: Path) -> None:
    rows = orders(0, count=2)
    write_xlsx(tmp_path / "orders.xlsx", {"Orders": table(rows)})
    write_ods(tmp_path / "orders.ods", {"Orders": table(rows)})
    (tmp_path / "orders.xls").write_bytes(XLS)
    assert read(tmp_path).to_pylist() == as_times(rows)
    assert read(tmp_path, "orders.ods").to_pylist() == as_times(rows)
    found = read(tmp_path, "orders.xls")
    assert found.slice(0, 2).to_pylist() == as_times(rows)
    assert found.slice(2).to_pylist() == [
        {"time": datetime(2024, 3, 2), "id": 100, "amount": None, "kind": None, "returned": None}
    ]


KINDS: dict[str, tuple[list[Any], pa.DataType, list[Any]]] = {
    "whole numbers": ([1, None, 2.0], pa.int64(), [1, None, 2]),
    "decimal numbers": ([1, 2.5, None], pa.float64(), [1.0, 2.5, None]),
    "large numbers": ([1e20, 1], pa.float64(), [1e20, 1.0]),
    "53 bits": ([2**53], pa.int64(), [2**53]),
    "text": (["01234", "x y", None], pa.string(), ["01234", "x y", None]),
    "truth": ([True, None, False], pa.bool_(), [True, None, False]),
    "times": (
        [MORNING, date(2024, 3, 1), datetime(2024, 3, 2)],
        pa.timestamp("us"),
        [MORNING, datetime(2024, 3, 1), datetime(2024, 3, 2)],
    ),
    "times of day": ([time(5, 6, 7), None], pa.time64("us"), [time(5, 6, 7), None]),
    "durations": ([timedelta(hours=30), None], pa.duration("us"), [timedelta(hours=30), None]),
    "errors": ([Error("#N/A"), 7, Error("#DIV/0!")], pa.int64(), [None, 7, None]),
    "nothing": ([None, None, Error("#REF!")], pa.null(), [None, None, None]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_has_the_type_of_its_cells(tmp_path: Path, kind: str) -> None:
    cells, wanted, values = KINDS[kind]
    found = of(tmp_path, [["id", "x"], *([number, cell] for number, cell in enumerate(cells))])
    assert found.schema == pa.schema({"id": pa.int64(), "x": wanted})
    assert found["x"].to_pylist() == values


def test_a_column_of_many_rows_has_one_type(tmp_path: Path) -> None:
    late: Cells = [["id", "x", "y"], *([number, number, None] for number in range(40_001)), [0, 0.5, "late"]]
    found = of(tmp_path, late)
    assert (len(found), found.schema.types) == (40_002, [pa.int64(), pa.float64(), pa.string()])
    assert found["x"].to_pylist() == [*map(float, range(40_001)), 0.5]
    assert found["y"].to_pylist() == [None] * 40_001 + ["late"]


def test_the_workbooks_of_a_day_have_one_type_a_column(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "a.xlsx", {"Data": [["x"], [1]]})
    write_xlsx(tmp_path / "b.xlsx", {"Data": [["x"], [1.5]]})
    assert read(tmp_path, "*.xlsx").to_pydict() == {"x": [1.0, 1.5]}
    write_xlsx(tmp_path / "c.xlsx", {"Data": [["x"], [SECRET]]})
    for required, column in (("x", "column 'x'"), ("time", "a column")):
        with pytest.raises(BadData) as raised:
            read(tmp_path, "*.xlsx", required)
        assert str(raised.value) == (
            f"'a.xlsx' … 'c.xlsx': {column} has no type that fits all 3 file(s); give it one type"
        )


NOTE = ["Report of March", None, None]
HEADERS: dict[str, Header] = {
    "rows that are empty": ([["a", "b"], [], [1, 2], [None, None], [3, None]], {}, [(1, 2), (3, None)]),
    "columns that are empty": ([["a", None, "b", None], [1, None, 2]], {}, [(1, 2)]),
    "a title above": ([NOTE, [], ["a", "b"], [1, 2]], {"header_row": 3}, [(1, 2)]),
    "an empty row above": ([[], ["a", "b"], [1, 2]], {"header_row": 2}, [(1, 2)]),
    "an empty column before": ([[None, "a", "b"], [None, 1, 2]], {}, [(1, 2)]),
    "a row of its own names": ([["A", "B"], [1, 2]], {"columns": ["a", "b"]}, [(1, 2)]),
    "no header": ([[1, 2], [3, 4]], {"header_row": None, "columns": ["a", "b"]}, [(1, 2), (3, 4)]),
    "no row": ([["a", "b"]], {}, []),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_a_table_is_found_where_the_contract_says(tmp_path: Path, kind: str) -> None:
    cells, options, rows = HEADERS[kind]
    found = of(tmp_path, cells, required="a", **options)
    assert found.schema.names == ["a", "b"]
    assert [tuple(row.values()) for row in found.to_pylist()] == rows


def test_a_header_of_years_has_names(tmp_path: Path) -> None:
    assert of(tmp_path, [["kind", 2023, 2024.0, True], ["x", 1, 2, 3]]).schema.names == [
        "kind",
        "2023",
        "2024",
        "True",
    ]


TWO: dict[str, Cells] = {"Data": [["id"], [1]], "Notes": [["id"], [2]], "Old": [["id"], [3]]}


def test_the_only_sheet_that_is_seen_or_the_one_that_is_named_is_read(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "orders.xlsx", TWO, hidden=["Notes", "Old"])
    assert read(tmp_path).to_pylist() == [{"id": 1}]
    assert read(tmp_path, sheet="Old").to_pylist() == [{"id": 3}]


WHOLE = "'orders.xlsx', sheet 'Data'"
FAULTS: dict[str, tuple[Cells, dict[str, Any], str]] = {
    "an empty sheet": ([], {}, f"{WHOLE} is empty; provide the file again, or correct source.excel.sheet"),
    "a title": (
        [NOTE, [], ["a", "b"], [SECRET, 2]],
        {},
        f"{WHOLE}: column B has 2 value(s) and no name; give each column one (of merged cells only the first "
        "has it), or set source.excel.header_row to the row of the names",
    ),
    "an empty row": (
        [[], [], ["a"], [1]],
        {},
        f"{WHOLE}: row 1 is empty, and the first row with cells is row 3; correct source.excel.header_row",
    ),
    "a row far below": (
        [["a"], [1]],
        {"header_row": 9},
        f"{WHOLE}: row 9 is empty, and the first row with cells is row 1; correct source.excel.header_row",
    ),
    "more columns than names": (
        [["time", "a", "b"]],
        {"columns": ["time", "a"]},
        f"{WHOLE} has 3 columns, and source.excel.columns names 2; name all columns of the sheet",
    ),
    "a name twice": (
        [["time", "a", "a"], [1, 2, 3]],
        {},
        f"{WHOLE}: row 1 names 'a' twice; give each column a name of its own, or correct "
        "source.excel.header_row",
    ),
    "values twice in what is not a header": (
        [[SECRET, SECRET, 1]],
        {},
        f"{WHOLE}: row 1 names 1 column(s) twice; give each column a name of its own, or correct "
        "source.excel.header_row",
    ),
    "mixed": (
        [["time", "zip"], [None, 4567], [None, SECRET], [None, 4568]],
        {},
        f"{WHOLE}: column 'zip' holds 2 number(s) and 1 text(s); give it one type",
    ),
    "a text among times": (
        [["time"], [MORNING], [date(2024, 3, 1)], [SECRET]],
        {},
        f"{WHOLE}: column 'time' holds 2 date(s) and 1 text(s); give it one type",
    ),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_what_is_unclear_is_named_by_sheet_column_and_count(tmp_path: Path, kind: str) -> None:
    cells, options, message = FAULTS[kind]
    assert fault(tmp_path, cells, **options) == message


def test_a_late_text_among_numbers_is_counted(tmp_path: Path) -> None:
    cells: Cells = [["time", "x"], *([None, number] for number in range(40_001)), [None, SECRET]]
    assert "column 'x' holds 40001 number(s) and 1 text(s)" in fault(tmp_path, cells)


def test_values_that_stand_where_names_should_are_not_quoted(tmp_path: Path) -> None:
    found = fault(tmp_path, [["id", SECRET], [1, "a"], [2, 3]])
    assert found == f"{WHOLE}: column B holds 1 text(s) and 1 number(s); give it one type"


def test_merged_cells_of_a_header_are_explained(tmp_path: Path) -> None:
    cells: Cells = [["time", "size", None], [MORNING, 1, 2]]
    write_xlsx(tmp_path / "orders.xlsx", {"Data": cells}, merged=["B1:C1"])
    with pytest.raises(BadData, match=r"column C has 1 value.*of merged cells only the first has it"):
        read(tmp_path)


def test_a_sheet_that_cannot_be_chosen(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "orders.xlsx", TWO, hidden=["Old"])
    with pytest.raises(BadData) as several:
        read(tmp_path)
    assert str(several.value) == (
        "'orders.xlsx' has 2 sheets: 'Data', 'Notes'; set source.excel.sheet to one of them"
    )
    with pytest.raises(BadData) as other:
        read(tmp_path, sheet="data")
    assert str(other.value) == (
        "'orders.xlsx' has no sheet 'data'; did you mean 'Data'? it has: 'Data', 'Notes', 'Old'; correct "
        "source.excel.sheet"
    )


@pytest.mark.parametrize(
    "content",
    [
        b"time,id\n2024-03-01,1\n" * 9,
        b"<html><table><tr><td>1</td></tr></table></html>",
        b"PK\x03\x04" + bytes(90),
        XLS[:900],
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000),
    ],
    ids=["CSV", "HTML", "another ZIP", "a part", "another document"],
)
def test_what_is_no_workbook(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "orders.xls").write_bytes(content)
    with pytest.raises(BadData, match=r"'orders.xls' cannot be read as a workbook \(.xlsx, .xlsb, .xls or"):
        read(tmp_path, "orders.xls")


def test_a_value_far_away_from_the_table_does_not_take_the_memory(tmp_path: Path) -> None:
    file = tmp_path / "orders.xlsx"
    write_xlsx(file, {"Data": [["time"], [MORNING]]}, dimension="A1:XFD1048576")
    with pytest.raises(BadData) as raised:
        read(tmp_path)
    assert str(raised.value) == (
        "'orders.xlsx': a sheet spans A1:XFD1048576, 17,179,869,184 cells; remove what stands away from "
        "the table"
    )
    write_xlsx(file, {"Data": [["time"], [MORNING]]}, dimension="A1:CQ1048576")  # 95 columns, full of rows
    assert read(tmp_path).to_pylist() == [{"time": MORNING}]


def test_a_damaged_file_for_which_the_library_panics_is_refused(tmp_path: Path) -> None:
    (tmp_path / "orders.xls").write_bytes(XLS[:5_569])
    with pytest.raises(BadData, match="cannot be read as a workbook"):
        read(tmp_path, "orders.xls")


def test_a_file_that_is_empty_or_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileMissing):
        read(tmp_path)
    (tmp_path / "orders.xlsx").touch()
    with pytest.raises(BadData, match="is empty: 0 bytes"):
        read(tmp_path)
