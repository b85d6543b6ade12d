"""Ways to break one pipeline: its contract, the files beside it, and the building of its DAGs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from include.text_file import MAX_BYTES

Break = Callable[[Path], None]

EXCEPTIONS = (
    "ArithmeticError()",
    "AssertionError('no')",
    "BaseException('at the root')",
    "BlockingIOError(11, 'again')",
    "ImportError('no_such_module')",
    "KeyError('column')",
    "MemoryError()",
    "OSError(28, 'No space left on device')",
    "RecursionError('maximum recursion depth exceeded')",
    "StopIteration()",
    "SyntaxError('invalid syntax')",
    "SystemExit(0)",
    "SystemExit('out')",
    "TimeoutError()",
    "UnicodeDecodeError('utf-8', b'x', 0, 1, 'bad')",
    "ValueError('x' * 5000)",
    "GeneratorExit()",
    "ExceptionGroup('two', [ValueError(), KeyError()])",
)
_ODD: tuple[Any, ...] = (
    None, True, -1, 0, 10**180, 1e308, float("nan"), "", " ", "x" * 5000, "a\u2028b", "😀", "null", "../..",
    [], [None], [[]], {}, {"a": {}}, {1: 2}, {None: None}, [1] * 1000,
)  # fmt: skip
_DATES = (
    "2013-02-30",
    "2013-13-01",
    "2013-00-10",
    "0000-01-01",
    "2013-02-29",
    "2013-1-1 25:00:00",
    "99999-01-01",
)
_LINES = (
    "x: &x [*x]", "<<: 7", "? [a]\n: b", "x: *no", "x: !!int ''", "x: !no 1", 'owner: "\\0"', 'x: "\\ud800"',
    "x: \x01", "x: ]", "\t- x", "...\n---\nx: 1",
)  # fmt: skip
_SUITES = (
    "rows: [", "", "- a", "rows: 7", "columns: []", "rows: []", "partitions: []", "partitions: {}",
    "a: 1\na: 2", "partitions: [2013-02-30]", "[" * 70, "partitions: &a [*a]", "\t", "\x00",
)  # fmt: skip
_SOURCES = (
    "def build(:\n", "return 1", "\x00", "def other(): pass", "", "(" * 5000, "-" * 200_000 + "1", "\tx\n y",
    "class build", "await x", "yield", "from __future__ import braces", "import *", "x = '", "# coding: no",
)  # fmt: skip


def _contract(change: Callable[[dict[str, Any]], object]) -> Break:
    def broken(folder: Path) -> None:
        file = folder / "pipeline.yaml"
        contract = yaml.safe_load(file.read_text())
        change(contract)
        file.write_text(yaml.safe_dump(contract, allow_unicode=True))

    return broken


def _appended(text: str) -> Break:
    def broken(folder: Path) -> None:
        with (folder / "pipeline.yaml").open("a", encoding="utf-8") as file:
            file.write(text)

    return broken


def _written(name: str, content: str | bytes) -> Break:
    def broken(folder: Path) -> None:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return broken


def _encoded(encoding: str) -> Break:
    def broken(folder: Path) -> None:
        file = folder / "pipeline.yaml"
        file.write_bytes(file.read_text().replace("shop", "Jörg").encode(encoding))

    return broken


def _replaced(name: str, make: Callable[[Path], object]) -> Break:
    """Something that is not a file (or folder) in the place of one; the name "." is the folder's own."""

    def broken(folder: Path) -> None:
        place = folder / name if name != "." else folder
        shutil.rmtree(place) if place.is_dir() else place.unlink()
        make(place)

    return broken


def _unreadable(name: str) -> Break:
    return lambda folder: (folder / name).chmod(0)


def _folder(place: Path) -> None:
    place.mkdir()


def _pipe(place: Path) -> None:
    os.mkfifo(place)


def _to_itself(place: Path) -> None:
    place.symlink_to(place.name)


def _to_nowhere(place: Path) -> None:
    place.symlink_to("nowhere")


def _nothing(place: Path) -> None:
    pass


