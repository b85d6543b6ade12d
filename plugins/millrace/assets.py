"""Assets for branches of the lake that other systems change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow.sdk import Asset, AssetWatcher

from millrace.hooks.lakefs import LakeFSHook


def branch_asset(
    repository: str,
    branch: str = "main",
    *,
    lakefs_conn_id: str = LakeFSHook.default_conn_name,
    poll_interval: float = 15.0,
) -> Asset:
    """Return the asset of a branch that Airflow watches: the commits of each poll are an asset event.

        with DAG("on_commit", schedule=branch_asset("flights")):
            ...

    The event's `extra["payload"]` is `{repository, branch, commit, created, commits}`: the newest commit, and
    all since the last event, oldest first; `handed_commits` reads them. The triggerer polls every
    `poll_interval` seconds; if lakeFS can reach Airflow, a webhook needs no polling (docs/lakefs.md).
    """
    from millrace.triggers.lakefs import LakeFSBranchTrigger

    uri = f"lakefs://{repository}/{branch}"
    trigger = LakeFSBranchTrigger(
        repository=repository,
        branch=branch,
        asset=uri,
        lakefs_conn_id=lakefs_conn_id,
        poll_interval=poll_interval,
    )
    return Asset(uri, watchers=[AssetWatcher(name=f"commits of {repository}/{branch}", trigger=trigger)])


def handed_commits(events: Iterable[Any]) -> list[str]:
    """Return the commits in a run's events of a branch, each once, oldest first: the last one is the newest.

        handed_commits(triggering_asset_events[branch_asset("flights")])  # ["4f1c…", "a07b…"]

    The events may come from the watcher or from lakeFS's webhook. Airflow hands them over in no certain
    order, and may hand over a commit twice.
    """
    extras = [event.extra for event in sorted(events, key=lambda event: event.timestamp)]
    payloads = [extra.get("payload", extra) for extra in extras]
    commits = [commit for payload in payloads for commit in payload.get("commits", [payload["commit"]])]
    return list(dict.fromkeys(reversed(commits)))[::-1]  # of a commit that came twice, the later place counts
