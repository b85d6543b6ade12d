#!/usr/bin/env bash
# MLflow: the scoring server answers for rows that the same model refuses in Python.
#
# Guess: A signature holds everywhere: what pyfunc's predict refuses, the server refuses with status 400.
# Seen: The server casts each column of its JSON to the type in the signature before predict looks at it.
#     1.5 for a long becomes 1, 2**40 for an integer becomes 0, the text "false" becomes true; each answer
#     is a 200 with a prediction for values that nobody sent. A caller whose types changed never learns of it.
# Versions: mlflow 3.17.2, pandas 2.3.3, numpy 2.4.6
# Date: 2026-11-29
# Source: mlflow/utils/proto_json_utils.py, cast_df_types_according_to_schema
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
import threading
import time
from http.client import HTTPConnection

import mlflow
import pandas as pd
import uvicorn
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.pyfunc import scoring_server
from mlflow.types import ColSpec, Schema

logging.disable(logging.WARNING)
ROW = {"stops": 1, "km": 900, "delayed": True}
SENT_AND_SEEN = [("stops", 1.5, 1), ("km", 2**40, 0), ("delayed", "false", True)]


class Echo(mlflow.pyfunc.PythonModel):
    """A model whose prediction is its input, to see what reaches a model."""

    def predict(self, context, model_input: pd.DataFrame):
        return model_input.to_dict("records")


def refused(model, row):
    try:
        model.predict(pd.DataFrame([row]))
    except MlflowException:
        return True
    return False


inputs = Schema([ColSpec("long", "stops"), ColSpec("integer", "km"), ColSpec("boolean", "delayed")])
mlflow.pyfunc.save_model(
    "model", python_model=Echo(), signature=ModelSignature(inputs=inputs), pip_requirements=[]
)
model = mlflow.pyfunc.load_model("model")
app = scoring_server.init(model)
server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical"))
thread = threading.Thread(target=server.run, daemon=True)
thread.start()
while thread.is_alive() and not server.started:
    time.sleep(0.1)
port = server.servers[0].sockets[0].getsockname()[1]


def answer(row):
    connection = HTTPConnection("127.0.0.1", port)
    body = json.dumps({"dataframe_records": [row]})
    connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, json.load(response)


for column, sent, seen in SENT_AND_SEEN:
    row = ROW | {column: sent}
    in_python = refused(model, row)
    status, answered = answer(row)
    print(f"{column}={sent!r}: predict refuses it: {in_python}; the server: {status} {answered}")
    if not in_python or status != 200 or answered["predictions"] != [ROW | {column: seen}]:
        raise SystemExit(f"outdated: {column}={sent!r} is treated otherwise")
EOF
