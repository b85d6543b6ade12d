#!/usr/bin/env bash
# Evidently: one wild value in 5,000 hides the drift of the whole column.
#
# Guess: The bins of PSI follow the reference, as the docstring of the function says ("reference
#     quantiles"). A column that moved by one standard deviation drifts, whether or not a sensor wrote 9999
#     once.
# Seen: The bins have equal widths from the smallest to the largest value of both sides together. With one
#     9999 all other values share the first bin: PSI falls from 1.0 to 0.00007, and Jensen-Shannon,
#     Kullback-Leibler and Hellinger fall with it. Each reports that nothing drifted.
# Versions: evidently 0.7.23, numpy 2.4.6, pandas 2.3.3
# Date: 2026-11-29
# Source: evidently/legacy/calculations/stattests/utils.py, get_binned_data: histogram_bin_edges(combined,
#     "sturges"). evidentlyai/evidently#1400 is about the same line: it ignores the number of bins, too.
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --no-compile --disable-pip-version-check \
    evidently==0.7.23 numpy==2.4.6 pandas==2.3.3

export DO_NOT_TRACK=1
venv/bin/python -I -W ignore - <<'EOF'
import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import ValueDrift

METHODS = ("psi", "jensenshannon", "kl_div", "hellinger")


def drift(method, reference, current):
    columns = DataDefinition(numerical_columns=["celsius"])
    sides = [
        Dataset.from_pandas(pd.DataFrame({"celsius": values}), data_definition=columns)
        for values in (current, reference)
    ]
    report = Report([ValueDrift(column="celsius", method=method)], include_tests=True).run(*sides).dict()
    return float(report["metrics"][0]["value"]), report["tests"][0]["status"].value == "FAIL"


rng = np.random.default_rng(0)
winter, spring = rng.normal(5, 5, 5000), rng.normal(10, 5, 5000)
outdated = []
for method in METHODS:
    plain, plain_drifts = drift(method, winter, spring)
    wild, wild_drifts = drift(method, winter, np.append(spring, 9999.0))
    print(f"{method:14} without 9999: {plain:.5f} drift={plain_drifts}, with: {wild:.5f} drift={wild_drifts}")
    if not plain_drifts or wild_drifts:
        outdated.append(method)
if outdated:
    raise SystemExit(f"outdated: one wild value no longer hides the drift from {', '.join(outdated)}")
EOF
