"""Models that cannot be stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import indent

from include.exceptions import Misconfigured
from include.modelling.estimator import build, fit, storing_model, trusted_types
from include.tracking.storage import save_estimator
from tests.wrong_inputs.model_code import ESTIMATOR, frame, model, target, written
from tests.wrong_inputs.table import rows


def storing(kept: str, extra: str = "") -> Callable[[Path], object]:
    """A model that keeps something of its own."""
    code = ESTIMATOR.format(fit=indent(kept, " " * 8), proba=" " * 8 + "return good") + extra

    def store(tmp: Path) -> None:
        folder = written(tmp, code)
        estimator = build(folder, model())
        fit(estimator, frame(), target(), folder)
        with storing_model(folder):
            stored = str(tmp / "stored")
            save_estimator(estimator, stored, example=frame().head(3), trusted_types=trusted_types(folder))

    return store


REFUSED = "the model cannot be stored in skops format"
GETSTATE = "\n\ndef state(self):\n    raise ValueError(self.row)\n\n\nOdd.__getstate__ = state\n"
TRUSTED = "\n\nTRUSTED_TYPES = [__name__ + '.Odd']\n"

WRONG = rows(
    "stored model",
    ("its own class is not trusted", storing("pass"), Misconfigured, "Add a type to TRUSTED_TYPES of the"),
    ("a lambda", storing("self.f = lambda x: x", TRUSTED), Misconfigured, REFUSED),
    ("a generator", storing("self.f = (x for x in X)", TRUSTED), Misconfigured, REFUSED),
    (
        "a lock",
        storing("import threading\nself.f = threading.Lock()", TRUSTED),
        Misconfigured,
        "_thread.lock",
    ),
    ("a module", storing("self.f = np", TRUSTED), Misconfigured, REFUSED),
    ("a state that quotes a row", storing("self.row = X['kind'].iloc[0]", GETSTATE), Misconfigured, REFUSED),
    (
        "a type that is not known",
        storing("self.f = __import__('collections').Counter()", TRUSTED),
        Misconfigured,
        "collections.Counter",
    ),
)
