"""The origin of the data: which files there are, what `source.uri` names them by, and how they are read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath
from urllib.parse import quote as percent

from include.contract.data import Reader
from include.contract.day_path import any_day, check_day_path, day_in, is_dated
from include.exceptions import BadData, Misconfigured
from include.excerpt import quote
from include.ingestion.files import CODECS, SourceFile, find, opened
from include.platform.new_pipeline.reason import Reason

_PARQUET = b"PAR1"
_BY_ENDING = {
    **dict.fromkeys((".jsonl", ".ndjson"), Reader.JSONL),
    **dict.fromkeys((".xlsx", ".xlsm", ".xls", ".xlsb", ".ods"), Reader.EXCEL),
}
_DT = re.compile(r"(\{dt(?::[^{}]*)?\})")
_DATES = (
    (r"(?<!\d)\d{4}-\d\d-\d\d(?!\d)", "{dt}"),
    (r"(?<!\d)\d{4}/\d\d/\d\d(?!\d)", "{dt:%Y/%m/%d}"),
    (r"year=\d{4}/month=\d\d/day=\d\d(?!\d)", "year={dt:%Y}/month={dt:%m}/day={dt:%d}"),
    (
        r"year=\d{4}/month=\d\d?/day=\d\d?(?!\d)",
        "year={dt:%Y}/month={dt:%-m}/day={dt:%-d}",
    ),
    (r"(?<!\d)(?:19|20)\d\d[01]\d[0-3]\d(?!\d)", "{dt:%Y%m%d}"),
    (r"(?<!\d)\d{4}-\d\d(?!-?\d)", "{dt:%Y-%m}"),
    (r"(?<!\d)\d{4}/\d\d(?!/?\d)", "{dt:%Y/%m}"),
)
"""Dates in paths, the most exact first, with the form that `source.uri` gives them."""


@dataclass(frozen=True)
class Origin:
    """Where the data lies: `keys` say so in the contract's section `source`.

    `files` are of one kind, in the order of their days and paths, and `size` is their bytes as they are
    stored; a table, a query and a function have none.
    """

    reader: Reader
    keys: dict[str, str]
    files: tuple[SourceFile, ...]
    size: int
    reasons: tuple[Reason, ...]

    @property
    def uri(self) -> str:
        """What names the files; empty without any."""
        return self.keys.get("uri", "")

    @property
    def shown(self) -> str:
        """What people call it."""
        return self.uri or self.keys.get("callable") or f"connection {self.keys['conn_id']}"

    @property
    def is_dated(self) -> bool:
        """Whether the path names days, so that more files may come."""
        return is_dated(self.uri)


def locate(given: str) -> Origin:
    """Return the origin that a path, relative to the working folder, or a URI stands for.

    A path may name a file, a folder, or a pattern with `*` or `{dt}`. Raises FileMissing, BadData or
    Misconfigured.
    """
    if not given.strip():
        raise Misconfigured("FROM is blank; name a file, a folder or a pattern, as in FROM=data.csv")
    uri, why = _uri(given)
    try:
        files = _in_order(uri, find(any_day(check_day_path(uri)), Path()))
    except ValueError as error:
        raise Misconfigured(f"FROM: {error}") from None
    sizes = [file.system.get_file_info(file.path).size or 0 for file in files]
    reader = _reader(files)
    return Origin(
        reader=reader,
        keys={"uri": uri},
        files=tuple(files),
        size=sum(sizes),
        reasons=(
            Reason("source.uri", uri, why),
            Reason("source.reader", reader.value, f"{len(files):,} file(s), {sum(sizes):,} bytes"),
        ),
    )


def _in_order(uri: str, files: list[SourceFile]) -> list[SourceFile]:
    """Return files in the order of their days; that of their paths has `month=10` before `month=9`."""
    return (
        sorted(files, key=lambda file: (day_in(uri, file.path) or date.min, file.path))
        if is_dated(uri)
        else files
    )


def _uri(given: str) -> tuple[str, str]:
    if "://" in given:
        return given, "as FROM says"
    path = _absolute(given)
    if path.is_dir():
        form, why = _form(path)
        return _file_uri(f"{path}/{form}" if form else f"{path}"), why
    return _file_uri(str(path)), "the data stays where it is; other machines need a URI such as s3://…"


def uri_of(path: str) -> str:
    """Return the URI of a path, which is relative to the working folder."""
    return _file_uri(str(_absolute(path)))


def _absolute(path: str) -> Path:
    return Path(*_without_dots(Path(path).expanduser().absolute().parts))


def _without_dots(parts: Iterable[str]) -> list[str]:
    """Return the parts of a path without `..`, which the contract refuses; links are not resolved."""
    kept: list[str] = []
    for part in parts:
        if part == "..":
            kept = kept[:-1] or kept
        else:
            kept.append(part)
    return kept


def _file_uri(path: str) -> str:
    """Return the URI of a path, in which `*` and `{dt}` keep their meaning."""
    return "file://" + "".join(
        part if _DT.fullmatch(part) else percent(part, safe="/*=") for part in _DT.split(path)
    )


def _form(folder: Path) -> tuple[str, str]:
    """Return how the files below a folder are named: by a date, by an ending, or empty for all of them."""
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not any(part[0] in "_." for part in path.relative_to(folder).parts)
    )
    for pattern, form in _DATES:
        if names and all(re.search(pattern, name) for name in names):
            forms = {_dated(name, pattern, form) for name in names}
            if len(forms) == 1:
                return forms.pop(), "every file has a date in its path, so more may come"
    endings = Counter("".join(PurePosixPath(name).suffixes[-2:]).lower() for name in names)
    if len(endings) > 1 and not any("/" in name for name in names):
        ending, count = endings.most_common(1)[0]
        return f"*{ending}", f"{count} of the {len(names)} files end so; the others are left out"
    return "", "all files of the folder; their names hold no date that all share"


def _dated(name: str, pattern: str, form: str) -> str:
    """Return a name with a form in place of its date; what lies in a day's folder is left out."""
    found = re.search(pattern, name)
    if found is None:  # not reached: the caller has looked
        return name
    after = name[found.end() :]
    return name[: found.start()] + form + (after.partition("/")[0] if "/" in after else after)


def _reader(files: Iterable[SourceFile]) -> Reader:
    """Return how files are read; raises BadData for files of several kinds."""
    kinds: dict[Reader, SourceFile] = {}
    for file in files:
        kinds.setdefault(_kind(file), file)
    if len(kinds) > 1:
        (one, first), (other, second) = list(kinds.items())[:2]
        raise BadData(
            f"{first.name} is {one.value} and {second.name} is {other.value}; name files of one kind, as in "
            f"FROM={quote('folder/*.csv')}"
        )
    return next(iter(kinds))


def _kind(file: SourceFile) -> Reader:
    """Return the kind of a file, by the end of its name or the first of its content."""
    endings = [ending.lower() for ending in PurePosixPath(file.path).suffixes]
    if endings and endings[-1] in CODECS:
        return _BY_ENDING.get("".join(endings[-2:-1]), Reader.CSV)
    if endings and endings[-1] in _BY_ENDING:
        return _BY_ENDING[endings[-1]]
    with opened(file) as content:
        return Reader.PARQUET if content.read(len(_PARQUET)) == _PARQUET else Reader.CSV
