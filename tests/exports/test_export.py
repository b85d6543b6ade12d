"""An export follows the branch: a version for each commit that changed the table, with its rows."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from include.lake.client import Lake
from tests.support.exports import Exported, orders


@pytest.fixture
def shop(tmp_path: Path, lake: Lake) -> Exported:
    return Exported(lake, tmp_path)


def test_first(shop: Exported) -> None:
    first = shop.put({0: orders(0), 1: orders(1)})
    r = shop.export()
    print(r)
    assert shop.rows() == shop.lake_rows(first)
    second = shop.put({1: orders(1, first=50), 2: orders(2)})
    shop.other()
    third = shop.put({0: None})
    print(shop.export())
    assert shop.commits() == [first, second, third]
    for v, c in enumerate(shop.commits()):
        assert shop.rows(v) == shop.lake_rows(c)
    print(shop.delta().history(1), shop.export())
    shop.put({1: orders(1, extra=pa.array(["a", "b", "c"]))})
    print(shop.export())
    shop.put({1: orders(1).set_column(0, "id", pa.array(["a", "b", "c"]))}, schema=pa.schema({"id": pa.string(), "time": pa.timestamp("us")}))
    print(shop.export(), shop.rows())
