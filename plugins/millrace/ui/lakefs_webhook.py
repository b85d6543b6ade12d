"""The way in for lakeFS's webhooks: a commit on a branch becomes an asset event.

lakeFS sends a body of its own, which Airflow's `POST /api/v2/assets/events` does not take; and the hook
for Airflow that lakeFS has calls an API that Airflow removed. So this route takes lakeFS's body, finds the
asset, and does what that endpoint does, for the same tokens and the same rights. (Airflow does not guard
what a plugin mounts: the dependencies below do.) docs/lakefs.md tells how to set it up.

Body: https://docs.lakefs.io/howto/hooks/webhooks.html
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.datamodels.assets import CreateAssetEventsBody
from airflow.api_fastapi.core_api.routes.public.assets import create_asset_event
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_asset
from airflow.api_fastapi.logging.decorators import action_logging
from airflow.models.asset import AssetEvent, AssetModel
from fastapi import Depends, FastAPI, HTTPException, Query
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

_LATEST = 100
"""Events of an asset among which one that lakeFS sends again is recognised."""


class LakeFSEvent(BaseModel):
    """What lakeFS says of a commit that a branch got; it may say more."""

    event_type: Literal["post-commit", "post-merge", "post-revert", "post-cherry-pick"]
    event_time: str
    repository_id: str = Field(min_length=1)
    branch_id: str = Field(min_length=1)
    commit_id: str = Field(min_length=1)
    merge_source: str = ""
    committer: str = ""

    @property
    def asset(self) -> str:
        """The URI of the branch, as `millrace.assets.branch_asset` has it."""
        return f"lakefs://{self.repository_id}/{self.branch_id}"

    def extra(self) -> dict[str, str]:
        """What goes on the asset event."""
        return {
            "repository": self.repository_id,
            "branch": self.branch_id,
            "commit": self.commit_id,
            "created": self.event_time,
            "merge_source": self.merge_source,
            "committer": self.committer,
        }


class Noted(BaseModel):
    """The answer: which asset event stands for the commit, and whether this request made it."""

    asset: str
    event_id: int
    created: bool


app = FastAPI(title="Millrace", docs_url=None, redoc_url=None, openapi_url=None)


@app.post(
    "/lakefs/events", dependencies=[Depends(requires_access_asset(method="POST")), Depends(action_logging())]
)
def lakefs_event(
    body: LakeFSEvent, session: SessionDep, user: GetUserDep, asset: Annotated[str, Query()] = ""
) -> Noted:
    """Make an asset event of a commit, once; the asset is the branch unless the query names another URI."""
    uri = asset or body.asset
    found = session.scalar(select(AssetModel).where(AssetModel.uri == uri, AssetModel.active.has()))
    if found is None:
        raise HTTPException(
            404, f"no DAG has an asset {uri!r}; schedule one by it, or mend `asset` in the query"
        )
    if (known := _known(session, found.id, body.commit_id)) is not None:
        return Noted(asset=uri, event_id=known, created=False)
    made: Any = create_asset_event(
        CreateAssetEventsBody(asset_id=found.id, extra=body.extra()), session=session, user=user
    )
    return Noted(asset=uri, event_id=made.id, created=True)


def _known(session: Session, asset_id: int, commit: str) -> int | None:
    """The event that an earlier request made of a commit."""
    latest = select(AssetEvent).where(AssetEvent.asset_id == asset_id).order_by(AssetEvent.id.desc())
    events = session.scalars(latest.limit(_LATEST))
    return next((event.id for event in events if (event.extra or {}).get("commit") == commit), None)
