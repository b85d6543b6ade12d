"""The typed parameters of the DAGs: the form of the UI, and what the REST API accepts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import Param

from include.contract.reserved import PARAMS
from include.exceptions import Misconfigured
from include.excerpt import nearest, quote
from millrace.operators.failures import reporting

_MAX_NAMED = 10
_FOREIGN = ("airflow/", "openlineage")
"""Beginnings of the keys that others put into `conf`: Airflow the detail of traces, and the OpenLineage
provider the parent of a run that `TriggerDagRunOperator` starts."""

_END = r"(?![\s\S])"
"""The end of a text: `$` would let a line break pass in Python, and JavaScript has no `\\Z`."""

_TEXT = rf"^[^\u0000-\u001f\u007f]*{_END}"
"""No control characters: PostgreSQL stores no NUL in JSON, and a line of the ledger stays one line."""


def _day(title: str, description: str) -> Param:
    """Return an optional day: an ISO date from 1900 to 2199 as in the contract, or empty."""
    return Param(
        None,
        type=["null", "string"],
        format="date",
        pattern="^(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}$",
        title=title,
        description=f"{description} From 1900-01-01 to 2199-12-31.",
    )


INTERVAL_PARAMS = {
    "start": _day("First day", "Replaces the schedule's interval; given alone, only this day."),
    "end": _day("Last day", "Included; given alone, only this day."),
}


_REASON: dict[str, Any] = {
    "type": "string",
    "minLength": 3,
    "maxLength": 500,
    "title": "Reason",
    "description": "Recorded in the ledger, as one line.",
}

DECIDE_PARAMS = {
    "quarantine": Param(
        type="string",
        pattern=rf"^quarantine-[\w-]+{_END}",
        maxLength=255,
        title="Quarantine",
        description="The branch that keeps the data, `quarantine-…`, as the red run names it.",
    ),
    "decision": Param(
        type="string",
        enum=["accept", "discard"],
        title="Decision",
        description="accept: publish its days as they are. discard: remove them.",
    ),
    "reason": Param(**_REASON, pattern=rf"^(?=\s*\S){_TEXT[1:]}"),
}
"""Without defaults: nobody decides by leaving a field as it is."""


TRAIN_PARAMS = {
    "reason": Param("requested by hand", **_REASON, pattern=_TEXT),
    "ref": Param(
        None,
        type=["null", "string"],
        minLength=1,
        maxLength=255,
        pattern=rf"^[^\s\u0000-\u001f\u007f]+{_END}",
        title="Data version",
        description="A branch, tag or commit of the lake; empty: the pipeline's branch as it is now.",
    ),
    "until": _day("Last day to learn from", "Empty: the newest partition of that version."),
    "params": Param(
        {},
        type="object",
        propertyNames={
            "maxLength": 250,
            "pattern": rf"^[\w.\-/ ]+{_END}",
            "not": {"enum": sorted(PARAMS)},
        },
        title="Model parameters",
        description="Override `model.params` of pipeline.yaml.",
    ),
}


def check_conf(context: Mapping[str, Any]) -> None:
    """Check the run's `conf` before the first task of a run does anything, see `refuse_unknown`."""
    task = context["task"]
    if not task.upstream_task_ids:
        with reporting(task.log):
            refuse_unknown(context["dag_run"].conf or {}, context["dag"].params)


def refuse_unknown(conf: Mapping[str, Any], params: Mapping[str, Any]) -> None:
    """Raise Misconfigured for keys of a run's `conf` that are not parameters of its DAG.

    Airflow ignores them: a run with `unitl` in place of `until` would learn from everything.
    """
    unknown = [key for key in conf if key not in params and not key.startswith(_FOREIGN)]
    if unknown:
        faults = ", ".join(f"{quote(key)}{_hint(key, params)}" for key in unknown[:_MAX_NAMED])
        allowed = ", ".join(params) or "none"
        raise Misconfigured(
            f"conf: this DAG has no parameter {faults}; start the run again with some of: {allowed}"
        )


def _hint(key: str, params: Mapping[str, Any]) -> str:
    question = nearest(key, params).strip()
    return f" ({question})" if question else ""
