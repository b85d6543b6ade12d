"""The section `exports`: where the table is written for other tools, and which folders that may not be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from include.contract.text import Text
from include.contract.types import Section
from include.excerpt import quote

DAY = "dt"
"""The column by which the export is partitioned: the day of a row's partition."""
_RENAME = "give it another name by columns.<name>.from, or remove exports.delta"
DAY_TAKEN = (
    f"is taken by the export, which is partitioned by a date {DAY!r}; only a date that is the column of "
    f"source.partition_by may be called so: {_RENAME}"
)
"""What messages say of a column of that name."""
_SCHEMES = ("file", "s3", "s3a", "gs", "az", "abfs", "abfss")
_WRITE = "write a URI of a folder, such as 's3://warehouse/orders' or 'file:///srv/warehouse/orders'"
_UNFIT = re.compile(r"[ ,;{}()\n\t=]")
"""Characters that Delta Lake allows in the name of a column only with column mapping."""


def unfit_names(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the names of columns that not every reader of a Delta Lake table takes, each with the reason."""
    seen: dict[str, str] = {}
    for name in names:
        if found := _UNFIT.search(name):
            yield (
                name,
                f"holds {quote(found[0])}, which Delta Lake allows in no name of a column; {_RENAME}",
            )
        if (other := seen.setdefault(name.lower(), name)) != name:
            yield (
                name,
                f"differs from {quote(other)} by capitals only, which is one column to Delta Lake; {_RENAME}",
            )


def _check_folder(uri: str) -> str:
    """Return the URI of a folder to write to; raises ValueError with what is allowed."""
    fault = ""
    scheme, found, rest = uri.partition("://")
    if not found:
        fault = "is not a URI"
    elif scheme == "lakefs":
        fault = "is the lake itself, where the table is already"
    elif scheme not in _SCHEMES:
        fault = f"has a scheme that cannot be written to; use one of {', '.join(_SCHEMES)}"
    elif odd := re.search(r"[*?#{}%\\]|//|(^|/)\.{1,2}(/|$)", rest.removeprefix("/")):
        fault = f"holds {quote(odd[0])}"
    elif "@" in rest.partition("/")[0] and not scheme.startswith("abfs"):
        fault = "holds a login; credentials are those of the environment"
    elif (scheme == "file") != rest.startswith("/"):
        fault = "has a host, and a local folder has none" if scheme == "file" else "names no bucket"
    elif not rest.partition("/")[2].strip("/"):
        fault = "names no folder"
    if fault:
        raise ValueError(f"{quote(uri)} {fault}; {_WRITE}")
    return uri


class DeltaExport(Section):
    """The Delta Lake table as which the pipeline's table is exported."""

    uri: Annotated[str, Text(1000), AfterValidator(_check_folder)] = Field(
        description="The URI of the folder of the Delta Lake table, which nothing else writes to."
    )


class Exports(Section):
    """Where the table is written, after it was published, for tools that do not read the lake."""

    delta: DeltaExport | None = Field(
        None, description="The Delta Lake table that follows the lake's branch; null: nothing is exported."
    )
