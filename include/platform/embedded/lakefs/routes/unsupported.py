"""Operations of lakeFS's specification that this server does not support: it answers 501."""

from __future__ import annotations

from fastapi import APIRouter, Request

from include.platform.embedded.lakefs.errors import NotSupported

_IN_REPOSITORY = (
    "/branch_protection",
    "/branch_protection/set_allowed",
    "/branches/{branch}/import",
    "/branches/{branch}/staging/{rest:path}",
    "/dump",
    "/gc/{rest:path}",
    "/metadata/{kind}/{rest:path}",
    "/pulls/{rest:path}",
    "/refs/dump",
    "/refs/restore",
    "/restore",
)
_OF_THE_SERVER = (
    "/auth/{rest:path}",
    "/config/garbage-collection",
    "/oidc/callback",
    "/setup_comm_prefs",
    "/statistics",
    "/sts/login",
    "/usage-report/summary",
)
_FEW_METHODS = {
    "/repositories/{repository}/branches/{branch}/objects": ["PUT"],
    "/repositories/{repository}/commits": ["POST"],
    "/repositories/{repository}/pulls": ["POST"],
    "/repositories/{repository}/settings/gc_rules": ["PUT", "DELETE"],
}
router = APIRouter(include_in_schema=False)


def not_supported(request: Request) -> None:
    """Raise NotSupported, naming the operation."""
    path = request.url.path.removeprefix("/api/v1")
    raise NotSupported(f"{request.method} {path} is not supported by the embedded lake; use a lakeFS server")


for _path in (*_OF_THE_SERVER, *("/repositories/{repository}" + path for path in _IN_REPOSITORY)):
    _FEW_METHODS[_path] = ["GET", "POST", "PUT", "PATCH", "DELETE"]
for _path, _methods in _FEW_METHODS.items():
    router.add_api_route(_path, not_supported, methods=_methods)
