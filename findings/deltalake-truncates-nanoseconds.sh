#!/usr/bin/env bash
# deltalake: times of nanoseconds lose their last digits, where other values that do not fit are refused.
#
# Guess: What a type of Delta Lake cannot hold is refused by write_deltalake, as pyarrow's own Parquet writer
#     refuses a loss by coerce_timestamps, and as write_deltalake refuses an unsigned number that is too large.
# Seen: Nanoseconds are cut off to microseconds, without an error or a warning, with and without a time zone.
#     Events of one microsecond, such as trades and sensor readings, get the same time: their order is lost,
#     and what is unique by time is not unique any more.
# Versions: deltalake 1.6.6, pyarrow 25.0.1
# Date: 2026-12-01
# Source: Delta's types hold microseconds (https://github.com/delta-io/delta/blob/master/PROTOCOL.md, Primitive
#     Types); the cast is made before the files are written
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --no-compile --disable-pip-version-check \
    deltalake==1.6.6 pyarrow==25.0.1

venv/bin/python -I - <<'EOF'
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake

FIRST, SECOND = 1_700_000_000_000_000_001, 1_700_000_000_000_000_999


def written(folder, kind, values):
    """Return what a Delta Lake table gives back, or the error of the write."""
    try:
        write_deltalake(folder, pa.table({"value": pa.array(values, kind)}))
    except Exception as error:
        return type(error).__name__
    return DeltaTable(folder).to_pyarrow_table()["value"]


def parquet(values):
    """Return the error of a Parquet writer that is to keep microseconds."""
    try:
        pq.write_table(pa.table({"value": values}), "file.parquet", coerce_timestamps="us")
    except pa.ArrowInvalid as error:
        return type(error).__name__
    return "no error"


times = {}
for folder, kind in {"local": pa.timestamp("ns"), "utc": pa.timestamp("ns", "UTC")}.items():
    found = written(folder, kind, [FIRST, SECOND])
    times[kind] = found if isinstance(found, str) else found.cast(pa.int64()).to_pylist()
    print(f"{kind}, {FIRST} and {SECOND}: {times[kind]}")
refused = written("numbers", pa.uint64(), [2**64 - 1])
print(f"an unsigned number that is too large: {refused}")
print(f"pyarrow's Parquet writer, which is to keep microseconds: {parquet(pa.array([FIRST], pa.timestamp('ns')))}")
if any(found != [FIRST // 1000] * 2 for found in times.values()) or refused != "DeltaError":
    raise SystemExit("outdated: nanoseconds are kept, or refused")
EOF
