#!/usr/bin/env bash
# fairlearn: a perfect model is as unfair as a model can be, where a group has no positives.
#
# Guess: The true positive rate of a group without positives is undefined: NaN, with a warning, and left out
#     of the differences between groups.
# Seen: It is 0.0, without a warning. The difference to the other groups is then 1.0, the worst possible,
#     for a model that predicts every row rightly. A gate on equalized odds rejects each candidate on a day
#     on which a small group has no positives. The false positive rate of a group without negatives is 0.0,
#     too: there it flatters.
# Versions: fairlearn 0.15.0, scikit-learn 1.9.1, pandas 2.3.3, numpy 2.4.6
# Date: 2026-11-29
# Source: fairlearn/metrics/_base_metrics.py, true_positive_rate: confusion_matrix(…, normalize="true") of
#     scikit-learn turns 0/0 into 0
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --no-compile --disable-pip-version-check \
    fairlearn==0.15.0 scikit-learn==1.9.1 pandas==2.3.3 numpy==2.4.6

venv/bin/python -I - <<'EOF'
import warnings

from fairlearn.metrics import MetricFrame, equalized_odds_difference, false_positive_rate, true_positive_rate

LABELS = [1, 1, 0, 0] + [0, 0] + [1, 1]
PREDICTIONS = LABELS
GROUPS = ["mixed"] * 4 + ["no positives"] * 2 + ["no negatives"] * 2

with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    rates = MetricFrame(
        metrics={"tpr": true_positive_rate, "fpr": false_positive_rate},
        y_true=LABELS,
        y_pred=PREDICTIONS,
        sensitive_features=GROUPS,
    )
    difference = equalized_odds_difference(LABELS, PREDICTIONS, sensitive_features=GROUPS)

print(rates.by_group.to_string())
print(f"equalized odds difference of a perfect model: {difference}; warnings: {len(warned)}")
if rates.by_group.loc["no positives", "tpr"] != 0.0 or rates.by_group.loc["no negatives", "fpr"] != 0.0:
    raise SystemExit("outdated: an undefined rate is no longer 0.0")
if difference != 1.0:
    raise SystemExit("outdated: an undefined rate no longer counts as a difference")
if warned:
    raise SystemExit("outdated: there is a warning now")
EOF