def _many(levels: int, width: int) -> str:
    """Aliases that stand for some more values than a contract may have."""
    lines = ["\nx0: &x0 [a, a]"]
    lines += [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


def _without(key: str) -> Break:
    return _contract(lambda contract: contract.pop(key))


def _with(key: str, value: Any) -> Break:
    return _contract(lambda contract: contract.update({key: value}))


def _mutated(cuts: list[tuple[int, int, bytes]]) -> Break:
    """Bytes of the contract cut out and put in; it may be valid still."""

    def broken(folder: Path) -> None:
        file = folder / "pipeline.yaml"
        content = file.read_bytes()
        for at, count, inserted in cuts:
            at %= len(content) + 1
            content = content[:at] + inserted + content[at + count :]
        file.write_bytes(content)

    return broken


_sections = st.sampled_from(("name", "description", "owner", "source", "lake", "model", "gate"))
_options = st.sampled_from(("tags", "schedule", "training", "monitoring", "validation", "privacy", "x"))
_cuts = st.tuples(st.integers(0, 2000), st.integers(0, 40), st.binary(max_size=8))
_files = st.sampled_from(("model.py", "source.py"))
_as_user = [] if os.geteuid() == 0 else [st.sampled_from(("pipeline.yaml", ".")).map(_unreadable)]

_every_hour, _every_day = ",".join(map(str, range(24))), ",".join(map(str, range(1, 32)))
TOO_LONG_OWNER = _with("owner", "x" * 3000)
TOO_LONG_CRON = _with("schedule", {"monitor": f"0 {_every_hour} {_every_day} * *"})

ON_A_STACK: dict[str, Break] = {
    "monitoring.since: '2013-02-30' is not": _appended("monitoring: {since: 2013-02-30}\n"),
    "is nested deeper than 64 levels": _appended("x: " + "[" * 70),
    "the file has more than 50,000 values": _appended(_many(4, 30)),
    "contains the character '\\x00'": _appended('x: "\\0"'),
    "has 3000 characters; use at most 500 characters": TOO_LONG_OWNER,
    "characters; use at most 100 characters": TOO_LONG_CRON,
    "is not a regular file": _replaced("pipeline.yaml", _pipe),
    "Too many levels of symbolic links": _replaced(".", _to_itself),
    "expectations.yaml: 1 fault(s)": _written("expectations.yaml", "rows: ["),
    "model.py: 1 fault(s)": _written("model.py", "def build(:"),
}
"""A few breaks of every kind, by what is reported of them."""

CERTAIN: st.SearchStrategy[Break] = st.one_of(
    st.sampled_from(_DATES).map(lambda day: _appended(f"schedule: {{since: {day}}}\n")),
    st.sampled_from((TOO_LONG_OWNER, TOO_LONG_CRON)),
    _sections.map(_without),
    st.text("abcdefgh_", min_size=1).map(lambda key: _with(f"no_{key}", 1)),
    st.tuples(_sections, st.sampled_from(([], [[1]], 7, {"no": 1}))).map(lambda pair: _with(*pair)),
    _sections.map(lambda key: _appended(f"{key}: twice\n")),
    st.integers(65, 80).map(lambda depth: _appended("x: " + "[" * depth)),
    st.tuples(st.just(4), st.integers(30, 33)).map(lambda pair: _appended(_many(*pair))),
    st.sampled_from(("x: &x [*x]", "<<: 7", "? [a]\n: b", "x: *no", "x: !!int ''", "x: !no 1")).map(
        _appended
    ),
    st.sampled_from(('owner: "\\0"', 'x: "\\ud800"', "x: \x01", "x: ]", "\t- x", "...\n---\nx: 1")).map(
        _appended
    ),
    st.sampled_from(("latin-1", "utf-16", "utf-32", "cp500")).map(_encoded),
    st.binary(min_size=1).map(lambda tail: _written("pipeline.yaml", b"name: \xff" + tail)),
    st.just(_appended("# " + "x" * MAX_BYTES)),
    st.tuples(
        st.sampled_from(("pipeline.yaml", "model.py", "expectations.yaml")),
        st.sampled_from((_folder, _pipe, _to_nowhere, _to_itself)),
    ).map(lambda pair: _replaced(*pair)),
    st.sampled_from((_to_nowhere, _to_itself)).map(lambda make: _replaced(".", make)),
    st.sampled_from(("model.py", "expectations.yaml")).map(lambda name: _replaced(name, _nothing)),
    st.sampled_from(_SUITES).map(lambda text: _written("expectations.yaml", text)),
    st.tuples(_files, st.sampled_from(_SOURCES)).map(lambda pair: _written(*pair)),
    st.tuples(_files, st.binary()).map(lambda pair: _written(pair[0], b"\xff" + pair[1])),
    *_as_user,
)
"""Breaks that have to be reported."""

POSSIBLE: st.SearchStrategy[Break] = st.one_of(
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 40), st.binary(max_size=8)), min_size=1).map(
        _mutated
    ),
    st.tuples(_sections, st.sampled_from(_ODD)).map(lambda pair: _with(*pair)),
    st.tuples(
        st.sampled_from(
            ("tags", "schedule", "training", "monitoring", "validation", "privacy", "since", "x")
        ),
        st.sampled_from(_ODD),
    ).map(lambda pair: _with(*pair)),
    st.text().map(lambda text: _written("pipeline.yaml", text.encode("utf-8", "surrogatepass"))),
)
"""Changes after which a pipeline is reported, or has all of its DAGs."""
