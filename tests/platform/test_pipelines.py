"""The list of pipelines, with what is wrong with each."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.platform.pipelines import Listed, list_pipelines, main
from include.settings import Settings
from tests.support.pipeline import write_pipeline


def test_each_pipeline_is_listed_with_the_state_of_its_files(tmp_path: Path) -> None:
    write_pipeline(tmp_path, schedule={"monitor": None, "train": "@weekly"})
    write_pipeline(tmp_path, "no_suite", suite={"rows": []}, lake={"repository": "other"})
    write_pipeline(tmp_path, "wrong", gate={"minimun": 1})

    good, suite, wrong = sorted(list_pipelines(tmp_path), key=lambda one: (len(one.faults), one.name))[:1] + [
        one for one in list_pipelines(tmp_path) if one.faults
    ]

    assert good == Listed(
        name="orders",
        faults=(),
        schedule="ingest @daily\ntrain @weekly",
        table="orders/main/orders",
        source="csv orders.csv",
    )
    assert suite.state.startswith("1 fault(s): expectations.yaml: partitions: is empty")
    assert wrong.state.startswith("1 fault(s): pipeline.yaml: gate.minimun: ")
    assert wrong.table == ""


def test_a_table_of_two_pipelines_is_a_fault(tmp_path: Path) -> None:
    write_pipeline(tmp_path)
    write_pipeline(tmp_path, "orders_copy")

    assert [one.faults[0].split(":")[1].strip() for one in list_pipelines(tmp_path) if one.faults] == [
        "lake.table"
    ]


def test_the_command_fails_where_one_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("include.platform.pipelines.settings", lambda: Settings(pipelines=tmp_path))

    assert main() == 0
    assert f"0 pipeline(s) in {tmp_path}, 0 broken" in capsys.readouterr().out
    write_pipeline(tmp_path)
    assert main() == 0
    write_pipeline(tmp_path, "wrong", gate={"minimun": 1})
    assert main() == 1
    assert "2 pipeline(s)" in capsys.readouterr().out
