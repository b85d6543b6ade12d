"""The embedded server conforms to lakeFS's published API for all valid requests, except what is missing."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from tests.support.compatibility import PAGE, covered, missing, page
from tests.support.contract import Wire
from tests.support.lake import LakeServer
from tests.support.published import Operation, openapi, operations

MISSING = [operation for operation in operations() if operation.name not in covered()]
KNOWN = {
    **dict.fromkeys(("ref", "branch", "commitId", "leftRef", "destinationBranch"), "main"),
    **dict.fromkeys(("rightRef", "sourceRef"), "dev"),
    "tag": "v1",
    "path": "a/1",
}
"""Values of parameters that exist on the server; a request uses some of them."""

published = schemathesis.openapi.from_dict(openapi(set(covered())))


@pytest.fixture
def repository(lake_server: LakeServer) -> str:
    """A repository with two branches, a tag and objects."""
    name = f"published-{uuid4().hex[:12]}"
    lakefs = Wire(lake_server.connection)
    assert lakefs.post("/repositories", {"name": name, "storage_namespace": f"local://{name}"}).status == 201
    wire = lakefs.under("repositories", name)
    wire.post("/branches", {"name": "dev", "source": "main"})
    wire.post("/tags", {"id": "v1", "ref": "main"})
    for branch in ("main", "dev"):
        wire.post(f"/branches/{branch}/objects", content=b"x", path="a/1")
        wire.post(f"/branches/{branch}/commits", {"message": branch})
    return name


@published.given(known=st.sets(st.sampled_from(sorted(KNOWN))))
@published.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_any_request_gets_a_published_answer(
    case: Case[Any], known: set[str], repository: str, lake_server: LakeServer
) -> None:
    connection = lake_server.connection
    parameters: dict[str, Any] = {name: KNOWN[name] for name in known}
    for given in (case.path_parameters, case.query):
        given.update({name: parameters[name] for name in given.keys() & parameters.keys()})
    if "repository" in case.path_parameters:
        case.path_parameters["repository"] = repository
    keys = {"Authorization": Wire(connection).basic()}
    answer = case.call(base_url=f"{connection.endpoint}/api/v1", headers=keys)
    assert answer.status_code != 500
    if answer.status_code != 501:  # what is missing is listed in docs/lakefs-compatibility.md
        case.validate_response(answer, checks=[status_code_conformance, response_schema_conformance])


@pytest.mark.parametrize("operation", MISSING, ids=lambda operation: operation.name)
def test_an_operation_without_a_contract_test_is_not_implemented(
    operation: Operation, lake_server: LakeServer
) -> None:
    path = operation.path.replace("{type}", "commit")
    for place, name, _ in operation.parameters:
        path = path.replace("{" + name + "}", "1" if place == "path" else "")
    answer = Wire(lake_server.connection).ask(operation.method, path, {})
    assert answer.refused == 501
    assert "lakeFS server" in answer.body["message"]


def test_marks_name_published_operations() -> None:
    names = {operation.name for operation in operations()}
    assert len(names) > 100
    assert covered().keys() | missing().keys() <= names
    assert missing().keys() <= covered().keys()


def test_the_compatibility_page_is_current() -> None:
    assert PAGE.read_text() == page(), "run `make generate WHAT=compatibility`"
