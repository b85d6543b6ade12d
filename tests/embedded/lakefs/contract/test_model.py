"""Any sequence of uploads, deletions, branches, commits and merges ends where a model of dicts ends."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from uuid import uuid4

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from lakefs_client.exceptions import ApiException

from include.embedded.lakefs import tree
from include.embedded.lakefs.tree import Entry
from tests.support.lake import LakeServer
from tests.support.repo import Repo, client_of

Content = dict[str, bytes]
STRATEGIES = st.sampled_from(["", "", "source-wins", "dest-wins"])


def paths_around_the_ends_of_ranges() -> list[str]:
    """Names that end a range, and those before and behind them: few objects then make many ranges."""
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
"""What is written at once; None deletes."""


@dataclass
class Commit:
    """What the model knows of a commit."""

    content: Content
    ancestors: set[str] = field(default_factory=set)


def changes(left: Content, right: Content) -> dict[str, str]:
    kinds = {(False, True): "added", (True, False): "removed", (True, True): "changed"}
    return {
        path: kinds[path in left, path in right]
        for path in sorted(left.keys() | right.keys())
        if left.get(path) != right.get(path)
    }


class Machine(RuleBasedStateMachine):
    """The server beside its model: commits by id, and of each branch its head and what it shows now."""

    server: LakeServer

    @initialize()
    def begin(self) -> None:
        lake = self.server.lake(f"model-{uuid4().hex[:12]}")
        self.repo = Repo(client_of(self.server.connection), lake.repository)
        root = lake.commit_of("main")
        self.commits = {root: Commit({}, {root})}
        self.repo.branch("work")
        self.heads = {"main": root, "work": root}
        self.shown: dict[str, Content] = {"main": {}, "work": {}}

    def pick(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.heads)))

    def committed(self, branch: str) -> Content:
        return self.commits[self.heads[branch]].content

    def record(self, branch: str, commit: str, content: Content, *parents: str) -> None:
        above = set().union(*(self.commits[parent].ancestors for parent in parents))
        self.commits[commit] = Commit(content, {commit, *above})
        self.heads[branch], self.shown[branch] = commit, dict(content)

    def answer(self, call: str, *given: str, **options: str) -> str | int:
        """The id of the commit that a call made, or the status that it was refused with."""
        try:
            return str(getattr(self.repo, call)(*given, **options))
        except ApiException as error:
            return int(error.status)

    def compare(self, branch: str) -> None:
        listed = {row.path: row.checksum for row in self.repo.page(branch).results}
        shown = sorted(self.shown[branch].items())
        assert list(listed.items()) == [(path, hashlib.md5(content).hexdigest()) for path, content in shown]
        assert self.repo.uncommitted(branch) == changes(self.committed(branch), self.shown[branch])

    @rule(data=st.data(), edits=EDITS, commit=st.sampled_from([True, True, True, False]))
    def write(self, data: st.DataObject, edits: dict[str, bytes | None], commit: bool) -> None:
        branch = self.pick(data)
        for path, content in edits.items():
            if content is None:
                self.delete(path, branch)
            else:
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
        new = changes(base, theirs)
        clash = {p for p in new if mine.get(p) not in (base.get(p), theirs.get(p))}
        found = self.answer("merge", source, into, strategy=strategy)
        if self.shown[into] != mine or not new:
            assert found == 400
        elif clash and not strategy:
            assert found == 409
        else:
            taken = new.keys() - (clash if strategy == "dest-wins" else set())
            kept = {path: content for path, content in mine.items() if path not in taken}
            merged = kept | {path: theirs[path] for path in taken if path in theirs}
            self.record(into, str(found), merged, self.heads[into], self.heads[source])
        self.compare(into)

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
        """The base that the server takes: a common ancestor that no other common ancestor descends from."""
        found = self.repo.client.refs_api.find_merge_base(self.repo.name, source, into).base_commit_id
        sides = [self.commits[self.heads[branch]].ancestors for branch in (source, into)]
        common = sides[0] & sides[1]
        assert [name for name in common if found in self.commits[name].ancestors] == [found]
        return self.commits[found].content


def test_the_server_agrees_with_the_model(lake_server: LakeServer) -> None:
    class OnServer(Machine):
        server = lake_server

    run_state_machine_as_test(
        OnServer,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            database=None,
            phases=[Phase.generate],  # to shrink a failure takes longer than a test may
            suppress_health_check=list(HealthCheck),
        ),
    )
