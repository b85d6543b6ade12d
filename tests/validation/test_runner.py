"""Suites and verdicts: what counts, what is only reported, and what is wrong with a suite itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import yaml
from great_expectations import expectations
from great_expectations.expectations.expectation import Expectation

from include.exceptions import Misconfigured
from include.lake.frames import to_frame
from include.validation import runner
from include.validation.report import Check, Report
from include.validation.runner import validate
from include.validation.suite import _snake
from include.verdict import Verdict
from tests.support.pipeline import day

COUNT = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "rows", "min_value": 1}}
BETWEEN = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "a", "max_value": 9}}
UNIQUE = "type: expect_column_values_to_be_unique"
UNIQUE_SHOWN = "'type': 'expect_column_values_to_be_unique'"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    return tmp_path / "expectations.yaml"


def judge(suite: Path, rows: list[Any], *frames: pd.DataFrame | None) -> Report:
    suite.write_text(yaml.safe_dump({"partitions": [COUNT], "rows": rows}))
    return validate(suite, ((day(number), frame) for number, frame in enumerate(frames)))


def test_good_rows_pass_with_their_numbers(suite: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    assert judge(suite, [BETWEEN], frame, frame).verdict == Verdict(
        passed=True,
        reasons=(),
        numbers={"rows": 4.0, "partitions": 2.0, "expectations": 2.0, "failed": 0.0, "failed.critical": 0.0},
    )


def test_a_critical_rule_fails_the_verdict_and_names_limit_and_count(suite: Path) -> None:
    found = judge(suite, [BETWEEN], pd.DataFrame({"a": [1, 20]}), None)
    assert found.verdict == Verdict(
        passed=False,
        reasons=(
            "a: expect_column_values_to_be_between (max_value=9.0) failed for 1 of 2 rows "
            "(severity critical)",
            "rows: expect_column_values_to_be_between (min_value=1.0) failed for 1 of 2 days: 2024-03-02 "
            "(severity critical)",
        ),
        numbers={"rows": 2.0, "partitions": 2.0, "expectations": 2.0, "failed": 2.0, "failed.critical": 2.0},
    )


@pytest.mark.parametrize("severity", ["warning", "info"])
def test_a_rule_that_is_not_critical_is_reported_only(suite: Path, severity: str) -> None:
    found = judge(suite, [{**BETWEEN, "severity": severity}], pd.DataFrame({"a": [1, 20]}))
    reason = "a: expect_column_values_to_be_between (max_value=9.0) failed for 1 of 2 rows"
    assert found.verdict.passed
    assert found.verdict.reasons == (f"{reason} (severity {severity})",)
    assert (found.verdict.numbers["failed"], found.verdict.numbers["failed.critical"]) == (1.0, 0.0)


def test_critical_reasons_come_first(suite: Path) -> None:
    unique = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "a"}}
    found = judge(suite, [{**BETWEEN, "severity": "info"}, unique], pd.DataFrame({"a": [20, 20]}))
    assert [reason.rsplit(" ", 1)[1] for reason in found.verdict.reasons] == ["critical)", "info)"]


def test_all_days_together_are_counted_over_slices(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_BATCH_ROWS", 3)
    frames = [
        pd.DataFrame({"a": [1, 2, 20]}),
        pd.DataFrame({"a": [1]}),
        None,
        pd.DataFrame({"a": [30, 4, 5]}),
    ]
    found = judge(suite, [BETWEEN], *frames)
    [check] = [check for check in found.checks if check.columns == "a"]
    assert (check.passed, check.unexpected, check.rows) == (False, 2, 7)
    assert found.verdict.numbers["rows"] == 7.0


def test_days_are_taken_one_after_the_other(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_BATCH_ROWS", 4)
    asked: list[tuple[int, list[int]]] = []
    judged: list[int] = []
    run = runner._run

    def noted(frame: pd.DataFrame, *rest: Any) -> list[Check]:
        judged.append(len(frame))
        return run(frame, *rest)

    monkeypatch.setattr(runner, "_run", noted)

    def days() -> Iterator[Any]:
        for number in range(6):
            asked.append((number, list(judged)))
            yield day(number), pd.DataFrame({"a": [1, 2]})

    suite.write_text(yaml.safe_dump({"partitions": [COUNT], "rows": [BETWEEN]}))
    validate(suite, days())
    assert asked == [(0, []), (1, []), (2, []), (3, [4]), (4, [4]), (5, [4, 4])]
    assert judged == [4, 4, 4, 6]  # the last are the counts of the six days


SUM = {"type": "expect_multicolumn_sum_to_equal", "kwargs": {"column_list": ["a", "b"], "sum_total": 3}}
BINS = {"bins": [0, 2, 4], "weights": [0.5, 0.5]}
DIVERGENCE = {
    "type": "expect_column_kl_divergence_to_be_less_than",
    "kwargs": {"column": "a", "partition_object": BINS, "threshold": 0.5},
}


def rule(name: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": f"expect_column_values_{name}", "kwargs": {"column": "a", **kwargs}}


def test_a_null_changes_nothing_about_the_other_whole_numbers(suite: Path) -> None:
    ids = to_frame(pa.table({"a": pa.array([2**60, 2**60 + 1, None])}))
    rules = [
        rule("to_be_unique"),
        rule("to_be_of_type", type_="int64"),
        rule("to_match_regex", regex="^[0-9]+$"),
        rule("to_be_in_set", value_set=[2**60, 2**60 + 1]),
    ]
    assert judge(suite, rules, ids).verdict.reasons == ()


def test_a_null_leaves_truth_values_what_they_are(suite: Path) -> None:
    flags = to_frame(pa.table({"a": pa.array([True, None])}))
    rules = [rule("to_be_of_type", type_="bool"), rule("to_be_in_set", value_set=[True])]
    assert judge(suite, rules, flags).verdict.reasons == ()


def test_rules_that_sum_and_bin_run_beside_a_null(suite: Path) -> None:
    rows = to_frame(pa.table({"a": pa.array([1, 3, None]), "b": [2, 0, 3]}))
    found = judge(suite, [SUM, DIVERGENCE, rule("to_be_of_type", type_="int64")], rows)
    seen = {check.type: (check.passed, check.unexpected, check.error) for check in found.checks[:3]}
    assert seen == {
        "expect_multicolumn_sum_to_equal": (False, 1, ""),
        "expect_column_kl_divergence_to_be_less_than": (True, None, ""),
        "expect_column_values_to_be_of_type": (True, None, ""),
    }


def test_days_of_other_types_do_not_change_each_other(suite: Path) -> None:
    days = [pd.DataFrame({"a": [2**60, 2**60 + 1]}), pd.DataFrame({"a": [0.5]})]
    assert judge(suite, [rule("to_be_unique")], *days).verdict.passed


def test_a_column_that_one_day_lacks_is_missed(suite: Path) -> None:
    columns = {"type": "expect_table_columns_to_match_set", "kwargs": {"column_set": ["a", "b"]}}
    whole = pd.DataFrame({"a": [1], "b": [2]})
    found = judge(suite, [columns], whole, pd.DataFrame({"a": [1]}), whole)
    assert found.verdict.reasons == (
        "missing b: expect_table_columns_to_match_set (column_set=['a', 'b']) failed (severity critical)",
    )


def test_ten_days_are_named_and_all_are_counted(suite: Path) -> None:
    [reason] = judge(suite, [], *[None] * 12).verdict.reasons
    assert "failed for 12 of 12 days: 2024-03-01, 2024-03-02" in reason
    assert reason.count("2024-03") == 10


def test_the_page_shows_each_check_and_escapes_what_it_is_given() -> None:
    check = Check(
        type="expect_x",
        columns="<b>",
        rule="min=1 & up",
        severity="critical",
        passed=False,
        unexpected=1200,
        rows=4000,
    )
    page = Report(Verdict(passed=False, reasons=(check.sentence(),)), (check,)).html(
        "<script>alert(1)</script>"
    )
    assert "<script>" not in page
    assert "<h1>&lt;script&gt;alert(1)&lt;/script&gt;: failed</h1>" in page
    assert (
        '<tr class="bad"><td>critical</td><td>&lt;b&gt;</td><td>expect_x</td><td>min=1 &amp; up</td>'
        "<td>1,200 of 4,000</td><td></td></tr>"
    ) in page


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("rows: [", "line 1: not readable as YAML: expected the"),
        ("", "file: is NoneType; write keys and values"),
        ("- a", "file: is list; write keys and values"),
        ("rows: 7", "file: write the lists 'rows' and 'partitions', nothing else"),
        ("rows: []\ncolumns: []", "file: write the lists 'rows' and 'partitions', nothing else"),
        ("rows: []", "partitions: is empty; at least expect a count of rows, or no rows would pass"),
        ("rows: [nonsense]", "rows: 'nonsense' is not an entry; write type, kwargs and severity"),
        ("rows: [{kwargs: {}}]", "rows: {'kwargs': {}} is not an entry; write type, kwargs and severity"),
        (
            "rows: [{type: expect_x, severty: info}]",
            "rows: {'type': 'expect_x', 'severty': 'info'} is not an entry; write type, kwargs and severity",
        ),
        (
            "rows: [{type: expect_magic}]",
            "rows: {'type': 'expect_magic'}: Great Expectations has no expectation 'expect_magic'",
        ),
        (
            "rows: [{type: expect_x_y, severity: [}]",
            "line 1: not readable as YAML: expected the",
        ),
        (f"rows: [{{{UNIQUE}}}]", f"rows: {{{UNIQUE_SHOWN}}}: 1 validation error"),
        (
            f"rows: [{{{UNIQUE}, kwargs: {{column: a, colour: b}}}}]",
            f"rows: {{{UNIQUE_SHOWN}, 'kwargs': {{'colu",
        ),
        (f"rows: [{{{UNIQUE}, kwargs: [a]}}]", f"rows: {{{UNIQUE_SHOWN}, 'kwargs': ['a']}}: "),
        (
            f"rows: [{{{UNIQUE}, kwargs: {{column: a}}, severity: bad}}]",
            f"rows: {{{UNIQUE_SHOWN}, 'kwargs': {{'colu",
        ),
    ],
)
def test_a_wrong_suite_names_its_file_and_entry(suite: Path, content: str, message: str) -> None:
    suite.write_text(content)
    with pytest.raises(Misconfigured) as raised:
        validate(suite, iter([]))
    told = str(raised.value).removeprefix(f"{suite}: ").removeprefix("1 fault(s)\n  ")
    assert told.startswith(message)


def test_every_expectation_of_the_library_is_found_by_its_name(suite: Path) -> None:
    """`expect_column_kl_divergence_to_be_less_than` was not, for the capitals of its class."""
    kinds = [one for one in vars(expectations).values() if isinstance(one, type) and one is not Expectation]
    names = [one.__name__ for one in kinds if one.__name__.startswith("Expect")]
    assert {"ExpectColumnKLDivergenceToBeLessThan", "ExpectColumnPairValuesAToBeGreaterThanB"} <= set(names)
    for name in names:
        entry = {"type": _snake(name), "kwargs": {"nothing": 1}}
        with pytest.raises(Misconfigured) as raised:
            judge(suite, [entry])
        assert "has no expectation" not in str(raised.value), name


def test_a_suite_that_is_not_there_is_named(suite: Path) -> None:
    with pytest.raises(Misconfigured, match=f"{suite}: 1 fault.*\n  file: cannot be read: No such file"):
        validate(suite, iter([]))


@pytest.mark.filterwarnings("ignore:Passing a string to the row_condition:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The condition_parser parameter:DeprecationWarning")
@pytest.mark.parametrize("kind", ["float64", "Int64"])
@pytest.mark.parametrize("condition", ["terminal != 1", "~(terminal == 1)", "terminal == 2 or terminal != 1"])
def test_a_condition_selects_rows_without_a_value_whatever_type_the_column_has(
    tmp_path: Path, condition: str, kind: str
) -> None:
    entry = {
        "type": "expect_column_values_to_be_between",
        "kwargs": {
            "column": "delay",
            "min_value": 0,
            "row_condition": condition,
            "condition_parser": "pandas",
        },
    }
    many = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "rows", "min_value": 1}}
    file = tmp_path / "expectations.yaml"
    file.write_text(yaml.safe_dump({"partitions": [many], "rows": [entry]}))
    rows = pd.DataFrame({"terminal": [1, 2, None], "delay": [1, 2, -999]}).astype({"terminal": kind})
    report = validate(file, iter([(day(0), rows)]))
    assert not report.verdict.passed
    assert "failed for 1 of 2 rows" in report.verdict.reasons[0]
