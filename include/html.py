"""Small HTML pages: the reports that are stored beside the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def page(title: str, *parts: str) -> str:
    """Return a whole page; `title` is escaped, `parts` must be HTML already."""
    return _PAGE.format(title=escape(title), body="\n".join(parts))


def paragraph(text: str) -> str:
    """Return a paragraph of plain text, escaped."""
    return f"<p>{escape(text)}</p>"


def heading(text: str) -> str:
    """Return a second-level heading, escaped."""
    return f"<h2>{escape(text)}</h2>"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], states: Sequence[str] = ()) -> str:
    """Return a table, its cells escaped; `states` holds a row's class: `good`, `bad`, `warn` or empty.

    Rows beyond the end of `states` have no class.
    """
    lines = [_row("th", head, "")]
    lines += [
        _row("td", row, states[number] if number < len(states) else "") for number, row in enumerate(rows)
    ]
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _row(cell: str, values: Sequence[object], state: str) -> str:
    cells = "".join(f"<{cell}>{escape(str(value))}</{cell}>" for value in values)
    return f'<tr class="{state}">{cells}</tr>' if state else f"<tr>{cells}</tr>"


# The policy: such a page runs no script and loads nothing, whatever gets into it.
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #1d2433 }}
body {{ margin: 2rem auto; padding: 0 1rem; max-width: 70rem }}
h1 {{ font-size: 1.3rem }} h2 {{ font-size: 1.05rem; margin-top: 2rem }}
table {{ border-collapse: collapse; width: 100% }}
td, th {{ text-align: left; vertical-align: top; padding: .35rem .7rem; border-bottom: 1px solid #e3e6ee }}
td {{ overflow-wrap: anywhere }}
tr.bad td:first-child {{ color: #b3261e; font-weight: 600 }}
tr.warn td:first-child {{ color: #9a6700; font-weight: 600 }}
tr.good td:first-child {{ color: #1a7f37 }}
</style><h1>{title}</h1>
{body}
</html>
"""
