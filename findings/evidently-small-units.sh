#!/usr/bin/env bash
# Evidently: a column in small units never drifts by its default distance.
#
# Guess: The normed Wasserstein distance divides by the standard deviation of the reference, so that it has
#     no unit: a risk drifts alike whether it is written as a share or as cases in 100,000.
# Seen: It divides by max(standard deviation, 0.001). Risks that quadruple, 4 standard deviations away, have
#     a distance of 0.06 as shares, below the default threshold of 0.1, and of 4 as cases in 100,000. Scores
#     of models of rare events, small currencies and lengths in kilometres are hit.
# Versions: evidently 0.7.23, numpy 2.4.6, pandas 2.3.3
# Date: 2026-11-29
# Source: evidently/legacy/calculations/stattests/wasserstein_distance_norm.py, _wasserstein_distance_norm
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


def distance(reference, current):
    columns = DataDefinition(numerical_columns=["risk"])
    sides = [
        Dataset.from_pandas(pd.DataFrame({"risk": values}), data_definition=columns)
        for values in (current, reference)
    ]
    report = Report([ValueDrift(column="risk")], include_tests=True).run(*sides).dict()
    return float(report["metrics"][0]["value"]), report["tests"][0]["status"].value == "FAIL"


rng = np.random.default_rng(0)
before, after = rng.beta(2, 99_998, 5000), rng.beta(8, 99_992, 5000)
print(f"mean risk before {before.mean():.6f}, after {after.mean():.6f}")
as_share, share_drifts = distance(before, after)
as_cases, cases_drift = distance(before * 100_000, after * 100_000)
print(f"as a share:          distance {as_share:.3f} drift={share_drifts}")
print(f"as cases in 100,000: distance {as_cases:.3f} drift={cases_drift}")
if share_drifts or not cases_drift:
    raise SystemExit("outdated: the distance no longer depends on the unit")
EOF
