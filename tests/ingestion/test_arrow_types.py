"""Types of columns: the same values are the same column, whichever of Arrow's types holds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.contract import loader
from include.exceptions import BadData
from include.ingestion.arrow_types import plain
from include.ingestion.partitioner import parts
from tests.support.pipeline import day, write_pipeline

TEXT, VIEW, INT = pa.string(), pa.string_view(), pa.int64()


def dictionary(values: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.int8()), values)


def struct(kind: pa.DataType) -> pa.Array:
    return pa.array([{"a": "x"}, None, {"a": None}], pa.struct([("a", kind)]))


SAME: dict[str, tuple[pa.Array, pa.DataType]] = {
    "string": (pa.array(["a", None]), TEXT),
    "large_string": (pa.array(["a", None], pa.large_string()), TEXT),
    "string_view": (pa.array(["a", None], VIEW), TEXT),
    "large_binary": (pa.array([b"a", None], pa.large_binary()), pa.binary()),
    "binary_view": (pa.array([b"a", None], pa.binary_view()), pa.binary()),
    "fixed size binary": (pa.array([b"ab", None], pa.binary(2)), pa.binary(2)),
    "dictionary": (dictionary(pa.array(["x", "y"])), TEXT),
    "dictionary of views": (dictionary(pa.array(["x", "y"], VIEW)), TEXT),
    "dictionary of lists": (dictionary(pa.array([[1], [2]])), pa.list_(INT)),
    "dictionary of numbers": (dictionary(pa.array([1, 2])), INT),
    "runs": (pa.RunEndEncodedArray.from_arrays([2, 3], pa.array(["a", "b"])), TEXT),
    "struct of views": (struct(VIEW), struct(TEXT).type),
    "struct of dictionaries": (struct(pa.dictionary(pa.int32(), TEXT)), struct(TEXT).type),
    "list of views": (pa.array([["a"], None, []], pa.list_(VIEW)), pa.list_(TEXT)),
    "large list": (pa.array([["a"], None, []], pa.large_list(TEXT)), pa.list_(TEXT)),
    "list view": (pa.array([[1, 2], None, [], [3]], pa.list_view(INT)), pa.list_(INT)),
    "large list view": (pa.array([["a"], None], pa.large_list_view(VIEW)), pa.list_(TEXT)),
    "list view out of order": (pa.ListViewArray.from_arrays([2, 0], [1, 2], [1, 2, 3]), pa.list_(INT)),
    "fixed size list": (pa.array([["a", "b"], None], pa.list_(VIEW, 2)), pa.list_(TEXT)),
    "map": (pa.array([[("k", "v")], None], pa.map_(VIEW, VIEW)), pa.map_(TEXT, TEXT)),
    "list of structs": (
        pa.array([[{"a": "x"}]], pa.list_(pa.struct([("a", VIEW)]))),
        pa.list_(pa.struct([("a", TEXT)])),
    ),
    "JSON": (pa.array(["{}", None], pa.json_()), pa.json_()),
    "JSON in views": (pa.array(["{}", None], pa.json_(VIEW)), TEXT),
    "nothing": (pa.nulls(2), pa.null()),
    "whole numbers": (pa.array([1, None]), INT),
}


@pytest.mark.parametrize("kind", SAME)
@pytest.mark.parametrize("start", [0, 1])
def test_a_column_keeps_its_values_in_a_type_that_can_be_filtered_and_stored(kind: str, start: int) -> None:
    column, expected = SAME[kind]
    column = column.slice(start)
    batch = plain(pa.RecordBatch.from_arrays([column], ["c"]), "orders")
    batch.validate(full=True)
    assert (batch.schema.field("c").type, batch.schema.metadata) == (expected, None)
    kept = batch.filter(pa.array([True] * len(column), pa.bool_()))
    assert batch.column("c").to_pylist() == kept.column("c").to_pylist() == column.to_pylist()
    file = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_batches([kept]), file)
    assert pq.read_table(pa.BufferReader(file.getvalue()))["c"].to_pylist() == column.to_pylist()


UNSTORABLE: dict[str, pa.Array] = {
    "interval": pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
    "struct<>": pa.array([{}], pa.struct([])),
    "union": pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]),
    "dictionary": pa.StructArray.from_arrays(
        [pa.DictionaryArray.from_arrays([0], pa.array(["secret-7f3a9"], VIEW))], ["a"]
    ),
}


@pytest.mark.parametrize("kind", UNSTORABLE)
def test_a_type_that_parquet_cannot_hold_is_named_with_its_column(kind: str) -> None:
    with pytest.raises(
        BadData, match=r"^orders: column 'c' is '.*', which Parquet cannot hold; cast it"
    ) as raised:
        plain(pa.RecordBatch.from_arrays([UNSTORABLE[kind]], ["c"]), "orders")
    assert kind in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("kind", [pa.large_string(), VIEW, pa.dictionary(pa.int32(), TEXT)], ids=str)
def test_a_file_gives_the_same_parts_whichever_type_holds_its_text(tmp_path: Path, kind: Any) -> None:
    def digests(kind: Any) -> list[str]:
        folder = write_pipeline(
            tmp_path / str(kind).replace("/", "-"), source={"reader": "parquet", "uri": "orders.parquet"}
        )
        columns = {
            "time": pa.array(["2024-03-01", "2024-03-01"], TEXT),
            "kind": pa.array(["book", "toy"], kind),
        }
        pq.write_table(pa.table(columns), folder / "orders.parquet")
        found = parts(loader.load(folder).feed(), day(0), day(0), folder=folder, scratch=tmp_path)
        return [part.sha256 for part in found]

    assert digests(kind) == digests(TEXT)
