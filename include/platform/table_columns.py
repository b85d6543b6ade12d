"""`make schema PIPELINE=…` and `make evolve PIPELINE=…`: what a table's columns are, and how they change."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from pydantic import SecretStr, ValidationError
from rich.console import Console
from rich.markup import escape

from include.contract import loader
from include.contract.feed import Feed
from include.excerpt import quote
from include.ingestion.columns import TableColumns
from include.ingestion.evolve import evolve
from include.ingestion.hashing import Hasher, described
from include.ingestion.held import held_types
from include.lake.client import Lake, LakeConnection
from include.lake.table import Table
from include.platform import cli
from include.platform.check import folder_of
from include.platform.embedded.stack import Stack
from include.platform.picture import picture
from include.run_identity import RunIdentity
from include.settings import LakeLogin, settings


class Line(NamedTuple):
    """One column: what the contract declares and what the table holds; empty where it says nothing."""

    column: str
    declared: str
    held: str

    @property
    def differs(self) -> bool:
        """Whether the table holds another type than the contract declares."""
        return bool(self.declared and self.held) and self.declared != self.held


def lines(feed: Feed, table: Table) -> Iterator[Line]:
    """Yield the columns of a table, in its order; those that it does not hold yet come last."""
    columns = TableColumns(feed, held=held_types(table, feed.branch), hasher=Hasher.throwaway())
    held = {} if columns.held is None else {column.name: column for column in columns.held}
    for name in dict.fromkeys([*held, *columns.declared]):
        is_said = name in columns.declared or name in feed.hashed
        declared = described(columns.field(name)) if is_said else ""
        yield Line(name, declared, described(held[name]) if name in held else "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command of the command line; return 1 if contract and table differ."""
    parser = ArgumentParser(prog="make schema PIPELINE=… or make evolve PIPELINE=…", description=__doc__)
    parser.add_argument("command", choices=["schema", "evolve"])
    parser.add_argument("pipeline", help="its name, that of its folder")
    given = parser.parse_args(arguments)
    pipeline = loader.load(folder_of(given.pipeline, settings().pipelines))
    connection, secret = _lake()
    lake, console = Lake(connection, pipeline.lake.repository), Console(highlight=False)
    run = _show if given.command == "schema" else partial(_evolve, secret=secret)
    return max(run(console, feed, Table(lake, feed.table)) for feed in pipeline.feeds)


def _show(console: Console, feed: Feed, table: Table) -> int:
    found, shown = list(lines(feed, table)), picture("column", "contract", f"table {table.name}")
    for line in found:
        held = f"[red]{escape(line.held)}" if line.differs else escape(line.held)
        shown.add_row(escape(line.column), escape(line.declared), held)
    console.print(shown)
    if not any(line.held for line in found):
        console.print(f"table {table.name!r} holds no columns yet: its first load decides what they are")
    if odd := [line.column for line in found if line.differs]:
        console.print(
            f"contract and table differ in {', '.join(map(quote, odd))}; run `make evolve "
            f"PIPELINE={feed.pipeline_name}`, which changes the table, or correct the contract"
        )
    return int(bool(odd))


def _evolve(console: Console, feed: Feed, table: Table, *, secret: SecretStr) -> int:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    run = RunIdentity(dag_id=f"{feed.pipeline_name}.evolve", run_id=f"{getpass.getuser()}__{now}")
    hasher = Hasher.of(secret) if feed.hashed else None
    if held_types(table, feed.branch) is None:
        console.print(
            f"table {table.name!r} holds no columns yet: its first load takes those of the contract"
        )
        return 0
    with console.status(f"rewriting {table.name}"):
        done = evolve(feed, table, run=run, hasher=hasher)
    if done.commit is None:
        console.print(f"contract and table {table.name!r} agree: nothing to change")
        return 0
    for name, (before, after) in done.columns.items():
        console.print(f"{escape(name)}: {escape(before)} is {escape(after)} now")
    console.print(f"{done.parts} part(s) written again, commit {done.commit[:12]}")
    return 0


def _lake() -> tuple[LakeConnection, SecretStr]:
    """Return the lake of lakectl's variables, or of the embedded stack where they are not set.

    With it comes the secret of hashes: that of the settings, or of the stack.
    """
    try:
        return LakeConnection.of(LakeLogin()), settings().privacy.secret
    except ValidationError:
        stack = Stack(settings())
        return stack.connection(), stack.privacy_secret()


if __name__ == "__main__":
    cli.run(main)
