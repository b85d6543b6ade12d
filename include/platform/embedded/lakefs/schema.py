"""Tables of the server's database, and the migrations of older databases."""

from __future__ import annotations

import sqlite3

_STEPS = (
    """
CREATE TABLE IF NOT EXISTS repositories (
    name TEXT PRIMARY KEY, namespace TEXT NOT NULL, default_branch TEXT NOT NULL, created INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS commits (
    repository TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (repository, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refs (
    repository TEXT, kind TEXT, name TEXT, commit_id TEXT NOT NULL,
    PRIMARY KEY (repository, kind, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS staging (
    repository TEXT, branch TEXT, path TEXT, entry TEXT,
    PRIMARY KEY (repository, branch, path)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS versions (id TEXT PRIMARY KEY, spans TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ranges (id TEXT PRIMARY KEY, content BLOB NOT NULL);
""",
    # `written` is when the row was stored; a commit's own date is chosen by its author.
    """
ALTER TABLE repositories ADD COLUMN read_only INTEGER NOT NULL DEFAULT 0;
ALTER TABLE refs ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;
ALTER TABLE commits ADD COLUMN written INTEGER NOT NULL DEFAULT 0;
UPDATE commits SET written = CAST(strftime('%s', 'now') AS INTEGER);
CREATE TABLE settings (
    repository TEXT, name TEXT, value TEXT NOT NULL, PRIMARY KEY (repository, name)) WITHOUT ROWID;
""",
    """
CREATE TABLE runs (
    repository TEXT, id TEXT, branch TEXT NOT NULL, commit_id TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (repository, id)) WITHOUT ROWID;
""",
)


def migrate(connection: sqlite3.Connection) -> None:
    """Apply the migrations that a database lacks, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        taken = int(connection.execute("PRAGMA user_version").fetchone()[0])
        for statement in ";".join(_STEPS[taken:]).split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {max(taken, len(_STEPS))}")
    except BaseException:
        connection.rollback()
        raise
    connection.commit()
