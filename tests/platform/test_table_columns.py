"""`make schema` and `make evolve`: what they print, and how they end."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import SecretStr

from include.exceptions import Misconfigured
from include.ingestion.hashing import Hasher
from include.lake.client import Lake
from include.platform.table_columns import Line, lines, main
from include.settings import PrivacyGroup, Settings
from include.tracking.server import TrackingServer
from tests.support.ingest import IngestRun
from tests.support.pipeline import day, orders, write_csv, write_pipeline


@pytest.fixture
def loaded(
    tmp_path: Path, lake: Lake, tracking: TrackingServer, monkeypatch: pytest.MonkeyPatch
) -> IngestRun:
    """A pipeline of this process' settings, whose table has a day; `id` is declared as text afterwards."""
    section = {"repository": lake.repository, "table": "orders"}
    run = IngestRun(write_pipeline(tmp_path / "before", lake=section), lake, tracking)
    write_csv(run.folder / "orders.csv", orders(0))
    run.load(0)
    run.publish()
    columns = {"id": "string", "note": {"type": "string", "since": "2024-04-01"}}
    write_pipeline(tmp_path / "now", lake=section, columns=columns)
    settings = Settings(pipelines=tmp_path / "now")
    monkeypatch.setattr("include.platform.table_columns.settings", lambda: settings)
    monkeypatch.setenv("LAKECTL_SERVER_ENDPOINT_URL", lake.connection.endpoint)
    monkeypatch.setenv("LAKECTL_CREDENTIALS_ACCESS_KEY_ID", lake.connection.access_key_id)
    monkeypatch.setenv("LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY", lake.connection.secret_access_key)
    monkeypatch.setenv("COLUMNS", "200")
    return IngestRun(tmp_path / "now" / "orders", lake, tracking)


def test_the_schema_shows_what_contract_and_table_say(
    loaded: IngestRun, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(lines(loaded.pipeline.feed(), loaded.table)) == [
        Line("time", "", "timestamp"),
        Line("id", "string", "integer"),
        Line("amount", "", "float"),
        Line("kind", "", "string"),
        Line("returned", "", "integer"),
        Line("note", "string", ""),
    ]
    assert main(["schema", "orders"]) == 1
    assert "contract and table differ in 'id'; run `make evolve PIPELINE=orders`" in _text(capsys)


def test_evolve_makes_them_agree(loaded: IngestRun, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evolve", "orders"]) == 0
    found = _text(capsys)
    assert re.search(r"id: integer is string now 1 part\(s\) written again, commit [0-9a-f]{12}", found)
    assert main(["schema", "orders"]) == 0
    assert main(["evolve", "orders"]) == 0
    assert "contract and table 'orders' agree: nothing to change" in _text(capsys)
    assert loaded.table.schema("main").field("id").type == "string"  # type: ignore[union-attr]


def test_evolve_hashes_a_column_with_the_secret_of_the_settings(
    loaded: IngestRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    section = {"repository": loaded.lake.repository, "table": "orders"}
    pipelines = loaded.folder.parent.parent / "hashed"
    write_pipeline(pipelines, lake=section, columns={"id": "integer"}, privacy={"hash": ["id"]})
    secret = SecretStr("0123456789abcdef" * 2)
    settings = Settings(pipelines=pipelines, privacy=PrivacyGroup(secret=secret))
    monkeypatch.setattr("include.platform.table_columns.settings", lambda: settings)

    assert main(["schema", "orders"]) == 1
    assert main(["evolve", "orders"]) == 0
    assert "id: integer is hash of integer now" in _text(capsys)
    assert main(["schema", "orders"]) == 0
    [(_, rows)] = loaded.table.partitions("main", day(0), day(0))
    expected = Hasher.of(secret).hash(pa.array([0, 1, 2, 3]), "").values
    assert rows.column("id").combine_chunks().equals(expected)

    monkeypatch.setattr("include.platform.table_columns.settings", lambda: Settings(pipelines=pipelines))
    with pytest.raises(Misconfigured, match="MILLRACE_PRIVACY_SECRET is not set"):
        main(["evolve", "orders"])


def test_a_table_before_its_first_load_says_so(loaded: IngestRun, capsys: pytest.CaptureFixture[str]) -> None:
    for item in list(loaded.lake.list_objects("main")):
        loaded.lake.delete_objects("main", [item.path])
    assert main(["schema", "orders"]) == 0
    assert "table 'orders' holds no columns yet" in _text(capsys)


@pytest.mark.usefixtures("loaded")
def test_a_pipeline_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(Misconfigured, match="there is no pipeline 'ordres': did you mean 'orders'"):
        main(["schema", "ordres"])


def _text(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())
