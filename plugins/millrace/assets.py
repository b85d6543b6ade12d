"""Assets for branches of the lake that other systems change."""

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
    """Return the asset of a branch that Airflow watches: every commit on the branch is an asset event.

        with DAG("on_commit", schedule=branch_asset("flights")):
            ...

    The event's `extra["payload"]` is `{repository, branch, commit, created}`. The triggerer polls every
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
