"""Secrets are generated once, written atomically, and readable by their owner only."""

from __future__ import annotations

import json
from dataclasses import asdict, astuple
from pathlib import Path

import pytest

from include.exceptions import Misconfigured
from include.platform.embedded import stack_secrets


def test_they_are_made_once(tmp_path: Path) -> None:
    made = stack_secrets.ensure(tmp_path)

    assert stack_secrets.ensure(tmp_path) == made
    assert len(set(astuple(made))) == len(astuple(made))
    assert min(map(len, astuple(made))) >= 20
    assert json.loads((tmp_path / "secrets/stack.json").read_text()) == asdict(made)
    assert json.loads(stack_secrets.password_file(tmp_path).read_text()) == {"admin": made.airflow_password}


def test_their_owner_alone_may_read_them(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir(mode=0o755)

    stack_secrets.ensure(tmp_path)

    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.rglob("*")}
    assert modes == {"secrets": "0o700", "stack.json": "0o600", "airflow.json": "0o600"}


def test_two_stacks_share_none(tmp_path: Path) -> None:
    first, second = stack_secrets.ensure(tmp_path / "first"), stack_secrets.ensure(tmp_path / "second")

    assert set(astuple(first)) & set(astuple(second)) == set()


def test_a_lost_password_file_is_made_again(tmp_path: Path) -> None:
    made = stack_secrets.ensure(tmp_path)
    stack_secrets.password_file(tmp_path).unlink()

    stack_secrets.ensure(tmp_path)

    assert json.loads(stack_secrets.password_file(tmp_path).read_text()) == {"admin": made.airflow_password}


def test_a_password_that_a_person_has_changed_counts(tmp_path: Path) -> None:
    stack_secrets.ensure(tmp_path)
    stack_secrets.password_file(tmp_path).write_text('{"admin": "a longer one"}')

    stack_secrets.ensure(tmp_path)

    assert stack_secrets.password(tmp_path) == "a longer one"


@pytest.mark.parametrize("content", ["", "[]", "{}", '"admin"'])
def test_a_password_file_without_a_password_is_named(tmp_path: Path, content: str) -> None:
    stack_secrets.ensure(tmp_path)
    stack_secrets.password_file(tmp_path).write_text(content)

    with pytest.raises(Misconfigured, match=r"airflow.json holds no password of 'admin' .*; delete it"):
        stack_secrets.password(tmp_path)


def test_those_of_an_earlier_version_are_kept_and_completed(tmp_path: Path) -> None:
    made = asdict(stack_secrets.ensure(tmp_path))
    earlier = {name: value for name, value in made.items() if name not in stack_secrets._generate_added()}
    (tmp_path / "secrets/stack.json").write_text(json.dumps(earlier))

    found = stack_secrets.ensure(tmp_path)

    assert {name: getattr(found, name) for name in earlier} == earlier
    assert stack_secrets.ensure(tmp_path) == found


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", '{"fernet_key": "only one"}'])
def test_torn_ones_are_reported_and_kept(tmp_path: Path, content: str) -> None:
    stack_secrets.ensure(tmp_path)
    file = tmp_path / "secrets/stack.json"
    file.write_text(content)

    with pytest.raises(Misconfigured, match=f"{file} cannot be read .* restore it, or delete it"):
        stack_secrets.ensure(tmp_path)

    assert file.read_text() == content


def test_they_do_not_show_when_printed(tmp_path: Path) -> None:
    made = stack_secrets.ensure(tmp_path)

    assert [value for value in astuple(made) if value in f"{made!r} {made}"] == []
