"""Pages for people hold text as text."""

from __future__ import annotations

from include.html import heading, page, paragraph, table


def test_a_page_has_its_title_twice_and_its_parts_in_order() -> None:
    html = page("A < B", paragraph("one & two"), heading("Rest"))
    assert html.count("A &lt; B") == 2
    assert "<p>one &amp; two</p>\n<h2>Rest</h2>" in html


def test_a_table_escapes_every_cell_and_marks_rows_by_their_state() -> None:
    assert table(("what", "<b>"), [("x", 1), ("<script>", None)], ["", "bad"]) == (
        "<table>\n"
        "<tr><th>what</th><th>&lt;b&gt;</th></tr>\n"
        "<tr><td>x</td><td>1</td></tr>\n"
        '<tr class="bad"><td>&lt;script&gt;</td><td>None</td></tr>\n'
        "</table>"
    )


def test_rows_without_a_state_are_plain() -> None:
    assert table(("a",), [("1",), ("2",)], ["good"]).count("class=") == 1


def test_a_page_may_run_no_script_and_load_nothing() -> None:
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in page("any")
