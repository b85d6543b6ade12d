#!/usr/bin/env bash
# Great Expectations: which rows a row_condition selects depends on where the rows are.
#
# Guess: row_condition=Column("terminal") != 1 selects the same rows of one table in every place.
# Seen: A row without a terminal is checked where the column is a float (NaN is not 1), and left out where
#     it is pandas' nullable Int64 or a column in SQL (NULL != 1 is unknown). Of three rows 2, 1 and 1 are
#     checked: the bad one fails the expectation in the first place and passes it in the two others. A suite
#     that guarded frames guards less as soon as they are read with nullable types, or checked in SQL.
# Versions: great-expectations 1.24.1, pandas 2.3.3, numpy 2.4.6, sqlalchemy 2.1.9 (SQLite)
# Date: 2026-11-29
# Source: great_expectations/execution_engine/pandas_execution_engine.py, _apply_row_condition_filter
#     (DataFrame.query) against the WHERE of sqlalchemy_execution_engine.py; pairs of columns differ in a
#     like way, see fivetran/great_expectations#12252
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --no-compile --disable-pip-version-check \
    great-expectations==1.24.1 sqlalchemy==2.1.9 pandas==2.3.3 numpy==2.4.6

export GX_ANALYTICS_ENABLED=false
venv/bin/python -I -W ignore - <<'EOF'
import logging
import sqlite3

import great_expectations as gx
import pandas as pd
from great_expectations.expectations import ExpectColumnValuesToBeBetween
from great_expectations.expectations.row_conditions import Column

logging.disable(logging.WARNING)
context = gx.get_context(mode="ephemeral")
context.variables.progress_bars = {"globally": False}

flights = pd.DataFrame({"terminal": [1.0, 2.0, None], "delay": [1.0, 2.0, -999.0]})
with sqlite3.connect("flights.db") as connection:
    flights.to_sql("flights", connection, index=False)

frames = context.data_sources.add_pandas("frames").add_dataframe_asset("flights")
frame = frames.add_batch_definition_whole_dataframe("all")
tables = context.data_sources.add_sqlite("tables", connection_string="sqlite:///flights.db")
table = tables.add_table_asset("flights", table_name="flights").add_batch_definition_whole_table("all")
BATCHES = {
    "pandas, float": frame.get_batch({"dataframe": flights}),
    "pandas, Int64": frame.get_batch({"dataframe": flights.astype({"terminal": "Int64"})}),
    "SQLite": table.get_batch(),
}

expectation = ExpectColumnValuesToBeBetween(
    column="delay", min_value=0, row_condition=Column("terminal") != 1
)
results = {where: batch.validate(expectation) for where, batch in BATCHES.items()}
seen = {where: (result.result["element_count"], result.success) for where, result in results.items()}
for where, (rows, passed) in seen.items():
    print(f"{where}: {rows} rows checked, passed={passed}")
if seen != {"pandas, float": (2, False), "pandas, Int64": (1, True), "SQLite": (1, True)}:
    raise SystemExit("outdated: the selected rows are others")
EOF
