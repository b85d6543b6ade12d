#!/usr/bin/env bash
# MLflow: a run shows the data source of an earlier run.
#
# Guess: log_input records what it is given. Two runs that read two commits of a data set show two sources,
#     and the digests of the frames differ, as the frames do.
# Seen: The digest reads the first 10,000 rows only. A dataset is stored once an experiment for its name and
#     digest, and the second run is linked to the first one's: it shows the first commit as the source of
#     its data, with no warning. Where the rows are really equal, as after a commit of other files, the same
#     happens.
# Versions: mlflow 3.17.2, pandas 2.3.3, numpy 2.4.6
# Date: 2026-11-29
# Source: mlflow/data/digest_utils.py, MAX_ROWS; mlflow/store/tracking/sqlalchemy_store.py,
#     _log_inputs_impl; near to it mlflow/mlflow#11560 (open)
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --no-compile --disable-pip-version-check \
    mlflow==3.17.2 pandas==2.3.3 numpy==2.4.6

export MLFLOW_DISABLE_TELEMETRY=true
venv/bin/python -I -W ignore - <<'EOF'
import json
import logging

import mlflow
import pandas as pd

logging.disable(logging.INFO)
mlflow.set_tracking_uri("sqlite:///tracking.db")


def logged_source(rows, commit):
    with mlflow.start_run() as run:
        source = f"https://lake.example/flights/{commit}"
        mlflow.log_input(mlflow.data.from_pandas(rows, source=source, name="flights"), context="training")
    (logged,) = mlflow.get_run(run.info.run_id).inputs.dataset_inputs
    return logged.dataset.digest, json.loads(logged.dataset.source)["url"]


january = pd.DataFrame({"delay": range(10_001)})
february = january.copy()
february.loc[10_000, "delay"] = -1
first = logged_source(january, "commit-of-january")
second = logged_source(february, "commit-of-february")
print("run on January: ", *first)
print("run on February:", *second)
if first[0] != second[0]:
    raise SystemExit("outdated: the digest sees row 10,001")
if not second[1].endswith("january"):
    raise SystemExit("outdated: the second run shows its own source")
EOF
