"""Health, setup, configuration and login."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from include.platform.embedded.lakefs import shapes
from include.platform.embedded.lakefs.auth import COOKIE
from include.platform.embedded.lakefs.description import refusals
from include.platform.embedded.lakefs.errors import AlreadyExists
from include.platform.embedded.lakefs.routes.requests import Body

VERSION = "1.84.0"
"""The version of lakeFS whose behaviour this server reproduces."""

PUBLIC = "public"
public = APIRouter(tags=[PUBLIC])
"""Routes that need no authentication."""

router = APIRouter()


class LoginInformation(Body):
    access_key_id: str
    secret_access_key: str


@public.get("/healthcheck", status_code=204, response_class=Response)
def healthcheck() -> None:
    """Answer 204 while the server is up."""


@public.get("/setup_lakefs")
def setup_state() -> shapes.SetupState:
    login: shapes.LoginConfig = {
        "RBAC": "none",
        "login_url": "",
        "login_cookie_names": [COOKIE],
        "logout_url": "",
    }
    return {"state": "initialized", "comm_prefs_missing": False, "login_config": login}


@public.post("/setup_lakefs", responses=refusals(409))
def setup() -> None:
    raise AlreadyExists("lakeFS already initialized")


@public.post("/auth/login", responses=refusals(400, 401, 413))
def login(request: Request, response: Response, body: LoginInformation) -> shapes.AuthenticationToken:
    token, expires = request.app.state.users.login(body.access_key_id, body.secret_access_key)
    response.set_cookie(COOKIE, token, expires=expires, httponly=True, samesite="strict")
    return {"token": token, "token_expiration": expires}


@router.get("/user")
def current_user(request: Request) -> shapes.CurrentUser:
    return {"user": {"id": request.state.keys.user, "creation_date": 0}}


@router.get("/config/version")
def version() -> shapes.VersionConfig:
    return {"version": VERSION}


@router.get("/config/storage")
def storage() -> shapes.StorageConfig:
    return {
        "blockstore_type": "local",
        "blockstore_namespace_example": "local://example-bucket/",
        "blockstore_namespace_ValidityRegex": "^local://",
        "default_namespace_prefix": "local://",
        "pre_sign_support": False,
        "pre_sign_support_ui": False,
        "pre_sign_multipart_upload": False,
        "import_support": False,
        "import_validity_regex": "^local://",
    }


@router.get("/config")
def config() -> shapes.Config:
    return {"version_config": version(), "storage_config": storage()}
