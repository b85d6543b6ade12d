"""The typed parameters of the DAGs: the form of the UI, and what the REST API accepts."""

from __future__ import annotations

from airflow.sdk import Param


def _day(title: str, description: str) -> Param:
    """Return an optional day: an ISO date, or empty."""
    return Param(None, type=["null", "string"], format="date", title=title, description=description)


INTERVAL_PARAMS = {
    "start": _day("First day", "Replaces the schedule's interval; given alone, only this day."),
    "end": _day("Last day", "Included; given alone, only this day."),
}


TRAIN_PARAMS = {
    "reason": Param(
        "requested by hand",
        type="string",
        minLength=3,
        maxLength=500,
        title="Reason",
        description="Recorded in the ledger.",
    ),
    "ref": Param(
        None,
        type=["null", "string"],
        minLength=1,
        title="Data version",
        description="A branch, tag or commit of the lake; empty: the pipeline's branch as it is now.",
    ),
    "until": _day("Last day to learn from", "Empty: the newest partition of that version."),
    "params": Param(
        {}, type="object", title="Model parameters", description="Override `model.params` of pipeline.yaml."
    ),
}
