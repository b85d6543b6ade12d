"""The section `exports`: a folder of the export's own, and columns that a Delta Lake table can have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.contract import loader
from include.contract.export_folders import place_of
from include.contract.exports import Exports
from include.exceptions import PipelineInvalid
from include.settings import settings
from tests.support.pipeline import write_pipeline

KEY = "exports.delta.uri"


def exporting(uri: str) -> dict[str, Any]:
    return {"delta": {"uri": uri}}


def faults(parent: Path, name: str = "orders", **sections: Any) -> list[tuple[str, str]]:
    found = loader.read(write_pipeline(parent, name, **sections))
    return [(where, text) for where, text in found.faults] if isinstance(found, PipelineInvalid) else []


@pytest.mark.parametrize(
    "uri",
    [
        "s3://warehouse/departures",
        "s3a://warehouse/a/b/",
        "gs://warehouse/departures",
        "az://container/departures",
        "abfss://container@account.dfs.core.windows.net/departures",
        "file:///srv/ware house/departures",
    ],
)
def test_a_folder_is_a_uri(uri: str) -> None:
    delta = Exports.model_validate(exporting(uri)).delta
    assert delta is not None
    assert delta.uri == uri
    assert Exports().delta is None


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("warehouse/orders", "is not a URI"),
        ("/srv/orders", "is not a URI; write a URI of a folder, such as 's3://warehouse/orders'"),
        ("lakefs://orders/main/orders", "is the lake itself"),
        ("https://host/orders", "has a scheme that cannot be written to; use one of file, s3,"),
        ("s3://key:secret@host/orders", "holds a login; credentials are those of the environment"),
        ("s3://warehouse", "names no folder"),
        ("s3://warehouse//", "holds '//'"),
        ("s3:///orders", "names no bucket"),
        ("file://host/orders", "has a host, and a local folder has none"),
        ("file:///", "names no folder"),
        ("file:///srv/../etc/orders", "holds '/../'"),
        ("s3://warehouse/orders-{dt}", "holds '{'"),
        ("s3://warehouse/*/orders", "holds '*'"),
        ("s3://warehouse/orders?region=eu", "holds '?'"),
        ("s3://warehouse/%6Frders", "holds '%'"),
        ("s3://warehouse/a\\b", "holds "),
        ("s3://warehouse/or\nders", "holds the control character U+000A"),
        ("s3://warehouse/" + "a" * 1000, "use at most 1000 characters"),
    ],
)
def test_anything_else_is_refused_when_the_contract_is_read(tmp_path: Path, uri: str, message: str) -> None:
    found = faults(tmp_path, exports=exporting(uri))
    assert {path for path, _ in found} == {KEY}
    assert any(message in text for _, text in found)
    assert "secret" not in str(found)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("s3://b/x", "s3a://B/x/"),
        ("s3://b/x", "s3://b/x/y"),
        ("file:///srv/x", "file:///srv/./x"),
        ("file:///srv/x%20y", "file:///srv/x y"),
        ("s3://b/x", "s3://b/x/{dt}.csv"),
        ("s3://b/x", "s3://b/x*/orders.csv"),
    ],
)
def test_places_that_lie_within_each_other_overlap(one: str, other: str) -> None:
    assert place_of(one).overlaps(place_of(other))
    assert place_of(other).overlaps(place_of(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("s3://b/x", "s3://c/x"),
        ("s3://b/x", "gs://b/x"),
        ("s3://b/x", "s3://b/xy"),
        ("file:///a/b", "s3://a/b"),
    ],
)
def test_places_beside_each_other_do_not(one: str, other: str) -> None:
    assert not place_of(one).overlaps(place_of(other))


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert place_of((tmp_path / "link/x").as_uri()) == place_of((tmp_path / "real/x").as_uri())
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert place_of((tmp_path / "loop").as_uri()).parts[-1] == "loop"


@pytest.mark.parametrize("source", ["sales/{dt}.csv", "sales", "sales/now/x.csv"])
def test_the_own_source_is_refused(tmp_path: Path, source: str) -> None:
    uri = (
        (tmp_path / "orders/sales/now").as_uri() if "now" in source else (tmp_path / "orders/sales").as_uri()
    )
    ((path, message),) = faults(tmp_path, source={"uri": source}, exports=exporting(uri))
    assert path == KEY
    assert f"and source.uri, {source!r}, lie within each other; name a folder that nothing else" in message


def test_the_data_of_the_platform_is_refused(tmp_path: Path) -> None:
    for number, folder in enumerate((settings().var, settings().var / "lakefs/x", settings().var.parent)):
        ((path, message),) = faults(tmp_path / str(number), exports=exporting(folder.as_uri()))
        assert (path, "overlaps with MILLRACE_VAR" in message) == (KEY, True)


ANOTHER: list[tuple[dict[str, Any], str]] = [
    ({"exports": exporting("s3a://warehouse/orders/")}, "the export of pipeline 'first'"),
    ({"exports": exporting("s3://warehouse/orders/inner")}, "the export of pipeline 'first'"),
]


@pytest.mark.parametrize(("sections", "message"), ANOTHER)
def test_the_export_of_another_pipeline_is_refused(
    tmp_path: Path, sections: dict[str, Any], message: str
) -> None:
    lake = {"repository": "first"}
    write_pipeline(tmp_path, "first", lake=lake, exports=exporting("s3://warehouse/orders"))
    write_pipeline(tmp_path, "second", **sections)
    write_pipeline(tmp_path, "third", lake={"repository": "third"}, exports=exporting("s3://warehouse/other"))
    ((file, ((path, found),)),) = [
        (error.file, error.faults) for error in loader.errors(tmp_path) if KEY in str(error)
    ]
    assert file == str(tmp_path / "second/pipeline.yaml")
    assert (path, message in found) == (KEY, True)


@pytest.mark.parametrize("reader", ["delta", "parquet"])
def test_the_source_of_another_pipeline_is_refused(tmp_path: Path, reader: str) -> None:
    write_pipeline(tmp_path, "first", exports=exporting("s3://warehouse/orders"))
    source = {"reader": reader, "uri": "s3://warehouse/orders"}
    write_pipeline(tmp_path, "second", lake={"repository": "second"}, source=source)
    ((file, ((path, found),)),) = [
        (error.file, error.faults) for error in loader.errors(tmp_path) if KEY in str(error)
    ]
    assert (file, path) == (str(tmp_path / "first/pipeline.yaml"), KEY)
    assert "what pipeline 'second' reads, 's3://warehouse/orders', lie within each other" in found


@pytest.mark.parametrize(
    ("columns", "path", "message"),
    [
        ({"dt": "string"}, "columns.dt", "'dt' is taken by the export"),
        ({"DT": "date"}, "columns.DT", "'DT' is taken by the export"),
        ({"net price": "float"}, "columns.net price", "holds ' ', which Delta Lake allows in no name"),
        (
            {"Amount": "float"},
            "model.features.numerical[0]",
            "by capitals only, which is one column to Delta",
        ),
    ],
)
def test_columns_that_it_cannot_have_are_named(
    tmp_path: Path, columns: dict[str, str], path: str, message: str
) -> None:
    ((found, text),) = faults(tmp_path, columns=columns, exports=exporting("s3://warehouse/orders"))
    assert (found, message in text) == (path, True)
    assert faults(tmp_path, "free", columns=columns, lake={"table": "free"}) == []


def test_a_date_that_decides_the_day_may_be_called_dt(tmp_path: Path) -> None:
    sections: dict[str, Any] = {"source": {"partition_by": "dt"}, "columns": {"dt": "date"}}
    assert faults(tmp_path, exports=exporting("s3://warehouse/orders"), **sections) == []


def test_a_wrong_value_beside_is_reported_once(tmp_path: Path) -> None:
    found = faults(tmp_path, source={"uri": 7}, exports={"delta": {"uri": 7}})
    assert sorted(path for path, _ in found) == [KEY, "source.uri"]


def test_labels_are_not_read_from_the_export(tmp_path: Path) -> None:
    source = {"reader": "delta", "uri": "file:///srv/warehouse/orders", "partition_by": "decided"}
    labels = {"source": source, "keys": ["id"]}
    ((path, text),) = faults(tmp_path, labels=labels, exports=exporting("file:///srv/warehouse"))
    assert path == KEY
    assert "labels.source.uri" in text
