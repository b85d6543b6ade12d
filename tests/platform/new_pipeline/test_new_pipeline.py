"""What is written for own data passes its dry run at once; of bad data nothing is written."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.contract import loader
from include.contract.pipeline import Pipeline
from include.exceptions import MillraceError
from include.platform.check import check
from include.platform.new_pipeline import files
from include.platform.new_pipeline.__main__ import Written, main, new_pipeline
from include.settings import Settings
from include.yaml_text import read_yaml
from tests.support.own_data import german, orders, write
from tests.support.workbooks import write_xlsx


def make(tmp: Path, given: Path | str, target: str = "returned", time: str | None = None) -> Written:
    return new_pipeline("orders", str(given), target, time, pipelines=tmp / "pipelines")


def faults(folder: Path) -> list[str]:
    return [f"{one.step}: {one.seen}: {one.fault}" for one in check(folder) if one.fault]


def contract(written: Written) -> Pipeline:
    return loader.load(written.folder)


def why(written: Written, value: str) -> str:
    return "; ".join(f"{one.choice}: {one.why}" for one in written.reasons if one.value == value)


def plain(tmp: Path) -> Path:
    return write(tmp / "orders.csv", orders())


def spreadsheet(tmp: Path) -> Path:
    file = write(tmp / "orders.csv", orders(), cell=german, encoding="cp1252", delimiter=";")
    head = "Bestellungen für März\n\n".encode("cp1252")
    file.write_bytes(head + file.read_bytes().replace(b"amount", "Betrag (€)".encode("cp1252")))
    return file


def compressed(tmp: Path) -> Path:
    file = tmp / "orders.tsv.gz"
    file.write_bytes(gzip.compress(write(tmp / "o.tsv", orders(), delimiter="\t").read_bytes()))
    return file


def parquet(tmp: Path) -> Path:
    pq.write_table(pa.Table.from_pylist(orders()), tmp / "orders.parquet")
    return tmp / "orders.parquet"


def json_lines(tmp: Path) -> Path:
    rows = (json.dumps(row, default=str) for row in orders())
    (tmp / "orders.jsonl").write_text("\n".join(rows))
    return tmp / "orders.jsonl"


def workbook(tmp: Path) -> Path:
    rows = orders()
    write_xlsx(tmp / "orders.xlsx", {"Orders": [list(rows[0]), *(list(row.values()) for row in rows)]})
    return tmp / "orders.xlsx"


def folder_of_days(tmp: Path) -> Path:
    (tmp / "days").mkdir()
    rows = orders()
    for day in sorted({row["created"].date() for row in rows}):
        write(tmp / "days" / f"o-{day:%Y%m%d}.csv", [row for row in rows if row["created"].date() == day])
    return tmp / "days"


def hive(tmp: Path) -> Path:
    rows = orders(days=20)
    for day in sorted({row["created"].date() for row in rows}):
        part = tmp / "hive" / f"dt={day}" / "part-0.parquet"
        part.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist([row for row in rows if row["created"].date() == day]), part)
    return tmp / "hive"


def since_1970(tmp: Path) -> Path:
    rows = [
        {**row, "created": int((row["created"] - datetime(1970, 1, 1)).total_seconds())} for row in orders()
    ]
    return write(tmp / "orders.csv", rows)


def name_with_spaces(tmp: Path) -> Path:
    return plain(tmp).rename(tmp / "my orders {1} 50%.csv")


SOURCES = [
    plain,
    spreadsheet,
    compressed,
    parquet,
    json_lines,
    workbook,
    folder_of_days,
    hive,
    since_1970,
    name_with_spaces,
]


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_written_passes_its_dry_run(tmp_path: Path, source: Callable[[Path], Path]) -> None:
    written = make(tmp_path, source(tmp_path))

    assert faults(written.folder) == []
    assert {file.name for file in written.folder.iterdir() if file.is_file()} == {
        "pipeline.yaml",
        "expectations.yaml",
        "model.py",
        "README.md",
    }
    pipeline = contract(written)
    assert (pipeline.model.target, pipeline.model.time) == ("returned", "created")
    assert "weight" in pipeline.model.features.numerical
    assert {"kind", "zip"} <= set(pipeline.model.features.categorical)


def test_a_spreadsheet_in_german_is_declared(tmp_path: Path) -> None:
    written = make(tmp_path, spreadsheet(tmp_path))
    raw: dict[str, Any] = read_yaml(written.folder / "pipeline.yaml")

    assert raw["source"]["csv"] == {
        "delimiter": ";",
        "decimal": ",",
        "encoding": "cp1252",
        "skip_lines": 2,
    }
    assert raw["columns"] == {
        "order_id": "integer",
        "created": {"type": "timestamp", "format": "%d.%m.%Y %H:%M"},
        "Betrag": {"type": "float", "from": "Betrag (€)"},
        "weight": {"type": "float", "null_values": ["-"]},
        "kind": "string",
        "zip": "string",
        "email": "string",
        "returned": "integer",
    }
    assert "leading zeros" in why(written, "zip")
    assert why(written, "created") == "time: the only column of times; written as '%d.%m.%Y %H:%M'"


def test_ids_and_persons_are_neither_features_nor_in_the_suite(tmp_path: Path) -> None:
    written = make(tmp_path, plain(tmp_path))

    assert contract(written).model.features.all == ["amount", "weight", "kind", "zip"]
    assert "identifier" in why(written, "order_id")
    assert "looks personal" in why(written, "email")
    texts = (written.folder / "expectations.yaml").read_text() + (written.folder / "README.md").read_text()
    assert "person1" not in texts


def test_no_value_of_the_data_is_shown_but_categories(tmp_path: Path) -> None:
    written = make(tmp_path, plain(tmp_path))

    shown = " ".join(f"{one.value} {one.why}" for one in written.reasons)
    values = {str(row[name]) for row in orders() for name in ("amount", "weight", "email", "zip", "kind")}
    assert [value for value in values - {"None"} if value in shown] == []


def test_the_suite_has_slack(tmp_path: Path) -> None:
    written = make(tmp_path, plain(tmp_path))
    suite: dict[str, Any] = read_yaml(written.folder / "expectations.yaml")

    assert suite["partitions"][0]["kwargs"] == {"column": "rows", "min_value": 12, "max_value": 48}
    assert {
        "type": "expect_column_values_to_be_in_set",
        "kwargs": {"column": "kind", "value_set": ["book", "food", "toy"]},
        "severity": "warning",
    } in suite["rows"]
    [bounds] = [
        one["kwargs"]
        for one in suite["rows"]
        if one["kwargs"]["column"] == "amount" and "min_value" in one["kwargs"]
    ]
    amounts = [row["amount"] for row in orders()]
    width = max(amounts) - min(amounts)
    assert bounds["min_value"] == 0
    assert max(amounts) + width <= bounds["max_value"] <= max(amounts) + 1.3 * width


def test_files_of_days_run_by_cron_and_one_file_on_demand(tmp_path: Path) -> None:
    assert contract(make(tmp_path, folder_of_days(tmp_path))).schedule.ingest == "@daily"
    (tmp_path / "other").mkdir()
    assert contract(make(tmp_path / "other", plain(tmp_path))).schedule.ingest is None


def rows_with(**columns: Callable[[int], Any]) -> list[dict[str, Any]]:
    return [
        {**row, **{name: value(number) for name, value in columns.items()}}
        for number, row in enumerate(orders())
    ]


def test_of_several_times_one_has_to_be_named(tmp_path: Path) -> None:
    rows = rows_with(shipped=lambda number: datetime(2024, 2, 1) + timedelta(hours=number))
    file = write(tmp_path / "orders.csv", rows)

    with pytest.raises(MillraceError, match="2 columns hold times: 'created', 'shipped'; name the one that"):
        make(tmp_path, file)
    assert contract(make(tmp_path, file, time="shipped")).model.time == "shipped"


def test_what_gives_the_target_away_is_left_out(tmp_path: Path) -> None:
    rows = [
        {**row, "refund": row["returned"] * row["amount"], "state": "ab"[row["returned"]]} for row in orders()
    ]
    written = make(tmp_path, write(tmp_path / "orders.csv", rows))

    for leak in ("refund", "state"):
        assert why(written, leak).startswith("left out: determines the target")


def test_words_for_true_are_a_target(tmp_path: Path) -> None:
    rows = [{**row, "returned": "yes" if row["returned"] else "no"} for row in orders()]
    written = make(tmp_path, write(tmp_path / "orders.csv", rows))

    assert contract(written).source.csv.true_values == ("yes",)
    assert faults(written.folder) == []


@pytest.mark.parametrize("name", ["Orders", "1st", "a-b", "", "../x", "a" * 64])
def test_a_name_that_no_pipeline_has_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MillraceError, match="is not a name of a pipeline; use lower-case letters"):
        new_pipeline(name, str(plain(tmp_path)), "returned", None, pipelines=tmp_path / "pipelines")


def test_the_nearest_name_is_proposed(tmp_path: Path) -> None:
    with pytest.raises(
        MillraceError, match=r"NAME='my-pipeline' is not .*, at most 63, such as 'my_pipeline'$"
    ):
        new_pipeline("my-pipeline", str(plain(tmp_path)), "returned", None, pipelines=tmp_path / "pipelines")


def test_the_repository_is_written_only_where_the_name_is_too_short_for_it() -> None:
    assert files.lake("my_orders") == {"table": "my_orders"}
    assert files.lake("ab") == {"repository": "ab-lake", "table": "ab"}


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    folder = make(tmp_path, plain(tmp_path)).folder
    (folder / "model.py").write_text("mine")

    with pytest.raises(MillraceError, match=r"pipelines/orders exists, and nothing is overwritten"):
        make(tmp_path, plain(tmp_path))
    assert (folder / "model.py").read_text() == "mine"
    assert [path.name for path in folder.parent.iterdir()] == ["orders"]


def test_a_thousand_columns_are_written_with_rules_for_some(tmp_path: Path) -> None:
    rows = [
        {**row, **{f"f{n}": number * n % 101 for n in range(1000)}} for number, row in enumerate(orders(20))
    ]
    written = make(tmp_path, write(tmp_path / "orders.csv", rows))

    assert len(contract(written).model.features.all) > 900
    assert why(written, "904 features without rules") or "features without rules" in str(written.reasons)
    assert len(read_yaml(written.folder / "expectations.yaml")["rows"]) < 250


def test_a_large_file_is_sampled_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.platform.new_pipeline.sample.SAMPLE_BYTES", 20_000)
    written = make(tmp_path, plain(tmp_path))

    [sample] = [one for one in written.reasons if one.choice == "sample"]
    assert int(sample.value.split()[0]) < 400
    assert re.match(r"about 2\d% of the data; the rest may differ", sample.why)
    assert contract(written).training.window.days > 20
    assert faults(written.folder) == []


def test_the_command_prints_a_line_for_each_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = "include.platform.new_pipeline.__main__.settings"
    monkeypatch.setattr(place, lambda: Settings(pipelines=tmp_path / "pipelines"))

    assert main(["--time=", "--", "orders", str(plain(tmp_path)), "returned"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("left out")] == [
        "left out         order_id  is an identifier: almost every row has a value of its own",
        "left out         email  looks personal: neither a feature nor in the suite; privacy.drop, or "
        "privacy.hash where tables are joined by it, keeps it out of the lake",
    ]
    assert lines[-2].strip().startswith("next:    make check PIPELINE=orders")
