"""Assets of the lake that other systems change."""

from __future__ import annotations

from airflow.sdk import Asset, AssetWatcher

from millrace.hooks.lakefs import LakeFSHook


def branch_asset(
    repository: str,
    branch: str = "main",
    *,
    lakefs_conn_id: str = LakeFSHook.default_conn_name,
    poll_interval: float = 15.0,
) -> Asset:
    """A branch of the lake as an asset that Airflow watches: every commit on it is an event.

    A DAG with `schedule=branch_asset("flights")` runs for what anybody commits or merges there. The event's
    `extra["payload"]` is `{repository, branch, commit, created}`. The triggerer looks every `poll_interval`
    seconds; where lakeFS can call Airflow, its webhook does without looking (docs/lakefs.md).
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
