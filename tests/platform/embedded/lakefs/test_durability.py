"""After `kill -9` at any moment confirmed changes are complete, and no change is visible in part."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from include.exceptions import Unavailable
from include.lake.client import Lake
from tests.support.lake import LakeServer

KILLS = 4
PARTS = ("x", "y", "z")


def killed_while(server: LakeServer, work: Callable[[], None], after: float) -> None:
    """Run `work` until the server is killed after some seconds, then start it again."""
    with ThreadPoolExecutor(1) as pool:
        worker = pool.submit(until_refused, work)
        time.sleep(after)
        assert worker.running()
        server.kill()
    worker.result()
    server.start()


def until_refused(work: Callable[[], None]) -> None:
    try:
        while True:
            work()
    except Unavailable:
        return


def send(lake: Lake, branch: str, path: str, folder: Path) -> None:
    """Upload an object whose content is its path."""
    file = folder / path.replace("/", "-")
    file.write_text(path)
    lake.upload(branch, path, file)


def whole(lake: Lake, ref: str) -> set[str]:
    """Paths at a ref, each read and found to hold its own path."""
    paths = {item.path for item in lake.list_objects(ref)}
    with ThreadPoolExecutor(4) as pool:
        contents = pool.map(lambda path: lake.download(ref, path).decode(), paths)
        assert dict(zip(paths, contents, strict=True)) == {path: path for path in paths}
    return paths


def test_every_confirmed_upload_survives_a_kill(mortal: LakeServer, tmp_path: Path) -> None:
    lake, confirmed, numbers, moments = mortal.lake("uploads"), set(), count(), random.Random(1)

    def upload() -> None:
        path = f"t/{next(numbers):05}"
        send(lake, "main", path, tmp_path)
        confirmed.add(path)

    for _ in range(KILLS):
        killed_while(mortal, upload, moments.uniform(0.1, 0.5))
    found = whole(lake, "main")
    assert len(confirmed) > KILLS
    assert (confirmed - found, len(found - confirmed) <= KILLS) == (set(), True)


def test_commits_and_merges_are_all_or_nothing(mortal: LakeServer, tmp_path: Path) -> None:
    lake, moments = mortal.lake("versions"), random.Random(2)
    begun, merged = list[str](), set[str]()

    def publish() -> None:
        name = f"b{len(begun)}"
        lake.create_branch(name, "main")
        begun.append(name)
        for part in PARTS:
            send(lake, name, f"{name}/{part}", tmp_path)
        lake.commit(name, name, {})
        lake.merge(name, "main", f"merge {name}", {})
        merged.add(name)

    for _ in range(KILLS):
        killed_while(mortal, publish, moments.uniform(0.1, 0.6))
    expected = {name: {f"{name}/{part}" for part in PARTS} for name in begun}
    visible = whole(lake, "main")
    assert merged
    assert all(not paths & visible or paths <= visible for paths in expected.values())
    assert all(expected[name] <= visible for name in merged)
    for name in begun:
        committed = {item.path for item in lake.list_objects(f"{name}@")}
        assert committed & expected[name] in (set(), expected[name])


def test_what_a_kill_cut_off_can_be_done_again(mortal: LakeServer, tmp_path: Path) -> None:
    lake, done, moments = mortal.lake("again"), list[str](), random.Random(3)

    def publish() -> None:
        name = f"b{len(done)}"
        lake.create_branch(name, "main")
        for part in PARTS:
            send(lake, name, f"{name}/{part}", tmp_path)
        lake.commit(name, name, {})
        lake.merge(name, "main", f"merge {name}", {})
        done.append(name)

    for _ in range(KILLS):
        killed_while(mortal, publish, moments.uniform(0.1, 0.3))
    publish()
    assert whole(lake, "main") == {f"{name}/{part}" for name in done for part in PARTS}
    messages = [commit.message for commit in lake.log("main") if commit.message.startswith("merge")]
    assert sorted(messages) == sorted(f"merge {name}" for name in done)


def test_sixteen_writers_lose_nothing(lake_server: LakeServer, lake: Lake, tmp_path: Path) -> None:
    rounds = range(2)
    lake.create_branch("shared", "main")

    def write(number: int) -> None:
        mine = lake_server.lake(lake.repository)
        for turn in rounds:
            path = f"{number:02}/{turn}"
            send(mine, "shared", path, tmp_path)
            mine.commit("shared", path, {})
            own = f"own-{number}-{turn}"
            mine.create_branch(own, "main")
            send(mine, own, path, tmp_path)
            mine.commit(own, path, {})
            mine.merge(own, "main", path, {})

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(16)))
    expected = {f"{number:02}/{turn}" for number in range(16) for turn in rounds}
    assert whole(lake, "main") == whole(lake, "shared@") == expected
    assert {commit.message for commit in lake.log("main")} >= expected


def test_sixteen_writers_lose_nothing_when_the_server_is_killed(mortal: LakeServer, tmp_path: Path) -> None:
    main, merged, moments, over = mortal.lake("sixteen"), set(), random.Random(4), threading.Event()

    def write(number: int) -> None:
        mine = Lake(mortal.connection, "sixteen")
        for turn in count():
            name = f"{number:02}-{turn}"
            try:
                mine.create_branch(name, "main")
                send(mine, name, f"{name}/x", tmp_path)
                mine.commit(name, name, {})
                mine.merge(name, "main", name, {})
                merged.add(f"{name}/x")
            except Unavailable:
                time.sleep(0.1)
            if over.is_set():
                return

    with ThreadPoolExecutor(16) as pool:
        writers = [pool.submit(write, number) for number in range(16)]
        for _ in range(KILLS):
            time.sleep(moments.uniform(0.5, 1.5))
            mortal.kill()
            mortal.start()
        over.set()
    assert [writer.result() for writer in writers] == [None] * 16
    assert len(merged) > 16
    assert merged - whole(main, "main") == set()


def test_a_reader_never_misses_what_is_committed_meanwhile(
    lake_server: LakeServer, lake: Lake, tmp_path: Path
) -> None:
    written: list[str] = []
    over = threading.Event()

    def missed() -> set[str]:
        mine, lost, looks = lake_server.lake(lake.repository), set(), 0
        while not over.is_set():
            known = set(written)
            lost |= known - {item.path for item in mine.list_objects("main")}
            looks += 1
        assert looks > 10
        return lost

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(missed) for _ in range(4)]
        until = time.monotonic() + 2.5
        for number in count():
            send(lake, "main", f"{number:03}", tmp_path)
            written.append(f"{number:03}")
            lake.commit("main", "m", {})
            if time.monotonic() > until:
                break
        over.set()
    assert [reader.result() for reader in readers] == [set()] * 4
