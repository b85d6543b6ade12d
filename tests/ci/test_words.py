"""`.ci/words.py`: denied words are found in everything that a person reads, and nowhere else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from include.settings import ROOT

PROGRAM = ".ci/words.py"
# In pieces, because the program reads this file as well.
TOLD, SAID = "to" + "ld", "sa" + "id"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / PROGRAM, tmp_path / PROGRAM)
    return tmp_path


def words(project: Path, *paths: str) -> tuple[int, list[str]]:
    command = [sys.executable, str(project / PROGRAM), *paths]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.stderr == ""
    return ended.returncode, ended.stdout.splitlines()


def lines_with_findings(project: Path, name: str, content: str) -> list[int]:
    """Write a file, and return the lines in which the program finds a word."""
    file = project / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dedent(content).lstrip("\n"))
    _, output = words(project)
    assert all(line.startswith(f"{name}:") for line in output), output
    return [int(line.split(":")[1]) for line in output]


def plain(phrase: str) -> str:
    """Return a phrase that this file has to hide from the program: `_` is a space, `~` nothing."""
    return phrase.replace("_", " ").replace("~", "")


def test_the_project_has_none() -> None:
    assert words(ROOT) == (0, [])


def test_a_finding_names_place_word_and_the_better_one(project: Path) -> None:
    (project / "page.md").write_text(f"# Page\n\nIt is {TOLD} to the lake.\n")
    assert words(project) == (1, [f"page.md:3: '{TOLD}': write given, informed, reported"])


def test_python_is_read_in_docstrings_comments_and_messages(project: Path) -> None:
    source = f'''
        """First line.

        It was {SAID}.
        """

        def run(value):
            """Return what was {SAID}."""
            x = 1  # as {SAID}
            raise ValueError(f"{{value!r}} was {SAID} here")
        '''
    assert sorted(lines_with_findings(project, "code.py", source)) == [3, 7, 8, 9]


def test_python_names_and_values_are_not_prose(project: Path) -> None:
    source = f'''
        """Return `{TOLD}`, the arguments, as in `x.{TOLD}`."""

        {TOLD} = {{"{TOLD}": 1}}
        print(f"value {{{TOLD}}} of the dictionary", {TOLD}["{TOLD}"])
        PATH = "a path like /{TOLD}/x or {TOLD}.txt or un-{TOLD} or {TOLD}=1 or ${TOLD} or _{TOLD}_"
        '''
    assert lines_with_findings(project, "code.py", source) == []


def test_markdown_is_read_outside_of_code(project: Path) -> None:
    page = f"""
        Text with `{TOLD}` in it.

        ```console
        $ echo {TOLD}
        {TOLD}
        ```

        | table | {TOLD} |
        """
    assert lines_with_findings(project, "page.md", page) == [8]


@pytest.mark.parametrize(
    "name", ["a/Makefile", "a.yaml", "a.toml", ".github/workflows/a.yaml", "b/Dockerfile"]
)
def test_settings_are_read_in_their_comments(project: Path, name: str) -> None:
    content = f"""
        # It is {TOLD}.
        {TOLD}: {TOLD} # and {TOLD}
        url: "http://a#{TOLD}"
        """
    assert lines_with_findings(project, name, content) == [1, 2]


def test_scripts_are_read_in_comments_and_messages(project: Path) -> None:
    script = f"""
        #!/bin/sh
        # What is {TOLD}
        {TOLD}=$1
        echo "a {TOLD} b" ${TOLD}
        run "{TOLD}" {TOLD} "${TOLD} ${{{TOLD}}}"
        """
    assert lines_with_findings(project, ".ci/script", script) == [2, 4]


def test_a_phrase_is_found_across_lines(project: Path) -> None:
    assert lines_with_findings(project, "a.toml", f"# {plain('this_is')}\n# no number\n") == [1]


@pytest.mark.parametrize(
    "phrase",
    [
        "is_well",
        "all_well",
        "a_night",
        "I~LL",
        "Who~ever_runs",
        "mend~ed",
        "spoken_of",
        "deliver the_file_again",
    ],
)
def test_words_of_each_kind_are_denied(project: Path, phrase: str) -> None:
    assert lines_with_findings(project, "page.md", f"So {plain(phrase)}.\n") == [1]


@pytest.mark.parametrize(
    "phrase",
    [
        "nightly",
        "overnight",
        "well-known",
        "works well",
        "is well below",
        "there is no run",
        "is no longer",
        "untold",
    ],
)
def test_common_english_is_not(project: Path, phrase: str) -> None:
    assert lines_with_findings(project, "page.md", f"So {phrase} here.\n") == []


def test_what_is_installed_or_written_at_run_time_is_not_read(project: Path) -> None:
    for folder in (".venv", "var", ".git", "__pycache__"):
        (project / folder).mkdir()
        (project / folder / "page.md").write_text(TOLD)
    assert words(project) == (0, [])


def test_paths_limit_what_is_read(project: Path) -> None:
    for name in ("one.md", "two.md"):
        (project / name).write_text(TOLD)
    assert len(words(project, "two")[1]) == 1
