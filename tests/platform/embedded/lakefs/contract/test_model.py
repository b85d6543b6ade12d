"""Any sequence of uploads, deletions, branches, tags, commits, merges, reverts, picks and resets has the
same result as in a model made of dicts, on the embedded server and on a real one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, Phase, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from lakefs_client.exceptions import ApiException
from lakefs_client.model.cherry_pick_creation import CherryPickCreation
from lakefs_client.model.commit_overrides import CommitOverrides
from lakefs_client.model.reset_creation import ResetCreation
from lakefs_client.model.revert_creation import RevertCreation
from lakefs_client.model.tag_creation import TagCreation

from include.lake.client import Lake, LakeConnection
from include.platform.embedded.lakefs import tree
from include.platform.embedded.lakefs.tree import Entry
from tests.support.repo import Repo, client_of

Content = dict[str, bytes]
STRATEGIES = st.sampled_from(["", "", "source-wins", "dest-wins"])


def paths_around_the_ends_of_ranges() -> list[str]:
    """Return names that end a range, and their neighbours, so that few objects make many ranges."""
    names = [f"a/{number:04}" for number in range(800)]
    edits = [(name, Entry(name, "", 0, "", 0)) for name in names]
    ends = [span.last for span in tree.apply([], edits, load=lambda _: (), save=lambda *_: None)[:3]]
    return sorted({near for end in ends for near in (end[:-1], end, end + "/x")})


EDITS = st.dictionaries(
    st.sampled_from(paths_around_the_ends_of_ranges()),
    st.sampled_from([b"1", b"2", None]),
    min_size=1,
    max_size=4,
)
"""Contents of objects that are written together; None deletes."""


@dataclass
class Commit:
    """A commit in the model."""

    content: Content
    parents: tuple[str, ...] = ()
    ancestors: set[str] = field(default_factory=set)


def changes(left: Content, right: Content) -> dict[str, str]:
    kinds = {(False, True): "added", (True, False): "removed", (True, True): "changed"}
    return {
        path: kinds[path in left, path in right]
        for path in sorted(left.keys() | right.keys())
        if left.get(path) != right.get(path)
    }


def brought(base: Content, theirs: Content, mine: Content, strategy: str = "") -> Content | None:
    """Apply to `mine` what `theirs` changed since `base`; return None for a conflict."""
    new = changes(base, theirs)
    clash = {path for path in new if mine.get(path) not in (base.get(path), theirs.get(path))}
    if clash and not strategy:
        return None
    taken = new.keys() - (clash if strategy == "dest-wins" else set())
    kept = {path: content for path, content in mine.items() if path not in taken}
    return kept | {path: theirs[path] for path in taken if path in theirs}


class Machine(RuleBasedStateMachine):
    """The server and its model: commits by id, and each branch's head and current content."""

    server: LakeConnection

    @initialize()
    def begin(self) -> None:
        lake = Lake(self.server, f"model-{uuid4().hex[:12]}")
        lake.ensure_repository(f"local://{lake.repository}")
        self.repo = Repo(client_of(self.server), lake.repository)
        root = lake.resolve("main")
        # A real lakeFS treats a commit without objects specially, so there is always one.
        first = self.repo.save(kept=b"1")
        self.commits = {root: Commit({}, (), {root}), first: Commit({"kept": b"1"}, (root,), {root, first})}
        self.repo.branch("work")
        self.heads = {"main": first, "work": first}
        self.shown: dict[str, Content] = {"main": {"kept": b"1"}, "work": {"kept": b"1"}}
        self.tags: dict[str, str] = {}

    def teardown(self) -> None:
        if hasattr(self, "repo"):
            for name, commit in self.tags.items():
                self.compare_contents(name, self.commits[commit].content)
            self.repo.client.repositories_api.delete_repository(self.repo.name)

    def pick(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.heads)))

    def committed(self, branch: str) -> Content:
        return self.commits[self.heads[branch]].content

    def record(self, branch: str, commit: str, content: Content, *parents: str) -> None:
        above = set().union(*(self.commits[parent].ancestors for parent in parents))
        self.commits[commit] = Commit(content, parents, {commit, *above})
        self.heads[branch], self.shown[branch] = commit, dict(content)

    def answer(self, call: str, *given: str, **options: str) -> str | int:
        """Return the id of the commit that a call made, or the status of its refusal."""
        try:
            return str(getattr(self.repo, call)(*given, **options))
        except ApiException as error:
            return int(error.status)

    def compare_contents(self, ref: str, content: Content) -> None:
        listed = [(row.path, row.checksum) for row in self.repo.page(ref).results]
        assert listed == [(path, hashlib.md5(body).hexdigest()) for path, body in sorted(content.items())]

    def compare(self, branch: str) -> None:
        self.compare_contents(branch, self.shown[branch])
        assert self.repo.uncommitted(branch) == changes(self.committed(branch), self.shown[branch])

    @rule(data=st.data(), edits=EDITS, commit=st.sampled_from([True, True, True, False]))
    def write(self, data: st.DataObject, edits: dict[str, bytes | None], commit: bool) -> None:
        branch = self.pick(data)
        for path, content in edits.items():
            if content is None:
                self.delete(path, branch)
            else:
                # For this path only: in a merge lakeFS confuses neighbours with equal content.
                content = path.encode() + content
                self.repo.put(path, content, branch)
                self.shown[branch][path] = content
        if commit:
            self.commit(branch)
        self.compare(branch)

    def delete(self, path: str, branch: str) -> None:
        assert self.answer("delete", path, branch) == "None"
        self.shown[branch].pop(path, None)

    def commit(self, branch: str) -> None:
        found = self.answer("save", branch)
        if self.shown[branch] == self.committed(branch):
            assert found == 400
        else:
            self.record(branch, str(found), dict(self.shown[branch]), self.heads[branch])

    @rule(data=st.data(), name=st.sampled_from(["work", "other"]))
    def branch(self, data: st.DataObject, name: str) -> None:
        source = self.pick(data)
        expected = 409 if name in self.heads else self.heads[source]
        assert self.answer("branch", name, source) == expected
        if expected != 409:
            self.heads[name], self.shown[name] = self.heads[source], dict(self.committed(source))
        self.compare(name)

    @rule(data=st.data(), clean=st.sampled_from([True, True, False]), strategy=STRATEGIES)
    def merge(self, data: st.DataObject, clean: bool, strategy: str) -> None:
        source, into = data.draw(st.permutations(sorted(self.heads)))[:2]
        if clean:
            self.commit(source)
            self.commit(into)
        mine, theirs, base = self.committed(into), self.committed(source), self.base(source, into)
        found = self.answer("merge", source, into, strategy=strategy)
        merged = brought(base, theirs, mine, strategy)
        if self.shown[into] != mine:
            assert found == 400
        elif merged is None:
            assert found == 409
        elif found != 400 or changes(base, theirs):  # the same content written again may count as a change
            self.record(into, str(found), merged, self.heads[into], self.heads[source])
        self.compare(into)

    def single(self, data: st.DataObject, branches: list[str]) -> str:
        """Return a commit from a branch's history with exactly one parent, which is not the root."""
        reached = set().union(*(self.commits[self.heads[name]].ancestors for name in branches))
        parents = {name: self.commits[name].parents for name in reached}
        able = [name for name in reached if len(parents[name]) == 1 and parents[parents[name][0]]]
        assume(able)
        return data.draw(st.sampled_from(sorted(able, key=self.age)))

    def age(self, commit: str) -> int:
        return list(self.commits).index(commit)

    def taken_over(self, branch: str, status: int | None, taken: Content | None, *, idle: bool) -> None:
        """Update the model after a revert or a pick with a status (None: success); `idle`: without effect."""
        if self.shown[branch] != self.committed(branch):
            assert status == 400
        elif taken is None:
            assert status == 409
        elif status != 400 or not idle:
            assert status is None
            head = self.repo.client.branches_api.get_branch(self.repo.name, branch).commit_id
            self.record(branch, head, taken, self.heads[branch])
        self.compare(branch)

    def status(self, call: Callable[..., Any], *given: Any, **options: Any) -> int | None:
        """Return the status of a call's refusal."""
        try:
            call(self.repo.name, *given, **options)
        except ApiException as error:
            return int(error.status)
        return None

    @rule(data=st.data())
    def revert(self, data: st.DataObject) -> None:
        branch = self.pick(data)
        commit = self.single(data, [branch])
        before = self.commits[self.commits[commit].parents[0]].content
        taken = brought(self.commits[commit].content, before, self.committed(branch))
        refused = self.status(
            self.repo.client.branches_api.revert_branch, branch, RevertCreation(ref=commit, parent_number=0)
        )
        self.taken_over(branch, refused, taken, idle=taken == self.committed(branch))

    @rule(data=st.data())
    def cherry_pick(self, data: st.DataObject) -> None:
        branch = self.pick(data)
        commit = self.single(data, sorted(self.heads))
        before = self.commits[self.commits[commit].parents[0]].content
        taken = brought(before, self.commits[commit].content, self.committed(branch))
        call = self.repo.client.branches_api.cherry_pick
        # With metadata: else a real lakeFS loses the commit, see `Where it differs on purpose`.
        own = CommitOverrides(metadata={"picked": "yes"})
        refused = self.status(call, branch, CherryPickCreation(ref=commit, commit_overrides=own))
        self.taken_over(branch, refused, taken, idle=before == self.commits[commit].content)

    @rule(data=st.data())
    def reset(self, data: st.DataObject) -> None:
        branch = self.pick(data)
        self.repo.client.branches_api.reset_branch(self.repo.name, branch, ResetCreation(type="reset"))
        self.shown[branch] = dict(self.committed(branch))
        self.compare(branch)

    @rule(data=st.data(), name=st.sampled_from(["v1", "v2", "v3"]))
    def tag(self, data: st.DataObject, name: str) -> None:
        branch = self.pick(data)
        found = self.status(self.repo.client.tags_api.create_tag, TagCreation(id=name, ref=branch))
        assert found == (409 if name in self.tags else None)
        self.tags.setdefault(name, self.heads[branch])

    @rule(data=st.data())
    def diff(self, data: st.DataObject) -> None:
        left, right = self.pick(data), self.pick(data)
        mine, theirs = self.committed(left), self.committed(right)
        assert self.repo.diff(left, right, type="two_dot") == changes(mine, theirs)
        assert self.repo.diff(left, right) == self.three_way(self.base(right, left), mine, theirs)

    @staticmethod
    def three_way(base: Content, mine: Content, theirs: Content) -> dict[str, str]:
        missing, changed = changes(mine, theirs), changes(base, mine)
        return {
            path: "conflict" if path in changed else kind
            for path, kind in changes(base, theirs).items()
            if path in missing
        }

    def base(self, source: str, into: str) -> Content:
        """Return the merge base: a common ancestor from which no other common ancestor descends."""
        found = self.repo.client.refs_api.find_merge_base(self.repo.name, source, into).base_commit_id
        sides = [self.commits[self.heads[branch]].ancestors for branch in (source, into)]
        common = sides[0] & sides[1]
        assert [name for name in common if found in self.commits[name].ancestors] == [found]
        return self.commits[found].content


def test_the_server_agrees_with_the_model(server: LakeConnection) -> None:
    class OnServer(Machine):
        pass

    OnServer.server = server

    run_state_machine_as_test(
        OnServer,
        settings=settings(
            max_examples=12,
            stateful_step_count=40,
            deadline=None,
            database=None,
            phases=[Phase.generate],  # shrinking a failure would exceed the test's timeout
            suppress_health_check=list(HealthCheck),
        ),
    )
