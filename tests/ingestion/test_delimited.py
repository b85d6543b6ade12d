"""CSV as people have it: delimiters, marks, encodings, headers and words of the contract."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from include.contract import loader
from include.exceptions import BadData
from include.ingestion.files import CODECS
from include.ingestion.readers import SourceBatch, read
from tests.support.pipeline import Row, day, write_pipeline

SECRET = "secret-7f3a9"
MORNING = datetime(2024, 3, 1, 5)


def rows_of(tmp_path: Path, content: bytes, name: str = "orders.csv", **dialect: Any) -> list[Row]:
    folder = write_pipeline(tmp_path, source={"uri": name, **({"csv": dialect} if dialect else {})})
    (folder / name).write_bytes(content)
    found = read(loader.load(folder).source, day(0), day(0), folder=folder, sql_url=None)
    return [row for one in found if isinstance(one, SourceBatch) for row in one.batch.to_pylist()]


EUROPEAN = "time;ort;menge\n01.03.2024 05:00;Köln;1,5\n"
ROW = {"time": MORNING, "ort": "Köln", "menge": 1.5}
DIALECT: dict[str, Any] = {"delimiter": ";", "decimal": ",", "time_formats": ["%d.%m.%Y %H:%M"]}


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-8-sig", "utf-8"])
def test_half_the_world_writes_semicolons_commas_and_another_encoding(tmp_path: Path, encoding: str) -> None:
    assert rows_of(tmp_path, EUROPEAN.encode(encoding), **DIALECT, encoding=encoding) == [ROW]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-be"])
def test_a_file_of_several_blocks_in_another_encoding_is_read_whole(tmp_path: Path, encoding: str) -> None:
    header, line = EUROPEAN.splitlines(keepends=True)
    assert rows_of(tmp_path, (header + line * 100_000).encode(encoding), **DIALECT, encoding=encoding) == (
        [ROW] * 100_000
    )


DIALECTS: list[tuple[str, dict[str, Any], list[Row]]] = [
    ("time\tkind\n2024-03-01 05:00:00\ta,b\n", {"delimiter": "\t"}, [{"time": MORNING, "kind": "a,b"}]),
    (
        "time|kind\n2024-03-01 05:00:00|'a|b'\n",
        {"delimiter": "|", "quote": "'"},
        [{"time": MORNING, "kind": "a|b"}],
    ),
    ('time,kind\n2024-03-01 05:00:00,"a\n', {"quote": None}, [{"time": MORNING, "kind": '"a'}]),
    ('time,kind\n2024-03-01 05:00:00,"a\\"b"\n', {"escape": "\\"}, [{"time": MORNING, "kind": 'a"b'}]),
    (
        "2024-03-01 05:00:00,7\n2024-03-01 05:00:00,8\n",
        {"columns": ["time", "id"]},
        [{"time": MORNING, "id": 7}, {"time": MORNING, "id": 8}],
    ),
    ("Report of March\n\ntime,id\n2024-03-01 05:00:00,7\n", {"skip_lines": 2}, [{"time": MORNING, "id": 7}]),
    (
        "Zeit,Nr\n2024-03-01 05:00:00,7\n",
        {"skip_lines": 1, "columns": ["time", "id"]},
        [{"time": MORNING, "id": 7}],
    ),
    (
        "time,id,kind\n2024-03-01 05:00:00,-,-\n2024-03-01 05:00:00,7,book\n2024-03-01 05:00:00,NA,NA\n",
        {"null_values": ["-"]},
        [
            {"time": MORNING, "id": None, "kind": None},
            {"time": MORNING, "id": 7, "kind": "book"},
            {"time": MORNING, "id": None, "kind": "NA"},
        ],
    ),
    (
        "time,new,old\n2024-03-01 05:00:00,ja,true\n2024-03-01 05:00:00,nein,false\n",
        {"true_values": ["ja"], "false_values": ["nein"]},
        [{"time": MORNING, "new": True, "old": True}, {"time": MORNING, "new": False, "old": False}],
    ),
    (
        "time,id\n03/01/2024 05:00,1\n2024-03-01 05:00:00,2\n",
        {"time_formats": ["%m/%d/%Y %H:%M"]},
        [{"time": MORNING, "id": 1}, {"time": MORNING, "id": 2}],
    ),
]


@pytest.mark.parametrize(
    ("text", "dialect", "rows"), DIALECTS, ids=[str(dialect) for _, dialect, _ in DIALECTS]
)
def test_the_contract_says_how_a_file_is_written(
    tmp_path: Path, text: str, dialect: dict[str, Any], rows: list[Row]
) -> None:
    assert rows_of(tmp_path, text.encode(), **dialect) == rows


def test_an_empty_cell_is_missing_in_any_column_and_other_text_is_kept(tmp_path: Path) -> None:
    lines = ["2024-03-01 05:00:00,book,NA", "2024-03-01 05:00:00,,1.5", '2024-03-01 05:00:00,"",']
    found = rows_of(tmp_path, "\n".join(["time,kind,amount", *lines, "2024-03-01 05:00:00,NA,"]).encode())
    assert [(row["kind"], row["amount"]) for row in found] == [
        ("book", None),
        (None, 1.5),
        (None, None),
        ("NA", None),
    ]


LONG = "2024-03-01 05:00:00;1,5;ja;01.03.2024\n" * 40_000


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (
            f"2024-03-01 05:00:00;{SECRET};ja;01.03.2024\n",
            "column 'amount', inferred as float, has 1 other values",
        ),
        (
            "2024-03-01 05:00:00;1.5;ja;01.03.2024\n",
            "column 'amount', inferred as float, has 1 other values",
        ),
        (
            f"2024-03-01 05:00:00;1,5;{SECRET};01.03.2024\n" * 2,
            "column 'new', inferred as boolean, has 2 other values",
        ),
        (
            f"2024-03-01 05:00:00;1,5;ja;{SECRET}\n",
            "column 'on', inferred as timestamp, has 1 other values",
        ),
    ],
    ids=["text", "point", "words", "time"],
)
def test_only_values_that_the_dialect_does_not_allow_are_counted(
    tmp_path: Path, last: str, message: str
) -> None:
    with pytest.raises(BadData) as raised:
        rows_of(
            tmp_path,
            f"time;amount;new;on\n{LONG}{last}".encode(),
            delimiter=";",
            decimal=",",
            true_values=["ja"],
            false_values=["nein"],
            time_formats=["%d.%m.%Y"],
        )
    column, rows = message.split("'")[1], 40_000 + last.count("\n")
    assert str(raised.value) == (
        f"'orders.csv': {message} in {rows} rows; correct the file, or say what it is under columns.{column} "
        "of the contract"
    )


WRONG: list[tuple[bytes, dict[str, Any], str]] = [
    (
        f"time;amount;kind\n2024-03-01 05:00:00;1,5;{SECRET}\n".encode(),
        {},
        "the header holds ';' 2 times and ',' no times; set source.csv.delimiter to ';'",
    ),
    (
        f"time;amount;kind\n2024-03-01 05:00:00;1.5;{SECRET}\n".encode(),
        {},
        "the header holds ';' 2 times and ',' no times; set source.csv.delimiter to ';'",
    ),
    (
        f'"time"\t"amount, gross"\n2024-03-01 05:00:00\t{SECRET}\n'.encode(),
        {},
        r"the header holds '\t' 1 times and ',' 1 times; set source.csv.delimiter to '\t'",
    ),
    (
        f"time,amount\n2024-03-01 05:00:00,{SECRET}\n".encode(),
        {"delimiter": ";"},
        "the header holds ',' 1 times and ';' no times; set source.csv.delimiter to ','",
    ),
    (
        f"\n2024-03-01 05:00:00|{SECRET}\n".encode(),
        {"columns": ["time", "kind"]},
        "the first line holds '|' 1 times and ',' no times; set source.csv.delimiter to '|'",
    ),
    (
        EUROPEAN.encode("utf-16"),
        DIALECT,
        "is UTF-16, not UTF-8; set source.csv.encoding to 'utf-16'",
    ),
    (
        f"time,kind\n2024-03-01 05:00:00,{SECRET}\x81\n".encode("latin-1"),
        {"encoding": "cp1252"},
        "it is not 'cp1252'; set source.csv.encoding, or convert the file",
    ),
    (
        b"time,kind\n2024-03-01 05:00:00\n",
        {"encoding": "utf-16"},
        "it is not 'utf-16'; set source.csv.encoding, or convert the file",
    ),
]


@pytest.mark.parametrize(
    ("content", "dialect", "message"), WRONG, ids=[message[-40:] for *_, message in WRONG]
)
def test_another_dialect_than_the_contract_says_is_told_with_the_likely_one(
    tmp_path: Path, content: bytes, dialect: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadData) as raised:
        rows_of(tmp_path, content, **dialect)
    assert message in str(raised.value)
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None


def compressed(content: bytes, codec: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as out:
        out.write(content)
    return bytes(sink.getvalue())


MANY = b"time,id\n" + b"".join(b"2024-03-01 05:00:00,%d\n" % (7919**3 * n % 10**12) for n in range(100_000))


@pytest.mark.parametrize("suffix", [*CODECS, ".GZ"])
def test_a_file_is_decompressed_as_its_name_says(tmp_path: Path, suffix: str) -> None:
    content = compressed(MANY, CODECS[suffix.lower()])
    assert len(rows_of(tmp_path, content, f"orders.csv{suffix}")) == 100_000
    european = compressed(EUROPEAN.encode("latin-1"), CODECS[suffix.lower()])
    assert rows_of(tmp_path / "b", european, f"orders.csv{suffix}", **DIALECT, encoding="latin-1") == [ROW]


def test_a_compressed_file_streams(tmp_path: Path) -> None:
    folder = write_pipeline(tmp_path, source={"uri": "orders.csv.gz"})
    (folder / "orders.csv.gz").write_bytes(compressed(MANY, "gzip"))
    found = read(loader.load(folder).source, day(0), day(0), folder=folder, sql_url=None)
    first = next(found)
    assert isinstance(first, SourceBatch)
    assert first.batch.num_rows < 50_000


def test_a_file_of_several_gzip_members_is_read_whole(tmp_path: Path) -> None:
    """Logs are appended to, and `gzip` of several files is catenated, in this way."""
    content = compressed(b"time,id\n2024-03-01 05:00:00,1\n", "gzip")
    both = content + compressed(b"2024-03-01 05:00:00,2\n", "gzip")
    assert [row["id"] for row in rows_of(tmp_path, both, "orders.csv.gz")] == [1, 2]


@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize("harm", ["cut early", "cut late", "another format", "empty"])
def test_a_damaged_compressed_file_is_named(tmp_path: Path, suffix: str, harm: str) -> None:
    whole = compressed(MANY, CODECS[suffix])
    content = {
        "cut early": whole[:50],
        "cut late": whole[:-3],
        "another format": f"time,kind\n2024-03-01,{SECRET}\n".encode() * 9,
        "empty": compressed(b"", CODECS[suffix]),
    }[harm]
    with pytest.raises(
        BadData, match=r"^'orders\.csv\..+ cannot be read: .+; provide the file again$"
    ) as raised:
        rows_of(tmp_path, content, f"orders.csv{suffix}")
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("suffix", "message"),
    [
        (".gz", "'orders.csv' is compressed with gzip; let its name end in '.gz'"),
        (".bz2", "'orders.csv' is compressed with bzip2; let its name end in '.bz2'"),
        (".zst", "'orders.csv' is compressed with Zstandard; let its name end in '.zst'"),
        (".lz4", "'orders.csv' is compressed with LZ4; let its name end in '.lz4'"),
    ],
)
def test_a_compressed_file_whose_name_does_not_say_so_is_recognised(
    tmp_path: Path, suffix: str, message: str
) -> None:
    with pytest.raises(BadData) as raised:
        rows_of(tmp_path, compressed(MANY, CODECS[suffix]))
    assert str(raised.value) == message


def test_values_of_a_compressed_file_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    content = compressed(MANY + f"2024-03-01 05:00:00,{SECRET}\n".encode() * 2, "gzip")
    with pytest.raises(BadData, match="'id', inferred as float, has 2 other values in 100002 rows"):
        rows_of(tmp_path, content, "orders.csv.gz")


SPARSE = {
    "text": ("SAVE10", "SAVE10"),
    "NA before text": ("SAVE10", "SAVE10"),
    "number": ("1,5", 1.5),
    "count": ("7", 7),
    "time": ("01.03.2024 05:00", MORNING),
    "truth": ("ja", True),
    "quotes and line breaks": ('"a ""b"";\nc"', 'a "b";\nc'),
    "nothing": ("", None),
}


@pytest.mark.parametrize("kind", SPARSE)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_column_without_values_at_first_has_the_type_of_its_first_ones(
    tmp_path: Path, kind: str, suffix: str
) -> None:
    cell, value = SPARSE[kind]
    filler = "NA" if kind.startswith("NA") else ""
    lines = "".join(f"2024-03-01 05:00:00;{number};{filler};\n" for number in range(60_000))
    content = f"time;id;coupon;note\n{lines}2024-03-01 05:00:00;60000;{cell};late\n{lines}".encode()
    found = rows_of(
        tmp_path,
        compressed(content, "gzip") if suffix else content,
        f"orders.csv{suffix}",
        **DIALECT,
        true_values=["ja"],
    )
    assert len(found) == 120_001
    assert found[60_000] == {"time": MORNING, "id": 60_000, "coupon": value, "note": "late"}
    assert {row["coupon"] for row in found} == {value, "NA" if filler else None}
    assert {row["note"] for row in found} == {"late", None}


def test_later_values_of_a_sparse_column_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    lines = "2024-03-01 05:00:00,\n" * 60_000
    content = f"time,share\n{lines}2024-03-01 05:00:00,1.5\n{lines}2024-03-01 05:00:00,{SECRET}\n"
    with pytest.raises(BadData) as raised:
        rows_of(tmp_path, content.encode())
    assert str(raised.value) == (
        "'orders.csv': column 'share', inferred as float, has 1 other values in 120002 rows; "
        "correct the file, or say what it is under columns.share of the contract"
    )


def test_a_sparse_column_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    content = ("time,note\n" + "2024-03-01 05:00:00,\n" * 60_000 + "2024-03-01 05:00:00,caf\xe9\n").encode(
        "latin-1"
    )
    with pytest.raises(BadData, match="column 'note': 1 of 60001 values are not UTF-8"):
        rows_of(tmp_path, content)
