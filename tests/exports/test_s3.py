"""Exports to a store that speaks S3, with the credentials of the environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from include.exceptions import Misconfigured, Transient, Unauthorized
from include.lake.client import Lake
from tests.support.exports import Exported, orders
from tests.support.lake import free_port
from tests.support.s3 import REGION, Store, run_s3

URI = "s3://warehouse/shop/orders"
OBJECTS = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with run_s3(tmp_path_factory.mktemp("s3"), "warehouse", ["s3:ListBucket"], OBJECTS) as found:
        yield found


def use(monkeypatch: pytest.MonkeyPatch, url: str, key: str, secret: str) -> None:
    variables = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def shop(tmp_path: Path, lake: Lake, store: Store, monkeypatch: pytest.MonkeyPatch) -> Exported:
    use(monkeypatch, store.url, store.access_key_id, store.secret_access_key)
    made = Exported(lake, tmp_path, uri=f"{URI}-{tmp_path.name}")
    made.put({0: orders(0), 1: orders(1)})
    return made


def test_versions_follow_the_branch(shop: Exported) -> None:
    assert shop.export().versions == 1
    commits = [shop.put({1: orders(1, first=50)}), shop.put({0: None})]
    assert shop.export().versions == 2
    assert shop.commits()[1:] == commits
    for version, commit in enumerate(shop.commits()):
        assert shop.rows(version) == shop.lake_rows(commit)


def test_what_somebody_else_keeps_there_is_not_mixed_with_it(shop: Exported) -> None:
    inner = Exported(shop.lake, shop.parent / "inner", uri=f"{shop.uri}/inner")
    inner.export()
    with pytest.raises(Misconfigured, match="is not a Delta Lake table, and not empty"):
        shop.export()


def test_wrong_credentials_are_named_without_the_secret(
    shop: Exported, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, store.url, store.access_key_id, "secret-7f3a9")
    with pytest.raises(Unauthorized, match="correct its permissions, the credentials or") as error:
        shop.export()
    assert "7f3a9" not in str(error.value)


def test_a_store_that_is_away_is_tried_again(shop: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, f"http://127.0.0.1:{free_port()}", "key", "secret")
    with pytest.raises(Transient, match="its storage does not answer"):
        shop.export()
