"""What schemathesis must not take away: the repository, its branches, its tag and its object stay."""

from __future__ import annotations

from typing import Any

import schemathesis

_SPARE = "new"
_NEEDED = {"fuzz", "main", "dev", "v1", "a/1"}
_HARMFUL = {
    ("DELETE", "/api/v1/repositories/{repository}"): "repository",
    ("PUT", "/api/v1/repositories/{repository}/settings/branch_protection"): "repository",
    ("DELETE", "/api/v1/repositories/{repository}/branches/{branch}"): "branch",
    ("PUT", "/api/v1/repositories/{repository}/branches/{branch}/hard_reset"): "branch",
    ("DELETE", "/api/v1/repositories/{repository}/tags/{tag}"): "tag",
    ("DELETE", "/api/v1/repositories/{repository}/branches/{branch}/objects"): "path",
}
"""Operations that take something away, and the parameter that names it."""


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: Any) -> None:
    """Let what takes something away take the spare one."""
    name = _HARMFUL.get((case.method, case.path), "")
    for given in (case.path_parameters, case.query):
        if given and str(given.get(name)) in _NEEDED:
            given[name] = _SPARE
