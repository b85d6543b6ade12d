"""Addresses on this machine's disk, to which a client writes a content before it links it to a path.

As in lakeFS, an address is signed for one path of one branch and counts for a day, so nothing has to be
stored until the content is linked. https://docs.lakefs.io/latest/howto/copying/
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from include.excerpt import quote
from include.platform.embedded.lakefs.errors import BadRequest

UNLINKED = "staging"
"""The folder of contents that clients have written and not linked yet, below the server's."""
SCHEME = "local://"
VALID_SECONDS = 24 * 3600
"""How long an address counts, as in lakeFS."""

_CHUNK_BYTES = 1 << 20


class Addresses:
    """The folder of contents that are not linked yet, and the key that signs their addresses."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder = folder.absolute()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._key = key

    def offer(self, repository: str, branch: str, path: str) -> str:
        """Return an address for the next content of a path."""
        name = f"{int(time.time())}-{secrets.token_hex(8)}"
        return f"{SCHEME}{self._folder}/{name},{self._signature(name, repository, branch, path)}"

    def file(self, address: str, repository: str, branch: str, path: str) -> Path:
        """Return the file of an address; raises BadRequest unless it was offered for that path lately."""
        file = Path(address.removeprefix(SCHEME))
        name, _, signature = file.name.partition(",")
        expected = self._signature(name, repository, branch, path)
        is_ours = address == f"{SCHEME}{self._folder}/{file.name}"
        if not is_ours or not hmac.compare_digest(signature.encode(), expected.encode()):
            raise BadRequest(
                f"link address invalid: {quote(address)} was not given for {quote(path)} on this branch; "
                "ask for an address, write the content there, and link that one"
            )
        if time.time() - int(name.partition("-")[0]) > VALID_SECONDS:
            raise BadRequest(f"link address expired: {quote(address)} is older than a day; ask for a new one")
        return file

    def _signature(self, name: str, *where: str) -> str:
        signed = hmac.digest(self._key, json.dumps([name, *where]).encode(), "sha256")
        return base64.urlsafe_b64encode(signed).rstrip(b"=").decode()


@contextmanager
def opened(file: Path) -> Iterator[tuple[int, Iterator[bytes]]]:
    """Yield size and chunks of what a client has written to an address.

    Raises BadRequest for something else than a plain file: the server would read for the client what a link
    leads to, and wait for a pipe for ever.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise BadRequest(f"the content at {file} cannot be read: {error.strerror}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BadRequest(f"there is a link, a folder or a pipe at {file}; write the content there")
        yield status.st_size, _chunks(descriptor)
    finally:
        os.close(descriptor)


def _chunks(descriptor: int) -> Iterator[bytes]:
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        yield chunk


def sweep(folder: Path, moment: float, *, dry_run: bool) -> int:
    """Remove contents that were written before a moment and never linked; return their number.

    Those whose address still counts stay.
    """
    moment = min(moment, time.time() - VALID_SECONDS)
    left = [file for file in folder.glob("*") if _is_older(file, moment)]
    for file in left if not dry_run else ():
        if file.is_dir() and not file.is_symlink():
            shutil.rmtree(file)  # Spark, for one, writes folders
        else:
            file.unlink(missing_ok=True)
    return len(left)


def _is_older(file: Path, moment: float) -> bool:
    try:
        return file.lstat().st_mtime < moment
    except FileNotFoundError:  # linked meanwhile
        return False
