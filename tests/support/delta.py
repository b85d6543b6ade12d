"""Delta Lake tables for tests, and marks of deleted rows as Spark writes them, which deltalake only reads."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def append(folder: Path, rows: Sequence[dict[str, Any]], **options: Any) -> None:
    """Add rows as the next version."""
    write_deltalake(str(folder), pa.Table.from_pylist(list(rows)), mode="append", **options)


def drop_history(folder: Path) -> None:
    """Rewrite the table as one file, and remove the files of the versions before, as VACUUM does."""
    table = DeltaTable(str(folder))
    table.optimize.compact()
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)


def log_of(folder: Path, version: int) -> Path:
    return folder / "_delta_log" / f"{version:020}.json"


def change_log(folder: Path, version: int, change: Callable[[dict[str, Any]], None]) -> None:
    """Change each action of a version's log."""
    actions = [json.loads(line) for line in log_of(folder, version).read_text().splitlines()]
    for action in actions:
        change(action)
    log_of(folder, version).write_text("".join(f"{json.dumps(action)}\n" for action in actions))


def require(folder: Path, *features: str) -> None:
    """Let the table ask of its readers for features."""

    def change(action: dict[str, Any]) -> None:
        if protocol := action.get("protocol"):
            protocol.update(minReaderVersion=3, minWriterVersion=7)
            for key in ("readerFeatures", "writerFeatures"):
                protocol[key] = sorted({*protocol.get(key, ()), *features})

    change_log(folder, 0, change)


def mark_deleted(folder: Path, version: int, rows: Iterable[int]) -> None:
    """Let a version's file have a deletion vector for rows, written into the log."""
    require(folder, "deletionVectors")
    vector = _vector(sorted(rows))

    def change(action: dict[str, Any]) -> None:
        if added := action.get("add"):
            added["deletionVector"] = {
                "storageType": "i",
                "pathOrInlineDv": _z85(vector),
                "sizeInBytes": len(vector),
                "cardinality": len(list(rows)),
            }

    change_log(folder, version, change)


def _vector(rows: Sequence[int]) -> bytes:
    """Return a 64-bit roaring bitmap of one array, as https://github.com/delta-io/delta describes it."""
    array = struct.pack(f"<{len(rows)}H", *rows)
    bitmap = struct.pack("<IIHHI", 12346, 1, 0, len(rows) - 1, 16) + array
    found = struct.pack("<IQI", 1681511377, 1, 0) + bitmap
    return found + bytes(-len(found) % 4)


def _z85(content: bytes) -> str:
    text = ""
    for (number,) in struct.iter_unpack(">I", content):
        text += "".join(_Z85[number // 85**place % 85] for place in range(4, -1, -1))
    return text


def map_columns(folder: Path, names: dict[str, str]) -> None:
    """Rename columns without touching files, as Spark does with column mapping; `names` maps new ones."""
    require(folder, "columnMapping")

    def change(action: dict[str, Any]) -> None:
        if not (metadata := action.get("metaData")):
            return
        metadata["configuration"]["delta.columnMapping.mode"] = "name"
        schema = json.loads(metadata["schemaString"])
        for number, field in enumerate(schema["fields"], start=1):
            field["metadata"] = {
                "delta.columnMapping.id": number,
                "delta.columnMapping.physicalName": field["name"],
            }
            field["name"] = names.get(field["name"], field["name"])
        metadata["schemaString"] = json.dumps(schema)

    change_log(folder, 0, change)
