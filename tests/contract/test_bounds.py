"""What a contract may hold: a wrong value is refused while it is read, with its key and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from include.contract import loader
from include.contract.pipeline import Pipeline
from include.contract.reserved import COLUMNS
from include.contract.text import ColumnName, Text
from include.contract.types import CRON_PRESETS
from include.exceptions import PipelineInvalid
from include.excerpt import LIMIT, quote
from include.settings import ROOT
from tests.support.pipeline import NAME, SUITE, write_pipeline

CASES: tuple[tuple[str, Any, str], ...] = (
    # Texts: lengths and letters that Airflow, MLflow, lakeFS and PostgreSQL hold.
    ("owner", "x" * 501, "has 501 characters; use at most 500 characters"),
    ("owner", "  ", "'  ' is blank"),
    ("owner", "sh\0op", r"contains the character '\x00'; remove it"),
    ("owner", "a\nb", "holds the control character U+000A; remove it"),
    ("description", "x" * 5001, "has 5001 characters; use at most 5000 characters"),
    ("description", "a\ab", r"contains the character '\x07'"),
    ("tags[1]", ["ok", "x" * 101], "has 101 characters; use at most 100 characters"),
    ("tags[0]", [""], "'' is blank"),
    ("tags[0]", ["a\x1b[31m"], r"contains the character '\x1b'"),
    ("name", "Orders", "'Orders' is not valid; use lower-case letters, digits and '_'"),
    ("name", "x" * 64, "has 64 characters; use at most 63 characters"),
    ("name", "my-orders", "beginning with a letter, at most 63, such as 'my_orders'"),
    ("name", "Größe 2", "at most 63, such as 'gr_e_2'"),
    ("name", "a\nb", "holds the control character U+000A; remove it, such as 'a_b'"),
    ("lake.table", "My Orders", "at most 63, such as 'my_orders'"),
    ("lake.repository", None, "None: input should be a valid string"),
    ("lake.repository", "Orders", "'Orders' is not valid; use 3 to 63 lower-case letters, digits and '-'"),
    ("lake.repository", "ab", "'ab' is not valid; use 3 to 63"),
    ("lake.table", "a-b", "'a-b' is not valid; use lower-case letters"),
    ("lake.table", "x" * 64, "use at most 63 characters"),
    ("lake.table", "orders_predictions", "is the table of the pipeline's predictions; name another one"),
    ("lake.branch", "team/main", "'team/main' is not valid; use letters, digits, '_' and '-', not beginning"),
    ("lake.branch", "-main", "'-main' is not valid"),
    ("lake.branch", "größe", "'größe' is not valid"),
    ("lake.branch", "{{ ds }}", "'{{ ds }}' is not valid"),
    ("lake.branch", "", "'' is blank"),
    ("lake.branch", "main\n", "holds the control character U+000A"),
    ("lake.branch", "x" * 256, "use at most 255 characters"),
    ("source.conn_id", "my shop", "'my shop' is not valid; use letters, digits"),
    ("source.conn_id", "x" * 251, "use at most 250 characters"),
    ("source.query", "select\0", r"contains the character '\x00'"),
    ("source.query", "\n", r"'\n' is blank"),
    ("source.query", "delete from orders", "begins with 'delete'; a source only reads: write one statement"),
    ("source.query", "-- daily\n/* a */ (INSERT into t values (1))", "begins with 'INSERT'"),
    ("source.query", "vacuum into 'a.db'", "begins with 'vacuum'"),
    ("source.query", "-- nothing else", "begins with ''; a source only reads"),
    ("source.query", "select 1; delete from orders", "holds more than one statement"),
    ("source.query", "select 'a'';'; commit; delete from orders --'", "holds more than one statement"),
    ("source.query", "select '\\'; delete from orders; --'", "holds more than one statement"),
    ("source.query", "select $$'$$; delete from orders; --'", "holds more than one statement"),
    ("source.query", "select /* /* */ ' */ ; delete from orders --'", "holds more than one statement"),
    ("source.query", "select * from t\nINTO  outfile 'a'", "writes a file on the database's server; leave"),
    ("source.query", "select 1 where a > :begin", "has the parameter ':begin'; only ':start' and ':end'"),
    ("source.csv.delimiter", ";;", "';;' is not valid; write one ASCII character, such as"),
    ("source.csv.delimiter", "\a", r"contains the character '\x07'"),
    ("source.csv.delimiter", "\n", r"'\n' is not valid; write one ASCII character"),
    ("source.csv.delimiter", "…", "'…' is not valid; write one ASCII character"),
    ("source.csv.quote", "", "'' is not valid; write one ASCII character"),
    ("source.csv.encoding", "latin-99", "'latin-99' is not an encoding; write a name that Python knows"),
    ("source.csv.encoding", "hex", "'hex' is not an encoding"),
    ("source.csv.encoding", "undefined", "'undefined' is not an encoding"),
    ("source.csv.encoding", "../x\n", "holds the control character U+000A; remove it"),
    ("source.csv.skip_lines", -1, "-1: input should be greater than or equal to 0"),
    ("source.csv.skip_lines", 1001, "should be less than or equal to 1000"),
    ("source.csv.skip_lines", True, "True is not a number"),
    ("source.csv", {"columns": []}, "columns names no column; name each column of the file"),
    ("source.csv", {"columns": ["time", "a", "a"]}, "columns names 'a' twice; give each column a name"),
    ("source.csv.columns[1]", ["time", "x" * 201], "use at most 200 characters"),
    ("source.csv.null_values[0]", ["x" * 101], "use at most 100 characters"),
    ("source.csv.time_formats[0]", ["DD.MM.YYYY"], "'DD.MM.YYYY' has no part of a time; write one such as"),
    ("source.csv", {"decimal": ","}, "delimiter and decimal are ','; give each a character of its own"),
    ("source.csv", {"quote": ","}, "delimiter and quote are ','; give each a character of its own"),
    ("source.csv", {"escape": ","}, "delimiter and escape are ','; give each a character of its own"),
    ("source.csv.delimeter", {"delimeter": ";"}, "did you mean 'delimiter'? allowed: columns, decimal"),
    (
        "source",
        {"missing": "wait"},
        "missing: 'wait' is for files of a day; write '{dt}' into uri, or remove it",
    ),
    ("source.late", "route", "'route': input should be 'refuse' or 'drop'"),
    ("source.invalid_time", "keep", "'keep': input should be 'refuse' or 'drop'"),
    ("source.max_dropped", 1.5, "less than or equal to 1"),
    ("source.missing_timeout", "400d", "'400d' is longer than 366 days"),
    (
        "source",
        {"reader": "parquet", "csv": {}},
        "the key 'csv' is for reader 'csv', not 'parquet'; remove it",
    ),
    (
        "source",
        {"excel": {}},
        "the key 'excel' is for reader 'excel', not 'csv'; remove it",
    ),
    (
        "source",
        {"reader": "jsonl", "delta": {"version": 3}},
        "the key 'delta' is for reader 'delta', not 'jsonl'; remove it",
    ),
    ("source.excel.sheet", "", "'' is blank"),
    ("source.excel.sheet", "x" * 101, "use at most 100 characters"),
    ("source.excel.header_row", 0, "0: input should be greater than or equal to 1"),
    ("source.excel.header_row", True, "True is not a number"),
    (
        "source.excel",
        {"header_row": None},
        "header_row is null, so columns has to name each column of the sheet",
    ),
    ("source.excel", {"columns": []}, "columns names no column; name each column of the sheet, or leave"),
    ("source.excel", {"columns": ["a", "a"]}, "columns names 'a' twice; give each column a name of its own"),
    ("source.delta.version", -1, "-1: input should be greater than or equal to 0"),
    ("source.delta.version", "latest", "input should be a valid integer"),
    (
        "source",
        {"reader": "delta", "uri": "orders/{dt}"},
        "uri is 'orders/{dt}', but reader 'delta' reads one table; write its folder, without '{dt}' and '*'",
    ),
    ("source", {"reader": "delta", "uri": "*/orders"}, "reads one table; write its folder, without '{dt}'"),
    ("source", {"reader": "delta", "uri": None}, "reader 'delta' needs the key 'uri'"),
    ("source", {"reader": "delta", "missing": "skip"}, "missing: 'skip' is for files of a day"),
    ("source.callable", "a..b:read", "'a..b:read' is not valid; use 'module:function'"),
    ("source.partition_by", "ti\0me", r"contains the character '\x00'"),
    ("source.timezone", "x" * 999, "is not a time zone; write an IANA name"),
    ("source.timezone", "../UTC", "'../UTC' is not a time zone"),
    ("model.target", "x" * 201, "use at most 200 characters"),
    ("model.target", "late?", "'late?' is not a valid name in MLflow"),
    ("model.features.numerical[0]", ["a/../b"], "'a/../b' is not a valid name in MLflow"),
    ("model.features.numerical[0]", ["a//b"], "'a//b' is not a valid name in MLflow"),
    ("model.params", {"a=b": 1}, "'a=b' is not a valid name in MLflow; use letters, digits"),
    ("model.params", {"x" * 251: 1}, "use at most 250 characters"),
    ("model.params", {"a": [{"b": float("nan")}]}, "'a': nan is not finite"),
    ("model.params.a", {"\0": 1}, r"contains the character '\x00'"),
    ("privacy.drop[0]", ["\x07"], r"contains the character '\x07'"),
    ("training.image", "{{ var.value.image }}", "is not valid; use a reference such as"),
    ("training.image", "x" * 501, "use at most 500 characters"),
    ("training.node_selector.disk", "{{ x }}", "'{{ x }}' is not valid; use at most 63 letters"),
    ("training.node_selector.'{{ x }}'", {"{{ x }}": "a"}, "'{{ x }}' is not valid; use a key of Kubernetes"),
    ("training.tolerations[0].kee", [{"kee": 1}], "did you mean 'key'? allowed: effect, key, operator"),
    # Paths are taken as they are written.
    (
        "source.uri",
        "/data/a.csv",
        "'/data/a.csv' is absolute; write a path below the pipeline's folder, or a",
    ),
    ("source.uri", "../a.csv", "'../a.csv' leaves its folder by '..'"),
    ("source.uri", "s3://bucket/../c", "leaves its folder by '..'"),
    ("source.uri", "{{ ds }}.csv", "'{{ ds }}.csv' holds a template"),
    ("source.uri", "{% if a %}", "holds a template"),
    ("source.uri", "in\\a.csv", r"'in\\a.csv' holds a backslash; write '/'"),
    ("source.uri", "a\0.csv", r"contains the character '\x00'"),
    ("source.uri", "x" * 1001, "use at most 1000 characters"),
    (
        "source.uri",
        "in/{date}.csv",
        "holds '{date}'; write the day as '{dt}', or with a format as '{dt:%Y%m%d}'",
    ),
    ("source.uri", "in/{dt.csv", "holds '{dt.csv'; write the day as '{dt}'"),
    ("source.uri", "in/dt}.csv", "holds '}'; write the day as '{dt}'"),
    ("source.uri", "{dt:%Y%m%d%H}.csv", "holds '%H', which no day has; use %Y, %y, %m, %d, %j"),
    ("source.uri", "{dt:%Y%m%d%}.csv", "holds '%', which no day has"),
    ("source.uri", "{dt:%m%d}.csv", "names a day without its year; add it, as in '{dt:%Y%m%d}'"),
    ("source.uri", "{dt:}.csv", "names a day without its year"),
    ("source.uri", "{dt:%Y}/{dt:%d}.csv", "names a day without its month; add it"),
    ("validation.suite", "../s.yaml", "leaves its folder by '..'"),
    ("validation.suite", "/etc/s.yaml", "is absolute; write a path below the pipeline's folder"),
    ("validation.suite", "s3://b/s.yaml", "is not a file of the folder"),
    # Numbers are finite, in range, and not true or false.
    ("gate.minimum", 1.2, "1.2 is outside of 0 to 1, the range of roc_auc"),
    ("gate.minimum", float("nan"), "nan is not finite; write a number"),
    ("gate.minimum", "nan", "'nan': input should be a finite number"),
    ("gate.minimum", "1e999", "'1e999': input should be a finite number"),
    ("gate.minimum", True, "True is not a number; write digits"),
    ("gate.min_improvement", 2, "2.0 is outside of -1 to 1, by which two values of roc_auc can differ"),
    ("gate.min_improvement", float("inf"), "inf is not finite"),
    ("gate.max_latency_ms", 3.7e6, "should be less than or equal to 3600000"),
    ("gate.max_latency_ms", True, "True is not a number"),
    ("model.seed", -1, "-1: input should be greater than or equal to 0"),
    ("model.seed", 2**32, "4294967296: input should be less than or equal to 4294967295"),
    ("model.seed", True, "True is not a number"),
    ("monitoring.drift.share", 1.5, "1.5: input should be less than or equal to 1"),
    ("monitoring.drift.share", float("nan"), "nan is not finite"),
    ("monitoring.drift.methods.wasserstein", float("inf"), "inf is not finite"),
    ("monitoring.retrain.of", 367, "367: input should be less than or equal to 366"),
    ("monitoring.retrain.min_rows", 2**31, "should be less than or equal to 2147483647"),
    ("monitoring.fairness.min_rows", False, "False is not a number"),
    ("training.resources.cpu", 1025, "should be less than or equal to 1024"),
    ("training.resources.cpu", 10**400, "has 401 characters, the limit for the type 'int' is 200"),
    ("training.resources.gpu", 1025, "should be less than or equal to 1024"),
    ("training.resources.memory", "70000Gi", "'70000Gi' is outside of 6Mi to 65536Gi"),
    ("training.resources.memory", "5Mi", "'5Mi' is outside of 6Mi to 65536Gi"),
    ("training.resources.memory", "2G", "'2G' is not an amount of memory; write a number and Mi or Gi"),
    ("training.timeout", "367d", "'367d' is longer than 366 days; write a shorter duration"),
    ("training.timeout", True, "True is not a valid duration"),
    ("gate.approval_timeout", "9999999w", "is longer than 366 days"),
    ("source.max_days", 0, "0: input should be greater than or equal to 1"),
    ("source.max_days", 36_526, "should be less than or equal to 36525"),
    # Columns exist, as far as contract and suite name them.
    ("gate.slices.column", "kinds", "'kinds' is not a known column; did you mean 'kind'? known are features"),
    # Names that Millrace uses itself.
    ("model.target", "time", "'time' is the time column; name the column to predict"),
    ("model.params.seed", 1, "'seed' is logged with model.seed; set model.seed"),
    ("model.params.first", "a", "'first' is logged with the first day of the training; rename"),
    ("monitoring.fairness.column", "gender", "expect it in expectations.yaml, for instance by expect_column"),
    # Days.
    (
        "schedule.since",
        "1899-12-31",
        "1899-12-31 is outside of 1900-01-01 to 2199-12-31; write a day between",
    ),
    ("schedule.refresh", "36h", "is not a whole number of days; write days, such as '7d'"),
    ("schedule.refresh", "400d", "'400d' is longer than 366 days; write a shorter duration"),
    ("schedule.refresh", 7, "7 is not a valid duration; write a whole number and s, m, h, d or w"),
    ("source.skip_days[1]", ["2024-12-25", "Christmas"], "'Christmas' is not a day; write it as 2024-03-31"),
    ("source.skip_days", "2024-12-25", "input should be a valid tuple"),
    ("validation.publish", "some", "input should be 'all' or 'good_partitions'"),
    ("schedule.since", "2200-01-01", "2200-01-01 is outside of 1900-01-01 to 2199-12-31"),
    ("schedule.since", 86400, "86400 is not a day; write it as 2024-03-31"),
    ("schedule.since", True, "True is not a day"),
    ("schedule.since", "2024-02-30", "'2024-02-30' is not a day"),
    # Crons.
    (
        "schedule.ingest",
        "0 0 2 * * *",
        "'0 0 2 * * *' is not a cron expression; write five fields or a preset",
    ),
    (
        "schedule.ingest",
        "@hourly",
        "'@hourly' is due more than once a day, and a run brings whole days; write one time of day, such as",
    ),
    ("schedule.ingest", "0 6,18 * * *", "is due more than once a day"),
    ("schedule.ingest", "* 6 * * *", "is due more than once a day"),
    ("schedule.monitor", "0 */6 * * 1", "is due more than once a day"),
    ("schedule.monitor", "0 0 2 * * *", "is not a cron expression"),
    ("schedule.train", "* * * * * * *", "is not a cron expression"),
    ("schedule.train", "R R * * *", "is not a cron expression"),
    ("schedule.train", "R(0-9) 2 * * *", "is not a cron expression"),
    ("schedule.train", "@midnight", "is not a cron expression"),
    ("schedule.train", "@once", "is not a cron expression"),
    ("schedule.train", "0 2 30 2 *", "'0 2 30 2 *' is never due; write a date that exists"),
    ("schedule.train", "1," * 50 + "1 * * * *", "use at most 100 characters"),
    ("schedule.train", "0 2\n* * *", "holds the control character U+000A"),
)
"""Path of the fault, the value of its key, and a part of the message."""

TOGETHER: tuple[tuple[str, dict[str, Any], str], ...] = (
    (
        "gate.minimum",
        {"gate": {"metric": "neg_log_loss", "minimum": 0.5}},
        "0.5 is outside of -100 to 0, the range of neg_log_loss; greater is better",
    ),
    (
        "gate.minimum",
        {"gate": {"metric": "neg_brier_score", "minimum": -1.1}},
        "-1.1 is outside of -1 to 0, the range of neg_brier_score",
    ),
    (
        "gate.slices.column",
        {"gate": {"slices": {"column": "id"}}, "privacy": {"drop": ["id"]}},
        "'id' is dropped by privacy.drop",
    ),
)
"""The same with the changes of several keys."""

RAW: tuple[tuple[str, str, str], ...] = (
    ("description", r'"\ud800"', r"contains the character '\ud800'; remove it"),
    ("owner", f"0x{'f' * 9000}", "has 9,002 characters, the limit for the type 'int' is 200"),
)
"""The same as YAML."""


def changed(path: str, value: Any) -> dict[str, Any]:
    """The sections with a value at a path; a path into a list stands for the list."""
    place = path.partition("[")[0].removesuffix(".'{{ x }}'").split(".")
    for key in reversed(place):
        value = {key: value}
    return dict(value)


def faults_of(folder: Path) -> list[tuple[str, str]]:
    with pytest.raises(PipelineInvalid) as raised:
        loader.load(folder)
    return [(fault.path, fault.message) for fault in raised.value.faults]


def written(parent: Path, changes: dict[str, Any]) -> Path:
    """A pipeline with these changes; its folder keeps its name."""
    name = changes.get("name", NAME)
    folder = write_pipeline(parent, **{key: value for key, value in changes.items() if key != "name"})
    file = folder / "pipeline.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "name": name}))
    return folder


@pytest.mark.parametrize(
    ("path", "changes", "message"),
    [*((path, changed(path, value), message) for path, value, message in CASES), *TOGETHER],
    ids=[f"{path}-{quote(value)[:20]}" for path, value, _ in (*CASES, *TOGETHER)],
)
def test_a_wrong_value_is_refused_with_its_key_and_what_is_allowed(
    tmp_path: Path, path: str, changes: dict[str, Any], message: str
) -> None:
    found = faults_of(written(tmp_path, changes))
    assert [text for where, text in found if where == path and message in text], found


@pytest.mark.parametrize(("key", "value", "message"), RAW, ids=[case[0] for case in RAW])
def test_a_value_that_only_yaml_can_hold_is_refused(
    tmp_path: Path, key: str, value: str, message: str
) -> None:
    file = write_pipeline(tmp_path) / "pipeline.yaml"
    file.write_text(re.sub(f"^{key}: .*", lambda _: f"{key}: {value}", file.read_text(), flags=re.MULTILINE))
    [(path, found)] = faults_of(file.parent)
    assert path == key
    assert message in found


REFUSED_NOW = re.findall(
    r"^\| `([^`]+)` \| `([^`]+)` \| `([^`]+)` \| [^|]+ \|$",
    (ROOT / "docs/releases.md").read_text(),
    re.MULTILINE,
)
"""The rows of the page for those who update: key, value as YAML, and message."""


@pytest.mark.parametrize(
    ("path", "value", "message"), REFUSED_NOW, ids=[f"{path}-{value}" for path, value, _ in REFUSED_NOW]
)
def test_a_contract_that_was_accepted_once_is_refused_as_the_page_says(
    tmp_path: Path, path: str, value: str, message: str
) -> None:
    found = faults_of(written(tmp_path, changed(path, yaml.safe_load(value))))
    assert [text for where, text in found if where == path and message in text], found


def test_the_page_has_a_row_for_each_kind_of_what_is_refused_now() -> None:
    sections = {path.partition(".")[0] for path, _, _ in REFUSED_NOW}
    assert len(REFUSED_NOW) > 30
    assert sections == {*Pipeline.model_fields} - {
        *("name", "description", "tags", "privacy", "columns", "labels", "exports")
    }


def test_a_key_that_is_written_twice_is_refused_as_the_page_says(tmp_path: Path) -> None:
    file = write_pipeline(tmp_path) / "pipeline.yaml"
    file.write_text(file.read_text() + "owner: another\n")
    [(_, message)] = faults_of(file.parent)
    assert "is written twice" in message


VALID: tuple[dict[str, Any], ...] = (
    {"owner": "x" * 500, "tags": ["x" * 100, "größe"], "description": "two\nlines\tand a tab, 5 %"},
    {"lake": {"repository": "0-9", "branch": "_Main-2", "table": "t"}},
    {"source": {"uri": "in/{dt}/a..b.csv", "timezone": "America/Argentina/Buenos_Aires"}},
    {"source": {"uri": "s3://bucket/{dt}.csv", "missing": "skip"}},
    {"source": {"uri": "{dt}.csv", "missing": "wait", "missing_timeout": "366d"}},
    {"source": {"late": "drop", "invalid_time": "drop", "max_dropped": 1}},
    {"source": {"uri": "s3://bucket/year={dt:%Y}/month={dt:%m}/*/{dt:%d}-*.csv?region=eu"}},
    {"source": {"uri": "dt={dt}/*.csv", "partition_by": "dt", "csv": {"columns": ["id"]}}},
    {"source": {"csv": {"delimiter": "\t", "quote": None, "escape": "\\", "encoding": "Latin-1"}}},
    {"source": {"csv": {"delimiter": ";", "decimal": ",", "escape": '"', "time_formats": ["%d.%m.%Y"]}}},
    {"source": {"csv": {"columns": ["time", "prediction"], "skip_lines": 1000, "null_values": ["-", " "]}}},
    {"source": {"reader": "jsonl", "uri": "dt={dt}/*.json.gz", "missing": "skip"}},
    {
        "source": {
            "reader": "excel",
            "uri": "{dt:%Y-%m}.xlsx",
            "excel": {"sheet": "März 2024", "header_row": 3},
        }
    },
    {"source": {"reader": "excel", "excel": {"header_row": None, "columns": ["time", "id"]}}},
    {"source": {"reader": "delta", "uri": "s3://bucket/orders", "delta": {"version": 0}}},
    {"source": {"reader": "sql", "uri": None, "conn_id": "a#!(b)-c.d:e/f", "query": "select\n  '{{'\n"}},
    {"source": {"query": "select ';', \"a;b\" -- c;\nfrom t where d >= :start and d < :end ;\n"}},
    {"source": {"query": "/* daily */ ((SELECT a::date, '12:30', '\\:x', $1 FROM t))"}},
    {"source": {"query": "with recursive a as (select 1) select * from a;"}},
    {"gate": {"metric": "neg_log_loss", "minimum": -0.7, "min_improvement": -0.01}},
    {"gate": {"minimum": 1, "slices": {"column": "id"}}},
    {"gate": {"minimum": "0.5", "slices": {"column": "time"}}},
    {"monitoring": {"fairness": {"column": "returned"}, "retrain": {"of": 366}}},
    {"model": {"seed": 2**32 - 1, "params": {"a/b c": {"d": [1, 0.5, None, True, "x\ny"]}}}},
    {"training": {"image": "registry.example:5000/a/b:1.0@sha256:" + "0" * 64, "timeout": "366d"}},
    {"training": {"resources": {"cpu": 0.1, "memory": "65536Gi", "gpu": 0}}},
    {"training": {"node_selector": {"kubernetes.io/os": "linux", "a": ""}}},
    {"schedule": {"since": "1900-01-01", "ingest": "@quarterly", "train": "0 0 29 2 *"}},
    {"model": {"target": "share", "features": {"numerical": ["rows", "gap", "Prediction", "day"]}}},
    {"privacy": {"drop": ["prediction", "_day"]}},
    {"lake": {"table": "predictions"}},
    {"schedule": {"ingest": "*/60 */24 * * *", "train": "@hourly", "monitor": "59 23 * * *"}},
    {"schedule": {"since": "2199-12-31", "ingest": "0 6 * * mon-fri", "train": "0 0 L * *"}},
)


@pytest.mark.parametrize("changes", VALID, ids=str)
def test_what_the_services_hold_is_allowed(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert isinstance(loader.load(written(tmp_path, changes)), Pipeline)


COLUMN_KEYS = {
    "source.partition_by": "source.partition_by",
    "model.target": "model.target",
    "model.time": "model.time",
    "model.features.numerical": "model.features.numerical[1]",
    "model.features.categorical": "model.features.categorical[1]",
    "gate.slices.column": "gate.slices.column",
    "monitoring.fairness.column": "monitoring.fairness.column",
    "columns": "columns.{}",
}
"""The keys that name columns of the table, and the path of the fault."""
LABEL_KEYS = {
    "labels.keys": "labels.keys[0]",
    "labels.target": "labels.target",
    "labels.source.partition_by": "labels.source.partition_by",
    "labels.columns": "labels.columns.{}",
}
"""The same of the table of labels."""


def column_keys(section: Any, above: str = "") -> Iterator[str]:
    """The keys of the contract that hold the names of columns, as its models say."""
    for name, field in section.model_fields.items():
        annotation, path = field.annotation, f"{above}{name}"
        options = (annotation, *get_args(annotation))
        if field.metadata == [Text(200)] or any(option == ColumnName for option in options):
            yield path
        for option in options:
            if isinstance(option, type) and issubclass(option, BaseModel):
                yield from column_keys(option, f"{path}.")


def test_every_key_that_names_a_column_is_tried_below() -> None:
    of_sources = {"privacy.drop", "columns.source", "labels.columns.source"}
    declared = {"privacy.hash"}  # each has a key in `columns`
    assert set(column_keys(Pipeline)) == {*COLUMN_KEYS, *LABEL_KEYS, *of_sources, *declared}


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("key", COLUMN_KEYS)
def test_a_column_whose_name_is_taken_is_refused_wherever_it_is_named(
    tmp_path: Path, key: str, column: str
) -> None:
    value: Any = ["amount", column] if key.startswith("model.features") else column
    if key == "columns":
        value = {column: "float"}
    rule = {"type": "expect_column_to_exist", "kwargs": {"column": column}}
    folder = written(tmp_path, changed(key, value))
    (folder / "expectations.yaml").write_text(yaml.safe_dump({**SUITE, "rows": [rule]}))
    assert [text for path, text in faults_of(folder) if path == COLUMN_KEYS[key].format(column)] == [
        f"{column!r} {COLUMNS[column]}"
    ]


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("key", LABEL_KEYS)
def test_a_column_of_labels_whose_name_is_taken_is_refused(tmp_path: Path, key: str, column: str) -> None:
    source = {"reader": "csv", "uri": "outcomes.csv", "partition_by": "decided"}
    labels: dict[str, Any] = {"source": source, "keys": ["id"]}
    name = key.removeprefix("labels.")
    if name == "source.partition_by":
        source["partition_by"] = column
    else:
        labels[name] = {"keys": [column], "columns": {column: "float"}}.get(name, column)
    folder = write_pipeline(tmp_path, labels=labels)
    assert [text for path, text in faults_of(folder) if path == LABEL_KEYS[key].format(column)] == [
        f"{column!r} {COLUMNS[column]}"
    ]


def test_a_column_of_the_suite_is_known(tmp_path: Path) -> None:
    rule = {"type": "expect_column_to_exist", "kwargs": {"column": "gender"}}
    suite = {**SUITE, "rows": [*SUITE["rows"], rule]}
    folder = write_pipeline(tmp_path, suite=suite, monitoring={"fairness": {"column": "gender"}})
    assert loader.load(folder).monitoring.fairness is not None


@pytest.mark.parametrize(
    "content", ["[", "- 1", "rows: 1", "rows: [1, {kwargs: 1}]", "", "rows: [{kwargs: {column: 1}}]"]
)
def test_a_broken_suite_hides_no_fault_of_the_contract(tmp_path: Path, content: str) -> None:
    folder = write_pipeline(tmp_path, monitoring={"fairness": {"column": "gender"}})
    (folder / "expectations.yaml").write_text(content)
    [(path, message)] = faults_of(folder)
    assert path == "monitoring.fairness.column"
    assert "'gender' is not a known column" in message


LONG = "x" * 10_000
HUGE: tuple[dict[str, Any], ...] = (
    {"name": LONG},
    {"owner": LONG},
    {LONG: 1},
    {LONG + "\n": 1},
    {"source": {"reader": LONG, "timezone": LONG, "uri": f"/{LONG}", LONG: LONG}},
    {"lake": {"repository": LONG, "branch": f"-{LONG}"}},
    {"schedule": {"ingest": LONG, "since": LONG}},
    {"validation": LONG},
    {"model": {"target": LONG, "features": {"numerical": [LONG, LONG, f"{LONG}?"]}, "params": {LONG: LONG}}},
    {"training": {"timeout": LONG, "window": LONG, "node_selector": {LONG: LONG}}},
    {"gate": {"slices": {"column": LONG}}},
    {"tags": [[LONG] * 9]},
    {"privacy": {"drop": ["y" + LONG]}, "monitoring": {"fairness": {"column": "y" + LONG}}},
)


@pytest.mark.parametrize("changes", HUGE, ids=lambda changes: ",".join(changes)[:30])
def test_a_message_repeats_no_more_of_a_value_than_its_bound(tmp_path: Path, changes: dict[str, Any]) -> None:
    for path, message in faults_of(written(tmp_path, changes)):
        for text in (path, message):
            assert max((len(run) for run in re.findall("x+", text)), default=0) <= LIMIT
            assert "\n" not in text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a\nb", r"'a\nb'"),
        (1.5, "1.5"),
        ("x" * 198, "'" + "x" * 198 + "'"),
        ("x" * 199, "'" + "x" * 198 + "…"),
        (1 << 20_000, "int of more digits than can be shown"),
    ],
    ids=["line", "number", "fits", "cut", "digits"],
)
def test_a_value_is_quoted_within_its_bound(value: object, expected: str) -> None:
    assert quote(value) == expected
    assert len(expected) <= LIMIT


def test_the_presets_are_airflows() -> None:
    from airflow.utils.dates import cron_presets

    assert cron_presets == CRON_PRESETS
