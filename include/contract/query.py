"""The query of an SQL source: one statement that returns rows, with no parameters but `:start` and `:end`."""

from __future__ import annotations

import re

from include.excerpt import quote

PARAMETERS = ("start", "end")
_READING = (
    *("select", "with", "values", "table", "from", "show", "describe"),
    *("call", "exec", "execute"),  # a procedure may return rows
)
_FIRST_WORD = re.compile(r"(?:\s|\(|--[^\n]*(?:\n|$)|/\*.*?\*/)*(\w*)", re.DOTALL)
_PARAMETER = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")
"""As SQLAlchemy's `TextClause` finds them, in texts and comments, too."""
_OPAQUE = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*")
_FILE = re.compile(r"\binto\s+(?:out|dump)file\b", re.IGNORECASE)
"""MySQL writes it even where the session cannot write."""
_AMBIGUOUS = re.compile(r"[\\$#`\[]|/\*")
"""What begins a text or a comment in some databases and not in others."""


def check_query(query: str) -> str:
    """Return the query; raises ValueError for what cannot be one that reads."""
    found = _FIRST_WORD.match(query)
    word = found[1] if found else ""
    if word.lower() not in _READING:
        raise ValueError(
            f"begins with {quote(word)}; a source only reads: write one statement that returns rows, with "
            "the time stamps ':start' and ':end'"
        )
    if not _is_one_statement(query):
        raise ValueError(
            "holds more than one statement, or a semicolon elsewhere than at its end; write one statement, "
            "and no semicolon in it"
        )
    if _FILE.search(query):
        raise ValueError(
            "writes a file on the database's server; leave out 'into outfile' or 'into dumpfile'"
        )
    if others := [name for name in _PARAMETER.findall(query) if name not in PARAMETERS]:
        raise ValueError(
            f"has the parameter {quote(':' + others[0])}; only ':start' and ':end' have values: write "
            rf"'\:' for a colon of the query itself"
        )
    return query


def _is_one_statement(query: str) -> bool:
    """Return whether a query is one statement in any database, whose rules for texts and comments differ."""
    if ";" not in query.rstrip().rstrip(";"):
        return True
    return not _AMBIGUOUS.search(query) and ";" not in _OPAQUE.sub("", query).rstrip().rstrip(";")
