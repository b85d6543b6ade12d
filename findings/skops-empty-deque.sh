#!/usr/bin/env bash
# skops: a fitted estimator that keeps a deque comes back with an empty one.
#
# Guess: An object that skops.io dumps and loads without an error is the same as before.
# Seen: The items of a collections.deque are lost; its length limit is lost, too. get_untrusted_types names
#     the deque among the types to review, the estimator loads, check_is_fitted passes, and predict answers
#     from nothing. MLflow's flavour for scikit-learn stores models with skops by default.
# Versions: skops 0.16.0, scikit-learn 1.9.1, numpy 2.4.6
# Date: 2026-11-29
# Source: skops/io/_general.py, object_get_state: of what __reduce__ gives, the items of a sequence are not
#     stored
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --no-compile --disable-pip-version-check \
    skops==0.16.0 scikit-learn==1.9.1 numpy==2.4.6

venv/bin/python -I - <<'EOF'
import pickle
from collections import deque

from skops.io import dumps, get_untrusted_types, loads
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted


class LastDays(RegressorMixin, BaseEstimator):
    """Predict the sum of the last three targets."""

    def fit(self, X, y):
        self.window_ = deque(y, maxlen=3)
        return self

    def predict(self, X):
        check_is_fitted(self)
        return [sum(self.window_)] * len(X)


model = LastDays().fit([[1], [2], [3], [4]], [10, 20, 30, 40])
stored = dumps(model)
loaded = loads(stored, trusted=get_untrusted_types(data=stored))
print(f"before: {model.window_} predicts {model.predict([[5]])}")
print(f"skops:  {loaded.window_} predicts {loaded.predict([[5]])}")
print(f"pickle: {pickle.loads(pickle.dumps(model)).window_}")
if model.predict([[5]]) != [90] or loaded.predict([[5]]) != [0]:
    raise SystemExit("outdated: the deque keeps its items")
EOF
