"""The sensor that waits for a day's partition."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowRescheduleException, AirflowSkipException

from millrace.sensors.partition import PartitionSensor
from tests.support.loop import Loop, rows
from tests.support.task import run


def wait_for_day(shop: Loop, day: str) -> object:
    return run(PartitionSensor(task_id="wait", pipeline_name=shop.folder.name, day=day))


def test_it_waits_for_its_day_and_returns_the_commit_that_holds_it(shop: Loop) -> None:
    with pytest.raises(AirflowRescheduleException):
        wait_for_day(shop, "2024-03-31")
    shop.put({30: rows(30)})
    assert wait_for_day(shop, "2024-03-31") == {"commit": shop.head}


def test_it_says_what_a_folder_holds_in_which_there_is_no_part(
    shop: Loop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "note").write_bytes(b"by another tool")
    for name in ("_SUCCESS", "0001.parquet", "old/part-0.parquet"):
        shop.lake.upload(shop.pipeline.lake.branch, f"orders/dt=2024-03-31/{name}", tmp_path / "note")
    shop.lake.commit(shop.pipeline.lake.branch, "left by others", {})
    with pytest.raises(AirflowRescheduleException):
        wait_for_day(shop, "2024-03-31")
    assert (
        f"no partition dt=2024-03-31 of 'orders' at {shop.head} yet: its folder holds 3 object(s), none a "
        "part; parts are named 'dt=YYYY-MM-DD/part-*.parquet': run the pipeline's ingest for that day"
    ) in capsys.readouterr().out


def test_it_needs_no_champion(shop: Loop) -> None:
    assert wait_for_day(shop, "2024-03-30") == {"commit": shop.head}


def test_a_day_that_never_comes_is_not_waited_for(shop: Loop) -> None:
    contract = shop.folder / "pipeline.yaml"
    contract.write_text(contract.read_text().replace("source:", "source:\n  skip_days: [2024-03-31]"))
    with pytest.raises(AirflowSkipException, match=r"2024-03-31 is one of source\.skip_days"):
        wait_for_day(shop, "2024-03-31")
    assert wait_for_day(shop, "2024-03-30") == {"commit": shop.head}
