"""JSON Lines: each value is what the file says, and what cannot be is named by line, column and count."""

from __future__ import annotations

import gzip
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.contract.data import Source
from include.exceptions import BadData, FileMissing
from include.ingestion import json_blocks, json_lines
from include.ingestion.files import find

SECRET = "secret-7f3a9"
SOURCE = Source.model_validate({"reader": "jsonl", "uri": "orders.jsonl", "partition_by": "time"})
MANY = 1_200_000
"""Lines of some bytes: more than a block."""


def read(folder: Path, *contents: bytes | str, suffix: str = "") -> pa.Table:
    for number, content in enumerate(contents):
        data = content.encode() if isinstance(content, str) else content
        (folder / f"{number}.jsonl{suffix}").write_bytes(data)
    found = json_lines.read(SOURCE, find(f"*.jsonl{suffix}", folder))
    return pa.Table.from_batches([batch for _, batch in found])


def fault(folder: Path, *contents: bytes | str) -> str:
    with pytest.raises(BadData) as raised:
        read(folder, *contents)
    assert SECRET not in str(raised.value)
    return str(raised.value)


def test_keys_are_columns_objects_structs_and_arrays_lists(tmp_path: Path) -> None:
    found = read(tmp_path, '{"id":1,"kind":"book"}\n\n{"id":2,"by":{"tags":["a","b"],"vip":true}}')
    assert found.to_pylist() == [
        {"id": 1, "kind": "book", "by": None},
        {"id": 2, "kind": None, "by": {"tags": ["a", "b"], "vip": True}},
    ]


EXACT: dict[str, tuple[str, Any]] = {
    "beyond 53 bits": ("9007199254740993", 2**53 + 1),
    "64 bits": ("-9223372036854775808", -(2**63)),
    "a decimal number": ("0.1", 0.1),
    "a large one": ("1e300", 1e300),
    "a date": ('"2024-03-01"', "2024-03-01"),
    "an offset": ('"2024-03-01T05:00:00+02:00"', "2024-03-01T05:00:00+02:00"),
    "leading zeros": ('"01234"', "01234"),
    "a time within an object": ('{"at":"2024-03-01"}', {"at": "2024-03-01"}),
    "times within an array": ('["2024-03-01", null]', ["2024-03-01", None]),
    "no text": ('""', ""),
    "null": ("null", None),
    "NaN, which Python writes": ("Infinity", math.inf),
    "a NUL": ('"\\u0000"', "\0"),
    "brackets": (f'"{"[" * 200}"', "[" * 200),
    "text of 3 MiB": (f'"{"x" * (3 << 20)}"', "x" * (3 << 20)),
}


@pytest.mark.parametrize("kind", EXACT)
def test_a_value_is_what_the_file_says(tmp_path: Path, kind: str) -> None:
    text, value = EXACT[kind]
    assert read(tmp_path, f'{{"a":{text}}}\n').to_pylist() == [{"a": value}]


def test_a_column_has_the_type_that_fits_all_lines(tmp_path: Path) -> None:
    late = '{"n":1.5,"s":{"b":"2024-03-01"},"new":[{"x":1}]}\n{"n":2,"s":{"a":7}}\n'
    found = read(tmp_path, '{"n":1,"s":null,"e":null}\n' * MANY + late)
    assert found.schema == pa.schema(
        {
            "n": pa.float64(),
            "s": pa.struct({"b": pa.string(), "a": pa.int64()}),
            "e": pa.null(),
            "new": pa.list_(pa.struct({"x": pa.int64()})),
        }
    )
    assert len(found) == MANY + 2
    assert found.slice(MANY - 1).to_pylist() == [
        {"n": 1.0, "s": None, "e": None, "new": None},
        {"n": 1.5, "s": {"b": "2024-03-01", "a": None}, "e": None, "new": [{"x": 1}]},
        {"n": 2.0, "s": {"b": None, "a": 7}, "e": None, "new": None},
    ]


def test_files_of_a_day_are_one_table_as_spark_leaves_keys_without_values_out(tmp_path: Path) -> None:
    found = read(tmp_path, '{"id":1}\n', "", '{"id":2,"coupon":"SAVE10"}\n')
    assert found.to_pylist() == [{"id": 1, "coupon": None}, {"id": 2, "coupon": "SAVE10"}]


@pytest.mark.parametrize("content", [b'\xef\xbb\xbf{"a":1}\r\n{"a":2}\r\n', b'{"a":1}\n{"a":2}'])
def test_marks_of_utf_8_and_line_ends_of_windows_are_no_content(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content).to_pylist() == [{"a": 1}, {"a": 2}]


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    content = b'{"a":1}\n' * MANY
    assert len(read(tmp_path, gzip.compress(content, 1), suffix=".gz")) == MANY


scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5)
values: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(["int", "text", "float", "bool"]),
    lambda below: st.lists(below, min_size=1, max_size=1) | st.dictionaries(st.text("ab", min_size=1), below),
    max_leaves=4,
)
LEAVES = {
    "int": st.none() | st.integers(-(2**63), 2**63 - 1),
    "text": st.none() | st.text(max_size=4) | st.dates().map(str),
    "float": st.none() | st.floats(allow_nan=False) | st.integers(-(2**53), 2**53),
    "bool": st.none() | st.booleans(),
}


def of_shape(shape: Any) -> st.SearchStrategy[Any]:
    if isinstance(shape, str):
        return LEAVES[shape]
    if isinstance(shape, list):
        return st.none() | st.lists(of_shape(shape[0]), max_size=3)
    return st.none() | st.fixed_dictionaries({}, optional={key: of_shape(one) for key, one in shape.items()})


def filled(value: Any, kind: pa.DataType) -> Any:
    """A value with None for each key that other lines have."""
    if value is None:
        return None
    if pa.types.is_struct(kind):
        return {field.name: filled(value.get(field.name), field.type) for field in kind}
    return [filled(one, kind.value_type) for one in value] if pa.types.is_list(kind) else value


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_generated_lines_come_back_as_they_were(data: st.DataObject) -> None:
    shape = data.draw(st.dictionaries(st.text("xyz", min_size=1), values, min_size=1, max_size=3))
    line = st.fixed_dictionaries({}, optional={key: of_shape(one) for key, one in shape.items()})
    lines = data.draw(st.lists(line, min_size=1, max_size=6))
    with tempfile.TemporaryDirectory() as folder:
        found = read(Path(folder), "".join(f"{json.dumps(one)}\n" for one in lines))
    if found.num_columns:  # without a key there is no column, and so no row
        schema = pa.struct(list(found.schema))
        assert found.to_pylist() == [filled(one, schema) for one in lines]


