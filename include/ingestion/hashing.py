"""Hashing: personal values become keyed hashes while they are read, the same in every table.

A hash is HMAC-SHA-256 (RFC 2104) of the value as text, in hexadecimal digits. Without the key nobody can try
out all e-mail addresses or numbers of customers, as they could with a plain hash.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple
from unicodedata import normalize

from include.exceptions import BadData, Misconfigured
from include.excerpt import quote
from include.ingestion.type_names import type_name
from include.lake.exact import Converted

if TYPE_CHECKING:
    import pyarrow as pa
    from pydantic import SecretStr

_DIGITS = 64
_MAX_ROWS = (2**31 - 1) // _DIGITS
"""A column of text in Arrow has offsets of 32 bits."""
_OWN_WORD = b"\xffmillrace"
"""What fingerprints are hashes of; as it is not valid UTF-8, no value has the same."""
_KIND, _KEY = b"millrace.hash_of", b"millrace.hash_key"


class Mark(NamedTuple):
    """What a column of hashes is marked with: the kind of its values, and the fingerprint of the key.

    It is metadata of the column, in each part and in the file that keeps the table's types.
    """

    kind: str
    key: str

    @classmethod
    def of(cls, column: pa.Field) -> Mark | None:
        """Return the mark of a column; None if the column holds values as they are."""
        found = column.metadata or {}
        if _KIND not in found:
            return None
        return cls(found[_KIND].decode(errors="replace"), found.get(_KEY, b"").decode(errors="replace"))

    @property
    def metadata(self) -> dict[bytes, bytes]:
        """The mark as metadata of a column."""
        return {_KIND: self.kind.encode(), _KEY: self.key.encode()}


def described(column: pa.Field) -> str:
    """Return what a column holds, in the contract's words: its type, or what its hashes are of."""
    mark = Mark.of(column)
    return f"hash of {mark.kind}" if mark else type_name(column.type)


@dataclass(frozen=True)
class Hasher:
    """Replaces values by hashes with one key; its repr shows no key."""

    _key: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: SecretStr) -> Hasher:
        """Return the hasher of a deployment's secret; raises Misconfigured if there is none."""
        if not (text := secret.get_secret_value()):
            raise Misconfigured(
                "privacy.hash needs the secret of this deployment, and MILLRACE_PRIVACY_SECRET is not set; "
                "set it where tasks run, to that of before if there are hashes already, else to what "
                "`openssl rand -hex 32` prints"
            )
        return cls(text.encode())

    @classmethod
    def throwaway(cls) -> Hasher:
        """Return a hasher for rows that nobody keeps, with a key that ends with it."""
        return cls(secrets.token_bytes(32))

    @property
    def fingerprint(self) -> str:
        """Sixteen digits that tell keys apart, and from which none can be found."""
        return hmac.digest(self._key, _OWN_WORD, "sha256").hex()[:16]

    def mark(self, kind: pa.DataType) -> Mark:
        """Return the mark of a column with hashes of values of a type."""
        import pyarrow as pa

        # Of decimals the contract allows whole numbers only, whose digits are those of integers.
        return Mark("integer" if pa.types.is_decimal(kind) else type_name(kind), self.fingerprint)

    def hash(self, values: pa.Array, origin: str) -> Converted:
        """Return hashes of text, whole numbers or dates; missing values stay missing, other bytes are odd.

        Each distinct value is hashed once. Raises BadData if a column of text cannot hold as many hashes.
        """
        import pyarrow as pa

        if len(values) > _MAX_ROWS:
            raise BadData(
                f"{origin}: a batch of {len(values):,} rows is too long to be hashed; yield at most "
                f"{_MAX_ROWS:,} rows at once"
            )
        encoded = values.dictionary_encode()
        texts = _texts(encoded.dictionary).cast(pa.binary())  # as text may hold bytes that are none
        hashes = pa.array([self._of_text(text) for text in texts.to_pylist()], pa.string())
        found = hashes.take(encoded.indices)
        if found.null_count == values.null_count:
            return Converted(found, None)
        return Converted(found, pa.compute.and_(values.is_valid(), found.is_null()))

    def _of_text(self, text: bytes | None) -> str | None:
        """Return the hash of a text in UTF-8, None for other bytes.

        Letters with accents are written in one of two ways, which no reader sees and no later step could
        undo: they are composed first (NFC).
        """
        if text is None:
            return None
        if not text.isascii():
            try:
                text = normalize("NFC", text.decode()).encode()
            except UnicodeDecodeError:
                return None
        hashed = self._keyed.copy()
        hashed.update(text)
        return hashed.hexdigest()

    @cached_property
    def _keyed(self) -> hmac.HMAC:
        """The state after the key alone, a copy of which is faster than to begin with the key again."""
        return hmac.new(self._key, digestmod="sha256")


def _texts(values: pa.Array) -> pa.Array:
    """Return values as the text that is hashed, null where they have none, as days that no calendar has."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = values.cast(pa.string())
    if pa.types.is_date(values.type):
        texts = pc.if_else(pc.match_substring_regex(texts, r"^\d{4}-\d\d-\d\d$"), texts, None)
    return texts


def unlike(name: str, held: Mark | None, mark: Mark | None, pipeline_name: str) -> str:
    """Return what the table holds of a column, and what the contract says instead, with the remedy."""
    shown, elsewhere = quote(name), "load into another table (lake.table)"
    if held is None:
        return (
            f"the table holds the values of column {shown} as they are; run `make evolve "
            f"PIPELINE={pipeline_name}`, which hashes them, or {elsewhere}"
        )
    if mark is None:
        return (
            f"the table holds hashes of column {shown}, and values would stand beside them; name it under "
            f"privacy.hash again, leave it out by privacy.drop, or {elsewhere}"
        )
    if held.kind != mark.kind:
        return (
            f"the table holds hashes of column {shown} as {held.kind}, and the contract declares "
            f"{mark.kind}, whose hashes are others; undo that change, or {elsewhere}"
        )
    return (
        f"the table holds hashes of column {shown} by another secret than MILLRACE_PRIVACY_SECRET (their "
        f"fingerprints are {held.key} and {mark.key}); set the secret of before, or {elsewhere}"
    )
