"""No YAML text exhausts the process that reads it, and none means two things."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from include import text_file, yaml_text
from include.exceptions import Fault, PipelineInvalid
from include.yaml_text import load_yaml, read_yaml


def refused(file: Path, text: str) -> Fault:
    file.write_text(text)
    with pytest.raises(PipelineInvalid) as raised:
        read_yaml(file)
    [fault] = raised.value.faults
    return fault


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pipeline.yaml"


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("a:\n  b: 1\n  b: 2\n", "a.b", "is written twice, first in line 2; keep one of them (line 3)"),
        ("a: [{b: 1, b: 1}]", "a[0].b", "is written twice, first in line 1; keep one of them (line 1)"),
        ("a: 1\n'a': 2", "a", "is written twice, first in line 1; keep one of them (line 2)"),
        (
            "a: [1, 2013-02-30]",
            "a[1]",
            "'2013-02-30' is not a valid timestamp (ValueError: day is out of range for month); correct it "
            "(line 1)",
        ),
        ("a: !!int ''", "a", "'' is not a valid int (IndexError: string index out of range)"),
        ("a: !!bool perhaps", "a", "'perhaps' is not a valid bool (KeyError: 'perhaps'); correct it"),
        ("password: !!int hunter2", "password", "the value is not a valid int (ValueError); correct it"),
        (
            "a: " + "1" * 201,
            "a",
            "has 201 characters, the limit for the type 'int' is 200; put text in quotes",
        ),
        ('a: "\\0"', "a", "contains the character '\\x00'; remove it (line 1)"),
        ('a: "\\ud800"', "a", "contains the character '\\ud800'; remove it (line 1)"),
        (
            "a: &a [*a]",
            "a[0]",
            "is nested deeper than 64 levels; write it flatter, without *aliases",
        ),
        ("[" * 70, "line 1", "is nested deeper than 64 levels"),
        ("{} : 1", "line 1", "not readable as YAML: found unhashable key; correct it"),
        ("a: !!python/object:os.system {}", "line 1", "not readable as YAML: could not determine a constr"),
        ("a: 1\n---\nb: 2", "line 2", "not readable as YAML: but found another document; correct it"),
        ("7", "file", "is int; write keys and values"),
    ],
    ids=lambda value: value[:20],
)
def test_a_text_is_refused_with_its_key_and_the_remedy(
    file: Path, text: str, path: str, message: str
) -> None:
    fault = refused(file, text)
    assert fault.path.startswith(path)
    assert fault.message.startswith(message)


def test_a_key_that_overrides_a_merged_one_is_written_once() -> None:
    assert load_yaml("a: &a {x: 1}\nb: {<<: *a, x: 2}") == {"a": {"x": 1}, "b": {"x": 2}}


@pytest.mark.parametrize("text", ["a: [1, 2, 3, 4]", "a: &a [1]\nb: [*a, *a]"], ids=["list", "aliases"])
def test_values_are_counted_as_often_as_they_are_repeated(
    file: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    assert load_yaml(text)
    monkeypatch.setattr(yaml_text, "MAX_NODES", 6)
    assert "the file has more than 6 values, each *alias counted as what it repeats" in str(
        refused(file, text)
    )


def test_depth_is_bounded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text, "MAX_DEPTH", 2)
    assert load_yaml("a: [1]") == {"a": [1]}
    assert refused(file, "a: [[1]]").message.startswith("is nested deeper than 2 levels")
    assert refused(file, "a: &a [1]\nb: [*a]").path == "b[0][0]"


def test_a_large_file_is_refused_with_its_size(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_file, "MAX_BYTES", 1000)
    assert refused(file, "a" * 1234).message == "has 1,234 bytes, the limit is 1,000; shorten it"


def test_long_text_is_not_read_twice_for_a_better_message() -> None:
    with pytest.raises(yaml.YAMLError):
        load_yaml("a: [" + "b, " * 30_000)


def folder(file: Path) -> None:
    file.mkdir()


def pipe(file: Path) -> None:
    os.mkfifo(file)


def link_to_nowhere(file: Path) -> None:
    file.symlink_to("nowhere")


def link_to_itself(file: Path) -> None:
    file.symlink_to(file.name)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (folder, "is a folder; put a file there"),
        (pipe, "is not a regular file; put a file there"),
        (link_to_nowhere, "cannot be read: No such file or directory; correct it, or let Airflow's user"),
        (link_to_itself, "cannot be read: Too many levels of symbolic links; correct it, or let Airflow's"),
    ],
)
def test_what_is_not_a_file_is_not_waited_for(file: Path, make: object, message: str) -> None:
    assert callable(make)
    make(file)
    with pytest.raises(PipelineInvalid) as raised:
        read_yaml(file)
    assert raised.value.faults[0].message.startswith(message)
