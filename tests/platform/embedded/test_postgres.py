"""PostgreSQL starts, stops and recovers, and only its user can reach its socket."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest

from include.exceptions import Misconfigured, Unavailable
from include.platform.embedded import os_user, postgres
from tests.support.stack import database_folder


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder for a server's data, below the path in the parameter; the server is stopped at the end."""
    with database_folder() as above:
        data = above / getattr(request, "param", "some where") / "postgres"
        try:
            yield data
        finally:
            postgres.stop(data)


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


def databases(socket: str) -> set[str]:
    connection = psycopg2.connect(host=socket, user="postgres", dbname="postgres")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database WHERE NOT datistemplate")
            return {name for (name,) in cursor.fetchall()}
    finally:
        connection.close()


def test_it_starts_once_and_stops_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "xx_XX.UTF-8")
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        socket = postgres.start(folder)
    server = postgres.pid(folder)

    assert databases(socket) == {"postgres", *postgres.DATABASES}
    assert (postgres.start(folder), postgres.pid(folder)) == (socket, server)
    postgres.stop(folder)
    postgres.stop(folder)
    assert postgres.pid(folder) is None
    assert postgres.members(folder) == []
    assert [path for path in folder.rglob("*") if path.is_socket()] == []


def test_its_socket_is_in_a_private_folder(folder: Path) -> None:
    assert postgres.start(folder) == str(folder)

    assert mode(folder) == "0o700"
    assert [path.name for path in folder.iterdir() if path.is_socket()] == [".s.PGSQL.5432"]


@pytest.mark.parametrize("folder", ["long" * 30], indirect=True)
def test_a_path_too_long_for_a_socket_gets_a_short_private_folder(folder: Path) -> None:
    socket = Path(postgres.start(folder))

    assert len(os.fsencode(socket)) < 40
    assert mode(socket) == "0o700"
    assert databases(str(socket)) == {"postgres", *postgres.DATABASES}
    postgres.stop(folder)
    assert not socket.exists()


def test_the_longest_path_that_holds_a_socket_is_used() -> None:
    room = 103 - len("/.s.PGSQL.5432")

    assert postgres.socket_folder(Path("/" + "x" * (room - 1))) == Path("/" + "x" * (room - 1))
    assert len(str(postgres.socket_folder(Path("/" + "x" * room)))) < 40


def test_a_stale_lock_with_the_number_of_another_process_stops_nobody(folder: Path) -> None:
    postgres.start(folder)
    lock = (folder / "postmaster.pid").read_text().splitlines()
    postgres.stop(folder)
    (folder / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lock[1:]]) + "\n")

    assert postgres.pid(folder) is None
    postgres.stop(folder)
    assert databases(postgres.start(folder)) == {"postgres", *postgres.DATABASES}


def test_where_no_server_answers_it_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=f"does not answer in {tmp_path}"):
        postgres.prepared_for(str(tmp_path), "airflow")


@pytest.mark.parametrize("content", ["", "no number\n", "4194304999\n"])
def test_a_torn_lock_is_no_server(tmp_path: Path, content: str) -> None:
    (tmp_path / "postmaster.pid").write_text(content)

    assert postgres.pid(tmp_path) is None


def test_after_a_kill_it_comes_back_with_its_data(folder: Path) -> None:
    postgres.note_prepared(postgres.start(folder), "airflow", "3.3.2")
    server, members = postgres.pid(folder), postgres.members(folder)
    assert server is not None
    psutil.Process(server).kill()
    psutil.wait_procs(members, timeout=5)

    assert postgres.prepared_for(postgres.start(folder), "airflow") == "3.3.2"
    assert postgres.pid(folder) not in (None, server)


def test_a_first_start_that_was_cut_off_is_begun_again(folder: Path) -> None:
    torn = folder.with_name("postgres.new")
    torn.mkdir(parents=True)
    (torn / "PG_VERSION").write_text("18\n")

    assert databases(postgres.start(folder)) == {"postgres", *postgres.DATABASES}
    assert not torn.exists()


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    postgres.start(folder)
    postgres.stop(folder)
    (folder / "postgresql.auto.conf").write_text("shared_buffers = 'nonsense'\n")

    with pytest.raises(Unavailable, match=r"pg_ctl ended with 1:[\s\S]*shared_buffers"):
        postgres.start(folder)


def test_a_private_folder_is_never_one_that_somebody_else_prepared(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(Misconfigured, match="belongs to another user; remove it"):
        os_user.make_private(tmp_path / "link")


def test_the_folders_above_are_opened_for_passing_only_and_only_by_root(tmp_path: Path) -> None:
    (tmp_path / "closed" / "data").mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)

    os_user.allow_traversal(tmp_path / "closed" / "data")

    assert mode(tmp_path / "closed") == ("0o701" if os.geteuid() == 0 else "0o700")
