"""Wrong suites: their file, their entries, and rules that do not fit the rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import yaml

from include.contract.data import OnFailure
from include.exceptions import BadData, Misconfigured, PipelineInvalid
from include.ingestion.check import require
from include.ingestion.results import ValidationResult
from include.validation.runner import validate
from tests.wrong_inputs.table import MARK, MARKS, NUMBER, rows

COUNT = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "rows", "min_value": 1}}
VALUES = "expect_column_values_to_"


def checked(file: Path) -> None:
    """Check marked rows, and require the verdict as the task does."""
    frame = pd.DataFrame(
        {"a": [NUMBER, 2.0], "k": [MARK, "x"], "t": pd.to_datetime(["2024-01-01", "2024-01-02"])}
    )
    report = validate(file, iter([(date(2024, 3, 1), frame)]))
    assert not any(mark in report.html("orders") for mark in MARKS)
    verdict = report.verdict
    pipeline: Any = SimpleNamespace(validation=SimpleNamespace(on_failure=OnFailure.QUARANTINE))
    ingestion: Any = SimpleNamespace(pipeline=pipeline, branch="ingest-x")
    require(ValidationResult(**verdict.to_json(), link="http://mlflow/report"), ingestion)


def text(content: str | bytes) -> Callable[[Path], object]:
    def give(tmp: Path) -> None:
        file = tmp / "expectations.yaml"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        checked(file)

    return give


def absent(tmp: Path) -> None:
    checked(tmp / "expectations.yaml")


def a_folder(tmp: Path) -> None:
    (tmp / "expectations.yaml").mkdir()
    checked(tmp / "expectations.yaml")


def suite(*entries: Any, partitions: Any = (COUNT,)) -> Callable[[Path], object]:
    return text(yaml.safe_dump({"partitions": list(partitions), "rows": list(entries)}))


def entry(kind: str, /, **kwargs: Any) -> Callable[[Path], object]:
    return suite({"type": kind, "kwargs": kwargs})


def values(kind: str, /, **kwargs: Any) -> Callable[[Path], object]:
    return entry(VALUES + kind, **kwargs)


NO_TYPE = "Great Expectations has no expectation "
SQL = "needs a database; rows are checked as frames: remove it"
FAILS = "Great Expectations fails with "
COLUMN = "could not run: the column is missing (severity critical)"
TYPE = "could not run: the column has another type than the rule needs (severity critical)"
RULE = "could not run: Great Expectations cannot apply the rule to this column"
NULLS = {"type": f"{VALUES}not_be_null", "kwargs": {"column": "a"}}

WRONG = [
    *rows(
        "suite file",
        ("absent", absent, PipelineInvalid, "cannot be read: No such file"),
        ("a folder", a_folder, PipelineInvalid, "is a folder; put a file there"),
        ("empty", text(""), PipelineInvalid, "file: is NoneType; write keys and values"),
        ("a list", text("- a"), PipelineInvalid, "file: is list; write keys and values"),
        ("not YAML", text("rows: ["), PipelineInvalid, "line 1: not readable as YAML"),
        ("not UTF-8", text("rows: [ä]".encode("latin-1")), PipelineInvalid, "save it as UTF-8"),
        ("too large", text("#" * 2**20 + "#"), PipelineInvalid, "shorten it"),
        ("other lists", text("columns: []"), PipelineInvalid, "write the lists 'rows' and 'partitions'"),
        ("no list", text("rows: 7"), PipelineInvalid, "write the lists 'rows' and 'partitions'"),
        ("no count", suite(partitions=()), PipelineInvalid, "partitions: is empty; at least expect a count"),
        ("a key twice", text("rows: []\nrows: []"), PipelineInvalid, "is written twice"),
        ("many aliases", text("a: &a [x, x]\nrows: [*a, *a, *b]"), PipelineInvalid, "line 2"),
    ),
    *rows(
        "suite entry",
        ("a word", suite("unique"), Misconfigured, "rows: 'unique' is not an entry; write type, kwargs"),
        ("a number", suite(7), Misconfigured, "rows: 7 is not an entry; write type, kwargs"),
        ("null", suite(None), Misconfigured, "rows: None is not an entry; write type, kwargs"),
        ("a list", suite([NULLS]), Misconfigured, "is not an entry; write type, kwargs"),
        ("no type", suite({"kwargs": {}}), Misconfigured, "is not an entry; write type, kwargs"),
        (
            "another key",
            suite({**NULLS, "severty": "info"}),
            Misconfigured,
            "is not an entry; write type, kwargs",
        ),
        ("unknown type", entry("expect_magic"), Misconfigured, f"{NO_TYPE}'expect_magic'"),
        ("type in capitals", entry("ExpectColumnToExist"), Misconfigured, NO_TYPE),
        ("a base of types", entry("column_map_expectation", column="a"), Misconfigured, NO_TYPE),
        ("the base of all types", entry("expectation"), Misconfigured, NO_TYPE),
        ("a module", entry("core"), Misconfigured, f"{NO_TYPE}'core'"),
        ("a numeric type", suite({"type": 7}), Misconfigured, f"{NO_TYPE}7"),
        ("a list of types", suite({"type": ["a", "b"]}), Misconfigured, NO_TYPE),
        (
            "severity",
            suite({**NULLS, "severity": "fatal"}),
            Misconfigured,
            "permitted: 'critical', 'warning'",
        ),
        (
            "severities",
            suite({**NULLS, "severity": ["info"]}),
            Misconfigured,
            "permitted: 'critical', 'warning'",
        ),
        ("kwargs null", suite({**NULLS, "kwargs": None}), Misconfigured, "must be a mapping"),
        ("kwargs list", suite({**NULLS, "kwargs": ["a"]}), Misconfigured, "must be a mapping"),
        ("kwargs by number", suite({**NULLS, "kwargs": {1: 2}}), Misconfigured, "keywords must be strings"),
        ("unknown kwargs", values("not_be_null", column="a", colour="b"), Misconfigured, "colour"),
        (
            "severity twice",
            values("not_be_null", column="a", severity="info"),
            Misconfigured,
            "multiple values",
        ),
        ("column absent", values("not_be_null"), Misconfigured, "column\n  field required"),
        ("column numeric", values("not_be_null", column=5), Misconfigured, "column\n  str type expected"),
        ("columns", values("not_be_null", column=["a"]), Misconfigured, "column\n  str type expected"),
        ("mostly 2", values("not_be_null", column="a", mostly=2), Misconfigured, "less than or equal to 1.0"),
        (
            "mostly -1",
            values("not_be_null", column="a", mostly=-1),
            Misconfigured,
            "greater than or equal to 0.0",
        ),
        (
            "mostly a word",
            values("not_be_null", column="a", mostly="most"),
            Misconfigured,
            "not a valid float",
        ),
        ("no bound", values("be_between", column="a"), Misconfigured, "cannot both be None"),
        (
            "bounds turned",
            values("be_between", column="a", min_value=5, max_value=1),
            Misconfigured,
            "min_value 5 is",
        ),
        ("a bound of text", values("be_between", column="a", min_value="x"), Misconfigured, "min_value"),
        (
            "regex",
            values("match_regex", column="k", regex="("),
            Misconfigured,
            "'(' is not a regular expression",
        ),
        (
            "regexes",
            values("match_regex_list", column="k", regex_list=["a", "["]),
            Misconfigured,
            "'[' is not a reg",
        ),
        (
            "no regexes",
            values("not_match_regex_list", column="k", regex_list=["*"]),
            Misconfigured,
            "'*' is not a",
        ),
        (
            "time format",
            values("match_strftime_format", column="k", strftime_format="%Q"),
            Misconfigured,
            "'%Q'",
        ),
        (
            "values of a set",
            values("be_in_set", column="a", value_set=5),
            Misconfigured,
            "value is not a valid list",
        ),
        ("no set", values("be_in_set", column="a"), Misconfigured, "value_set\n  field required"),
        (
            "count of text",
            entry("expect_table_row_count_to_equal", value="x"),
            Misconfigured,
            "not a valid integer",
        ),
        (
            "one column",
            entry("expect_compound_columns_to_be_unique", column_list=["a"]),
            Misconfigured,
            "at least two",
        ),
        (
            "a parameter",
            values("be_between", column="a", min_value={"$PARAMETER": "x"}),
            Misconfigured,
            FAILS,
        ),
        (
            "no quantiles",
            entry("expect_column_quantile_values_to_be_between", column="a", quantile_ranges={}),
            Misconfigured,
            f"{FAILS}KeyError",
        ),
        (
            "an id",
            suite({**NULLS, "kwargs": {"column": "a", "id": "x"}}),
            Misconfigured,
            f"{FAILS}ValueError",
        ),
        (
            "windows",
            values("be_between", column="a", min_value=1, windows=[{"x": 1}]),
            Misconfigured,
            "windows",
        ),
        (
            "a query",
            entry(
                "expect_query_results_to_match_comparison",
                comparison_data_source_name="x",
                comparison_query="select 1",
                base_query="select 1",
            ),
            Misconfigured,
            SQL,
        ),
        (
            "rows by query",
            entry("unexpected_rows_expectation", unexpected_rows_query="x"),
            Misconfigured,
            NO_TYPE,
        ),
        (
            "another table",
            entry("expect_table_row_count_to_equal_other_table", other_table_name="x"),
            Misconfigured,
            SQL,
        ),
        ("LIKE", values("match_like_pattern", column="k", like_pattern="%a"), Misconfigured, SQL),
        (
            "a condition cut off",
            values("not_be_null", column="a", row_condition="a >", condition_parser="pandas"),
            Misconfigured,
            "has a wrong row_condition; correct it",
        ),
        (
            "a condition of no column",
            values("not_be_null", column="a", row_condition="zz == 1", condition_parser="pandas"),
            Misconfigured,
            "has a wrong row_condition; correct it",
        ),
        (
            "a wrong entry of partitions",
            suite(partitions=(COUNT, {"type": "expect_x"})),
            Misconfigured,
            "partitions: ",
        ),
    ),
    *rows(
        "suite rule",
        ("no such column", values("not_be_null", column="zz"), BadData, COLUMN),
        (
            "no such columns",
            entry("expect_compound_columns_to_be_unique", column_list=["y", "z"]),
            BadData,
            COLUMN,
        ),
        (
            "no such pair",
            entry("expect_column_pair_values_to_be_equal", column_A="a", column_B="z"),
            BadData,
            COLUMN,
        ),
        ("numbers of text", values("be_between", column="k", min_value=1), BadData, TYPE),
        ("mean of text", entry("expect_column_mean_to_be_between", column="k", min_value=1), BadData, TYPE),
        (
            "scores of text",
            entry("expect_column_value_z_scores_to_be_less_than", column="k", threshold=1, double_sided=True),
            BadData,
            TYPE,
        ),
        (
            "quantiles of text",
            entry(
                "expect_column_quantile_values_to_be_between",
                column="k",
                quantile_ranges={"quantiles": [0.5], "value_ranges": [[1, 2]]},
            ),
            BadData,
            TYPE,
        ),
        (
            "pairs of kinds",
            entry("expect_column_pair_values_a_to_be_greater_than_b", column_A="a", column_B="k"),
            BadData,
            TYPE,
        ),
        (
            "sums of text",
            entry("expect_multicolumn_sum_to_equal", column_list=["a", "k"], sum_total=1),
            BadData,
            TYPE,
        ),
        ("dates of numbers", values("be_dateutil_parseable", column="a"), BadData, TYPE),
        ("order of text", values("be_decreasing", column="k"), BadData, TYPE),
        (
            "distinct values",
            entry("expect_column_distinct_values_to_be_in_set", column="k", value_set=["x"]),
            BadData,
            "failed for 1 distinct values (severity critical)",
        ),
        (
            "lists in a set",
            entry("expect_column_distinct_values_to_be_in_set", column="a", value_set=[[1]]),
            BadData,
            TYPE,
        ),
        (
            "a schema of nothing",
            values("match_json_schema", column="k", json_schema={"type": "nonsense"}),
            BadData,
            RULE,
        ),
        (
            "more ranges than quantiles",
            entry(
                "expect_column_quantile_values_to_be_between",
                column="a",
                quantile_ranges={"quantiles": [0.5], "value_ranges": [[1, 2], [3, 4]]},
            ),
            BadData,
            RULE,
        ),
        (
            "a type of nothing",
            values("be_of_type", column="a", type_="floot"),
            BadData,
            "(type_=floot) failed",
        ),
        (
            "a negative count",
            entry("expect_table_row_count_to_equal", value=-1),
            BadData,
            "(value=-1) failed",
        ),
        (
            "ordered columns",
            entry("expect_table_columns_to_match_ordered_list", column_list=["a"]),
            BadData,
            "failed",
        ),
        (
            "a huge set",
            values("be_in_set", column="k", value_set=list(range(20_000))),
            BadData,
            "for 2 of 2 rows",
        ),
        (
            "a condition that is code",
            values(
                "not_be_null",
                column="a",
                row_condition='@__import__("os").getcwd()',
                condition_parser="pandas",
            ),
            BadData,
            RULE,
        ),
        (
            "no such day column",
            suite(partitions=({"type": f"{VALUES}be_unique", "kwargs": {"column": "day"}},)),
            BadData,
            COLUMN,
        ),
    ),
]
