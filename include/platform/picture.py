"""Tables for people at a terminal: the one way in which commands make them."""

from __future__ import annotations

from rich.table import Table


def picture(*titles: str, has_header: bool = True) -> Table:
    """Return a table with these columns, whose cells go on in the next line where the terminal is narrow.

    Rich cuts a long word by default, and so the name of the file that a message is about.
    """
    table = Table(show_header=has_header)
    for title in titles:
        table.add_column(title, overflow="fold")
    return table
