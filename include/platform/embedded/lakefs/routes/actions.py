"""Runs of a repository's actions."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Response

from include.platform.embedded.lakefs import responses, shapes
from include.platform.embedded.lakefs.errors import BadRequest, NotFound
from include.platform.embedded.lakefs.repository import Store
from include.platform.embedded.lakefs.routes.requests import Amount, Content, InStore
from include.platform.embedded.lakefs.runs import HookRun, Run, Runs

router = APIRouter(prefix="/repositories/{repository}/actions/runs")
_NEVER = "0001-01-01T00:00:00Z"
"""The start of a hook that was skipped, as lakeFS shows it."""


@router.get("")
def list_runs(
    store: InStore, after: str = "", amount: Amount = 100, branch: str = "", commit: str = ""
) -> shapes.Page[shapes.ActionRun]:
    if branch and commit:
        raise BadRequest("runs are listed by branch or by commit, not by both")
    rows = Runs(store.database).newest(store.facts.name, after, branch, commit, responses.MAX_PER_PAGE + 1)
    return responses.page(rows, amount, _run, lambda run: run.id)


@router.get("/{run_id}")
def get_run(store: InStore, run_id: str) -> shapes.ActionRun:
    return _run(_found(store, run_id))


@router.get("/{run_id}/hooks")
def list_run_hooks(
    store: InStore, run_id: str, after: str = "", amount: Amount = 100
) -> shapes.Page[shapes.HookRun]:
    hooks = (hook for hook in _found(store, run_id).hooks if hook.hook_run_id > after)
    return responses.page(hooks, amount, _hook, lambda hook: hook.hook_run_id)


@router.get("/{run_id}/hooks/{hook_run_id}/output", response_class=Content)
def get_hook_output(store: InStore, run_id: str, hook_run_id: str) -> Response:
    hooks = _found(store, run_id).hooks
    output = next((hook.output for hook in hooks if hook.hook_run_id == hook_run_id), None)
    if output is None:
        raise NotFound(f"hook run {hook_run_id!r} of run {run_id!r} not found")
    return Content(output)


def _found(store: Store, run_id: str) -> Run:
    run = Runs(store.database).find(store.facts.name, run_id)
    if run is None:
        raise NotFound(f"run {run_id!r} not found")
    return run


def _run(run: Run) -> shapes.ActionRun:
    return {
        "run_id": run.id,
        "branch": run.branch,
        "commit_id": run.commit_id,
        "event_type": run.event_type,
        "start_time": _time(min((hook.started for hook in run.hooks if hook.started), default=None)),
        "end_time": _time(max((hook.ended for hook in run.hooks if hook.ended), default=None)),
        "status": "completed" if run.passed else "failed",
    }


def _hook(hook: HookRun) -> shapes.HookRun:
    shown: shapes.HookRun = {
        "hook_run_id": hook.hook_run_id,
        "action": hook.action,
        "hook_id": hook.hook_id,
        "start_time": _time(hook.started),
        "status": "skipped" if hook.started is None else "failed" if hook.failure else "completed",
    }
    return {**shown, "end_time": _time(hook.ended)} if hook.ended else shown


def _time(moment: float | None) -> str:
    return _NEVER if moment is None else datetime.fromtimestamp(moment, UTC).isoformat()