ONE = "write one JSON object a line"
BROKEN = f"is not one complete JSON value; {ONE}, or provide the file again"
FAULTS: dict[str, tuple[tuple[bytes | str, ...], str]] = {
    "an array": (
        (f'\n [{{"a":"{SECRET}"}}]',),
        "'0.jsonl' is a JSON array, not JSON Lines; write one object a line, for instance with `jq -c '.[]'`",
    ),
    "a broken line": (('{"a":1}\n\n{"a":2\n{"a":3}\n',), f"'0.jsonl': line 3 {BROKEN}"),
    "words": ((f'{{"a":1}}\n{{"a":{SECRET}}}\n',), f"'0.jsonl': line 2 {BROKEN}"),
    "an object of several lines": (('{\n "a": 1\n}\n',), f"'0.jsonl': line 1 {BROKEN}"),
    "two objects in a line": (('{"a":1}{"a":2}\n',), f"'0.jsonl': line 1 {BROKEN}"),
    "line ends of old": (('{"a":1}\r{"a":2}\r',), f"'0.jsonl': line 1 {BROKEN}"),
    "a file cut off": (('{"a":1}\n{"a":2',), f"'0.jsonl': line 2 {BROKEN}"),
    "a word in a line": (('{"a":1}\n true\n',), f"'0.jsonl': line 2 is not an object; {ONE}"),
    "numbers": (("1\n2\n",), f"'0.jsonl': line 1 is not an object; {ONE}"),
    "an array in a line": (('{"a":1}\n[1]\n',), f"'0.jsonl': line 2 is not an object; {ONE}"),
    "deep nesting": (
        ('{"a":1}\n{"a":' + "[" * 99 + "]" * 99 + "}\n",),
        "'0.jsonl': line 2 is nested more than 50 levels deep; flatten it",
    ),
    "nesting": (
        ('{"a":' + "[" * 51 + "]" * 51 + "}\n",),
        "'0.jsonl': line 1 is nested more than 50 levels deep; flatten it",
    ),
    "a key twice": (
        (f'{{"a":"{SECRET}","a":2}}\n',),
        "'0.jsonl': line 1 has an object with the same key twice; give each key a name of its own",
    ),
    "half a character": (
        ('{"a":"\\ud800"}\n',),
        "'0.jsonl': line 1 holds half of a surrogate pair, which is not a character; correct it",
    ),
    "half a character in a key": (
        ('{"\\ud800":1}\n',),
        "'0.jsonl': line 1 holds half of a surrogate pair, which is not a character; correct it",
    ),
    "infinity": (
        ('{"a":1e400}\n',),
        "'0.jsonl': line 1 holds a number that is too large; write it as text",
    ),
    "5,000 digits": (
        ('{"a":' + "7" * 5000 + "}\n",),
        "'0.jsonl': line 1 holds a number that is too large; write it as text",
    ),
    "Latin-1": ((b'{"a":"\xe9"}\n',), "'0.jsonl': line 1 is not UTF-8; convert the file to UTF-8"),
    "UTF-16": (
        ('{"a":1}\n'.encode("utf-16"),),
        "'0.jsonl' is UTF-16 or UTF-32, not UTF-8; convert the file to UTF-8",
    ),
    "UTF-16 without a mark": (
        ('{"a":1}\n'.encode("utf-16-le"),),
        "'0.jsonl' is UTF-16 or UTF-32, not UTF-8; convert the file to UTF-8",
    ),
    "no byte": (("",), "'0.jsonl' is empty: 0 bytes; provide the file again"),
    "no byte in any file": (("", ""), "'0.jsonl' is empty: 0 bytes; provide the file again"),
    "no line": (("\n \n",), "'0.jsonl' is empty: no line holds an object; provide the file again"),
    "mixed": (
        (f'{{"a":1}}\n{{"a":"{SECRET}"}}\n{{"a":2}}\n',),
        "'0.jsonl': column 'a' holds 2 numbers and 1 text; give it one type (see line 2)",
    ),
    "mixed in another file": (
        ('{"a":1}\n', '{"a":2}\n\n{"a":true}\n'),
        "'1.jsonl': column 'a' holds 2 numbers and 1 truth value; give it one type (see line 3)",
    ),
    "mixed within objects": (
        (f'{{"a":{{"x":[1]}}}}\n{{"a":{{"x":["{SECRET}"]}}}}\n{{"a":{{"x":["b"]}}}}\n',),
        "'0.jsonl': column 'a' holds within its values 1 number and 2 texts; give it one type (see line 1)",
    ),
    "objects and arrays": (
        ('{"a":{}}\n{"a":[]}\n{"a":[]}\n',),
        "'0.jsonl': column 'a' holds 1 object and 2 arrays; give it one type (see line 1)",
    ),
    "beyond 64 bits": (
        ('{"a":1}\n{"a":18446744073709551615}\n',),
        "'0.jsonl': column 'a' holds 1 whole number(s) of more than 64 bits; write them as text (see line 2)",
    ),
    "beyond 53 bits beside decimal numbers": (
        ('{"a":1.5}\n{"a":9007199254740993}\n',),
        "'0.jsonl': column 'a' holds 1 whole number(s) of more than 53 bits beside decimal ones; write them "
        "as text (see line 2)",
    ),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_what_cannot_be_read_is_named_by_line_column_and_count(tmp_path: Path, kind: str) -> None:
    contents, message = FAULTS[kind]
    assert fault(tmp_path, *contents) == message


def test_a_file_without_line_breaks_is_not_held_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_blocks, "_LONGEST", 9 << 20)
    for end in ("", "\n", "\n" * (1 << 23)):
        assert fault(tmp_path, '{"a":"' + "x" * (9 << 20) + f'"}}{end}') == (
            "'0.jsonl' has a line of more than 9 MiB; write one JSON object a line"
        )


LATE = '{"a":1}\n'


@pytest.mark.parametrize(
    ("before", "line", "message"),
    [
        (LATE, f'{{"a":"{SECRET}"}}', "column 'a' holds {many} numbers and 1 text; give it one type"),
        (
            '{"a":1.5}\n',
            '{"a":9007199254740993}',
            "of more than 53 bits beside decimal ones; write them as text",
        ),
        (
            '{"a":9007199254740993}\n',
            '{"a":1.5}',
            "{many} whole number(s) of more than 53 bits beside decimal",
        ),
        (LATE, f'{{"a":{SECRET}', f"line {{last}} {BROKEN}"),
        (LATE, "true", f"line {{last}} is not an object; {ONE}"),
    ],
    ids=["text", "a long number", "a decimal number", "broken", "a word"],
)
def test_what_shows_in_a_later_block_is_named_too(
    tmp_path: Path, before: str, line: str, message: str
) -> None:
    assert message.format(many=MANY, last=MANY + 1) in fault(tmp_path, before * MANY + f"{line}\n")


def test_a_fault_behind_mixed_values_hides_these_not(tmp_path: Path) -> None:
    content = '{"a":1}\n{"a":"x"}\n' + '{"a":1}\n' * MANY + "true\n"
    assert "holds 1200001 numbers and 1 text; give it one type (see line 2)" in fault(tmp_path, content)


def test_a_long_number_beside_a_large_decimal_one_of_another_column_is_exact(tmp_path: Path) -> None:
    line = '{"id":9007199254740993,"by":{"id":9007199254740993,"n":1e17},"n":1e17}\n'
    assert read(tmp_path, line).to_pylist() == [json.loads(line)]


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileMissing):
        read(tmp_path)
