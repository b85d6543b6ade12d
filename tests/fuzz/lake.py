"""The embedded lake and what schemathesis needs in it."""

from __future__ import annotations

from tests.fuzz.schemathesis import Outcome, run
from tests.support.contract import Wire
from tests.support.lake import LakeServer

REPOSITORY = "fuzz"


def fuzz_lake(server: LakeServer, *options: str) -> Outcome:
    """Send requests to every operation that the server describes."""
    prepare(server)
    schema = f"{server.connection.endpoint}/openapi.json"
    return run(schema, "lake.toml", Wire(server.connection).basic(), *options)


def prepare(server: LakeServer) -> Wire:
    """Make the repository whose names `lake.toml` has: two branches, a tag, and objects to read."""
    lakefs = Wire(server.connection)
    made = lakefs.post("/repositories", {"name": REPOSITORY, "storage_namespace": f"local://{REPOSITORY}"})
    assert made.status == 201, made
    wire = lakefs.under("repositories", REPOSITORY)
    wire.post("/branches/main/objects", content=b"x", path="a/1")
    wire.post("/branches/main/commits", {"message": "main"})
    wire.post("/branches", {"name": "dev", "source": "main"})
    wire.post("/branches/dev/objects", content=b"y", path="a/2")
    wire.post("/branches/dev/commits", {"message": "dev"})
    assert wire.post("/tags", {"id": "v1", "ref": "main"}).status == 201
    return wire
