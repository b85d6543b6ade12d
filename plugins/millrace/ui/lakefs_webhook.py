"""Route for lakeFS's webhooks: a commit on a branch becomes an asset event.

Airflow's `POST /api/v2/assets/events` does not accept the body of a lakeFS webhook. This route accepts it,
finds the asset and does what that endpoint does, with the same tokens and permissions. Airflow does not
authenticate requests to apps that a plugin mounts, so the dependencies below do:
https://github.com/apache/airflow/pull/72655

Drop once lakeFS's own hook for Airflow no longer calls the REST API that Airflow 3 removed:
https://docs.lakefs.io/latest/howto/hooks/airflow

Setup: docs/lakefs.md. Body of a webhook: https://docs.lakefs.io/howto/hooks/webhooks.html
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.datamodels.assets import CreateAssetEventsBody
from airflow.api_fastapi.core_api.openapi.exceptions import create_openapi_http_exception_doc
from airflow.api_fastapi.core_api.routes.public.assets import create_asset_event
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_asset
from airflow.api_fastapi.logging.decorators import action_logging
from airflow.models.asset import AssetEvent, AssetModel
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.middleware.base import RequestResponseEndpoint

_MAX_SEARCHED_EVENTS = 100
"""Latest events of an asset that are searched for a commit that lakeFS sends a second time."""


_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
"""PostgreSQL stores no NUL, and the others have no meaning in a name."""
_MAX_URI = 1500
"""The length of the column in Airflow's database."""

Text = Annotated[str, Field(max_length=500, pattern=_PRINTABLE)]
Name = Annotated[str, Field(min_length=1, max_length=500, pattern=_PRINTABLE)]


class LakeFSEvent(BaseModel):
    """Body of a lakeFS webhook about a new commit on a branch; additional fields are ignored."""

    event_type: Literal["post-commit", "post-merge", "post-revert", "post-cherry-pick"]
    event_time: Text
    repository_id: Name
    branch_id: Name
    commit_id: Name
    merge_source: Text = ""
    committer: Text = ""

    @property
    def asset(self) -> str:
        """URI of the branch's asset, as `millrace.assets.branch_asset` makes it."""
        return f"lakefs://{self.repository_id}/{self.branch_id}"

    def extra(self) -> dict[str, str]:
        """Return the `extra` of the asset event."""
        return {
            "repository": self.repository_id,
            "branch": self.branch_id,
            "commit": self.commit_id,
            "created": self.event_time,
            "merge_source": self.merge_source,
            "committer": self.committer,
        }


class AssetEventResponse(BaseModel):
    """Response: the asset event of the commit; `created` is false if an earlier request created it."""

    asset: str
    event_id: int
    created: bool


_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
"""The responses are for programs: a browser that a link leads here runs nothing in Airflow's origin."""

app = FastAPI(title="Millrace", docs_url=None, redoc_url=None, openapi_url=None)


@app.middleware("http")
async def _confine(request: Request, call_next: RequestResponseEndpoint) -> Response:
    response = await call_next(request)
    response.headers.update(_HEADERS)
    return response


@app.exception_handler(RequestValidationError)
async def _refuse(_: Request, error: RequestValidationError) -> JSONResponse:
    """Answer as FastAPI does, without the values, which may be text that no response can hold."""
    faults = [{name: fault[name] for name in ("loc", "msg", "type")} for fault in error.errors()]
    return JSONResponse({"detail": faults}, 422)


@app.post(
    "/lakefs/events",
    dependencies=[Depends(requires_access_asset(method="POST")), Depends(action_logging())],
    responses=create_openapi_http_exception_doc([400, 401, 403, 404]),
)
def lakefs_event(
    body: LakeFSEvent,
    session: SessionDep,
    user: GetUserDep,
    asset: Annotated[str, Query(max_length=_MAX_URI, pattern=_PRINTABLE)] = "",
) -> AssetEventResponse:
    """Create the asset event of a commit once; the query can name another asset than the branch's."""
    uri = asset or body.asset
    model = session.scalar(select(AssetModel).where(AssetModel.uri == uri, AssetModel.active.has()))
    if model is None:
        raise HTTPException(
            404, f"no DAG has an asset {uri!r}; schedule a DAG by it, or correct `asset` in the query"
        )
    if (event_id := _find_event(session, model.id, body.commit_id)) is not None:
        return AssetEventResponse(asset=uri, event_id=event_id, created=False)
    event: Any = create_asset_event(
        CreateAssetEventsBody(asset_id=model.id, extra=body.extra()), session=session, user=user
    )
    return AssetEventResponse(asset=uri, event_id=event.id, created=True)


def _find_event(session: Session, asset_id: int, commit: str) -> int | None:
    """Return the id of the event that an earlier request created for a commit; None without one."""
    latest = select(AssetEvent).where(AssetEvent.asset_id == asset_id).order_by(AssetEvent.id.desc())
    events = session.scalars(latest.limit(_MAX_SEARCHED_EVENTS))
    return next((event.id for event in events if (event.extra or {}).get("commit") == commit), None)
