"""Imports: one commit per import, which a retry after a kill finds again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO

import pytest

from include.exceptions import Transient
from include.lake.client import Lake
from include.lake.idempotency import CommitResult
from include.lake.object_import import import_objects
from include.run_identity import RunIdentity

RUN = RunIdentity(dag_id="orders.fill", run_id="r1")
SECOND = replace(RUN, try_number=2)
SOURCES = {"s3://bucket/day/": "t/"}


class Killed(Exception):
    """The process ends here."""


class Importing(Lake):
    """The embedded lake, as if it had a storage to import from: every source holds one object, its URI."""

    def start_import(
        self, branch: str, sources: Mapping[str, str], message: str, metadata: dict[str, str]
    ) -> str:
        for uri, path in sources.items():
            self.upload(branch, f"{path}x", BytesIO(uri.encode()))
        self.commit(branch, message, metadata, allow_empty=True)  # as lakeFS: also where nothing changed
        return "1"


@pytest.fixture
def importing(lake: Lake) -> Importing:
    return Importing(lake.connection, lake.repository)


def at_once(branch: str, number: str) -> None:
    """The import is complete already."""


def killed(branch: str, number: str) -> None:
    raise Killed


def taken(lake: Lake, run: RunIdentity = RUN, step: str = "fill") -> CommitResult:
    return import_objects(lake, "main", SOURCES, run=run, step=step, message="a day", wait=at_once)


def messages(lake: Lake) -> list[str]:
    return [commit.message for commit in lake.log("main")]


def test_an_import_is_one_commit_that_says_who_made_it(importing: Importing) -> None:
    result = taken(importing)
    commit = importing.get_commit("main")
    assert (result, commit.message, len(commit.parents)) == (
        CommitResult(commit.id, changed=True),
        "a day",
        1,
    )
    assert commit.metadata.items() >= {"run_id": "r1", "step": "fill"}.items()
    assert importing.download("main", "t/x") == b"s3://bucket/day/"
    assert list(importing.list_branches()) == ["main"]


def test_a_try_after_success_finds_it_also_when_more_was_committed(importing: Importing) -> None:
    first = taken(importing)
    importing.commit("main", "later", {}, allow_empty=True)
    assert taken(importing, SECOND) == first
    assert messages(importing)[:2] == ["later", "a day"]


def test_a_try_after_a_kill_imports_anew_and_leaves_one_commit(importing: Importing) -> None:
    with pytest.raises(Killed):
        import_objects(importing, "main", SOURCES, run=RUN, step="fill", message="a day", wait=killed)
    left = [name for name in importing.list_branches() if name != "main"]
    assert (len(left), messages(importing).count("a day")) == (1, 0)
    assert taken(importing, SECOND).changed
    assert (messages(importing).count("a day"), list(importing.list_branches())) == (1, ["main"])


def test_what_is_there_already_changes_nothing(importing: Importing) -> None:
    first = taken(importing)
    assert taken(importing, step="again") == CommitResult(first.commit, changed=False)


def test_an_import_that_fails_leaves_nothing(importing: Importing) -> None:
    def fail(branch: str, number: str) -> None:
        raise Transient("storage is away")

    with pytest.raises(Transient, match="storage is away"):
        import_objects(importing, "main", SOURCES, run=RUN, step="fill", message="a day", wait=fail)
    assert (messages(importing).count("a day"), list(importing.list_branches())) == (0, ["main"])
