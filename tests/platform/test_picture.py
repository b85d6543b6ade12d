"""Tables at a terminal show every character of a cell, however narrow the terminal is."""

from __future__ import annotations

import io
import re

from rich.console import Console

from include.platform.picture import picture

PATH = "'file:///srv/exports/sensors/2024-03-06.jsonl':"


def test_a_long_word_goes_on_in_the_next_line() -> None:
    table, out = picture("step", "what would stop it"), io.StringIO()
    table.add_row("source", f"{PATH} column 'pressure' is missing")

    Console(file=out, width=30).print(table)

    cells = "".join(line.split("│")[2] for line in out.getvalue().splitlines() if line.startswith("│"))
    assert PATH in re.sub(r"\s", "", cells)
    assert "what would" in out.getvalue()


def test_the_header_may_be_left_out() -> None:
    table, out = picture("name", "value", has_header=False), io.StringIO()
    table.add_row("rows", "3")

    Console(file=out, width=30).print(table)

    assert "rows" in out.getvalue()
    assert "value" not in out.getvalue()
