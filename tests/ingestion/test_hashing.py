"""A hash is HMAC-SHA-256 of the value's text: the same for the same person, whatever holds the value."""

from __future__ import annotations

import hmac
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr

from include.exceptions import BadData, Misconfigured
from include.ingestion import hashing
from include.ingestion.hashing import Hasher, Mark, described

SECRET = "0123456789abcdef0123456789abcdef"
HASHER = Hasher.of(SecretStr(SECRET))


def hashes(values: pa.Array, hasher: Hasher = HASHER) -> list[str | None]:
    found = hasher.hash(values, "orders.csv")
    assert found.odd is None
    assert found.values.type == pa.string()
    return list(found.values.to_pylist())


def expected(text: str) -> str:
    """What any program with the secret computes, such as `hmac(text, secret, 'sha256')` of PostgreSQL."""
    return hmac.new(SECRET.encode(), text.encode(), "sha256").hexdigest()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (pa.array(["ann@example.com"]), "ann@example.com"),
        (pa.array([7], pa.int8()), "7"),
        (pa.array([7], pa.int64()), "7"),
        (pa.array([-(2**63)], pa.int64()), "-9223372036854775808"),
        (pa.array([Decimal(10) ** 37], pa.decimal128(38, 0)), f"1{'0' * 37}"),
        (pa.array(["007"]), "007"),
        (pa.array([date(2024, 3, 1)], pa.date32()), "2024-03-01"),
        (pa.array([date(1, 1, 1)], pa.date32()), "0001-01-01"),
        (pa.array(["Ann"]), "Ann"),
        (pa.array([" Ann"]), " Ann"),
        (pa.array(["José"]), "José"),
        (pa.array(["Jose\u0301"]), "José"),
        (pa.array(["\U0001f468\u200d\U0001f469"]), "\U0001f468\u200d\U0001f469"),
    ],
    ids=str,
)
def test_the_hash_is_that_of_the_text(values: pa.Array, text: str) -> None:
    assert hashes(values) == [expected(text)]


def test_distinct_values_stay_distinct_and_equal_ones_equal_wherever_they_stand() -> None:
    texts = ["b", None, "a", "b", None, "A", "a "]
    found = hashes(pa.array(texts))
    assert found == [text and expected(text) for text in texts]
    assert hashes(pa.array(["x", *texts])[1:]) == found
    assert hashes(pa.array([], pa.string())) == []
    assert hashes(pa.nulls(3, pa.int64())) == [None] * 3


def test_what_is_no_text_and_no_day_is_odd_and_quoted_nowhere() -> None:
    text = pa.array([b"ok", b"\xff\xfe", None, b"\xff\xfe"]).view(pa.string())
    days = pa.array([2**31 - 1, 0, None], pa.int32()).cast(pa.date32())
    odd = [HASHER.hash(values, "a").odd for values in (text, days)]
    assert [one and one.to_pylist() for one in odd] == [[False, True, False, True], [True, False, False]]


def test_another_secret_gives_other_hashes_and_another_fingerprint() -> None:
    other = Hasher.of(SecretStr(SECRET.upper()))
    assert hashes(pa.array(["a"]), other) != hashes(pa.array(["a"]))
    assert other.fingerprint != HASHER.fingerprint == Hasher.of(SecretStr(SECRET)).fingerprint
    assert Hasher.throwaway().fingerprint != Hasher.throwaway().fingerprint
    assert len(HASHER.fingerprint) == 16


def test_no_value_can_have_the_fingerprint_as_its_hash() -> None:
    odd = hmac.digest(SECRET.encode(), b"\xffmillrace", "sha256").hex()
    assert odd.startswith(HASHER.fingerprint)
    assert HASHER.hash(pa.array([b"\xffmillrace"]).view(pa.string()), "a").values.to_pylist() == [None]


def test_a_deployment_without_a_secret_is_told_what_to_set() -> None:
    with pytest.raises(
        Misconfigured, match=r"MILLRACE_PRIVACY_SECRET is not set; set it where tasks run, to"
    ):
        Hasher.of(SecretStr(""))


def test_a_hasher_shows_no_secret() -> None:
    assert SECRET not in f"{HASHER!r} {HASHER}"
    assert "0x" not in repr(HASHER)


def test_a_batch_whose_hashes_no_column_holds_is_bad_data(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hashing._MAX_ROWS * 64 < 2**31
    monkeypatch.setattr(hashing, "_MAX_ROWS", 2)
    with pytest.raises(
        BadData, match=r"^x: a batch of 3 rows is too long to be hashed; yield at most 2 rows"
    ):
        HASHER.hash(pa.array(["a", "a", "a"]), "x")


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (pa.string(), "string"),
        (pa.int64(), "integer"),
        (pa.decimal128(20, 0), "integer"),
        (pa.date32(), "date"),
    ],
    ids=str,
)
def test_a_mark_says_what_was_hashed_and_with_which_secret(kind: Any, word: str) -> None:
    mark = HASHER.mark(kind)
    column = pa.field("a", pa.string(), metadata=mark.metadata)
    assert mark == Mark(word, HASHER.fingerprint)
    assert Mark.of(column) == mark
    assert described(column) == f"hash of {word}"


def test_a_column_without_a_mark_holds_values() -> None:
    assert Mark.of(pa.field("a", pa.string())) is None
    assert described(pa.field("a", pa.int64(), metadata={"comment": "x"})) == "integer"
    assert Mark.of(pa.field("a", pa.string(), metadata={"millrace.hash_of": b"\xff"})) == Mark("\ufffd", "")
