"""The sample data of a new repository: a few small files, written for this server."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

from include.platform.embedded.lakefs.blobs import Blobs
from include.platform.embedded.lakefs.refs import PROTECTED
from include.platform.embedded.lakefs.repository import Store
from include.platform.embedded.lakefs.tree import Entry

_MESSAGE = "Add sample data"
_LAKES = (
    ("Baikal", "Russia", 1642.0),
    ("Balaton", "Hungary", 12.2),
    ("Bodensee", "Germany", 251.0),
    ("Geneva", "Switzerland", 310.0),
    ("Great Slave", "Canada", 614.0),
    ("Inari", "Finland", 92.0),
    ("Ladoga", "Russia", 230.0),
    ("Malawi", "Malawi", 706.0),
    ("Ness", "United Kingdom", 230.0),
    ("Superior", "Canada", 406.0),
    ("Tahoe", "United States of America", 501.0),
    ("Tanganyika", "Tanzania", 1470.0),
    ("Titicaca", "Peru", 281.0),
    ("Vattern", "Sweden", 128.0),
)
"""Name, country and greatest depth in metres."""

_README = """\
# {repository}

A repository with sample data: `lakes.parquet` is a small table of lakes, described in `data/lakes.source.md`.

The branch `{branch}` is protected: it changes by merges only. Create a branch, change the table there,
commit, and merge the branch into `{branch}`.
"""
_SOURCE = """\
# Lakes

Some lakes of the world with their country and greatest depth in metres, rounded, from common knowledge.
`Hylak_id` is the number of the row.
"""


def add_sample(store: Store, contents: Blobs) -> None:
    """Commit the sample data to a new repository, and protect its default branch."""
    branch = store.facts.default_branch
    with store.database.transaction():
        for path, content, kind in _files(store.facts.name, branch):
            with contents.incoming() as incoming:
                incoming.write([content])
                stored = incoming.finish()
                contents.keep(incoming, stored.address)
            entry = Entry(path, stored.checksum, stored.size, stored.address, int(time.time()), kind)
            store.database.stage(store.facts.name, branch, path, entry)
        store.commit(branch, _MESSAGE, {}, force=True)
        store.database.set_setting(store.facts.name, PROTECTED, [branch])


def _files(repository: str, branch: str) -> Iterator[tuple[str, bytes, str]]:
    yield "README.md", _README.format(repository=repository, branch=branch).encode(), "text/markdown"
    yield "data/lakes.source.md", _SOURCE.encode(), "text/markdown"
    yield "lakes.parquet", _lakes(), "application/octet-stream"


def _lakes() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names, countries, depths = (list(column) for column in zip(*_LAKES, strict=True))
    numbers = list(range(1, len(_LAKES) + 1))
    columns = {"Hylak_id": numbers, "Lake_name": names, "Country": countries, "Depth_m": depths}
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()
