r"""Texts of the contract, bounded to what Airflow, MLflow, lakeFS, PostgreSQL and Kubernetes hold.

The limits are those of

- Airflow 3.3: the columns in `airflow/models` (ids 250, `dag_tag.name` 100, `dag_owner_attributes.owner` 500)
  and `sanitize_conn_id` in `airflow/models/connection.py`;
- MLflow 3.17: `mlflow/utils/validation.py` (names of parameters and metrics are relative paths of at most
  250 characters) and the description of a registered model (5,000);
- lakeFS 1: `pkg/validator/validate.go` (repositories `^[a-z0-9][a-z0-9-]{2,62}$`, branches `^\w[-\w]*$`;
  Go's `\w` is ASCII);
- PostgreSQL: text without NUL and without halves of surrogate pairs;
- Kubernetes: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from include.contract.day_path import check_day_path
from include.contract.query import check_query
from include.excerpt import quote


@dataclass(frozen=True)
class Text:
    """Bounds of a text, as metadata of `Annotated`: for pydantic, and for the JSON Schema.

    `pattern` covers the whole text, and `allowed` describes it. `lines` allows line breaks and tabs.
    """

    max_length: int
    pattern: str = ""
    allowed: str = ""
    min_length: int = 1
    lines: bool = False

    def check(self, value: str) -> str:
        """Return the text; raises ValueError with what is allowed."""
        check_characters(value, lines=self.lines)
        if self.min_length and not value.strip():
            raise ValueError(f"{quote(value)} is blank; write {self.allowed or 'a text'}")
        if len(value) > self.max_length:
            raise ValueError(
                f"{quote(value)} has {len(value)} characters; use at most {self.max_length} characters"
            )
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise ValueError(f"{quote(value)} is not valid; use {self.allowed}")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the text after pydantic has."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Add the bounds to the JSON Schema."""
        pattern = {"pattern": f"^({self.pattern})$"} if self.pattern else {}
        return {**handler(schema), "minLength": self.min_length, "maxLength": self.max_length, **pattern}


_BELOW = "write a path below the pipeline's folder"


@dataclass(frozen=True)
class Path(Text):
    """Bounds of a path below the pipeline's folder, with `/` between its parts; `uri` allows URIs, too."""

    max_length: int = 1000
    uri: bool = False

    def check(self, value: str) -> str:
        """Return the path; raises ValueError with what is allowed."""
        super().check(value)
        if fault := self._fault(value):
            raise ValueError(f"{quote(value)} {fault}")
        return value

    def _fault(self, value: str) -> str:
        if any(mark in value for mark in ("{{", "{%", "{#")):
            return "holds a template, but is taken as it is written; write the path itself"
        if "\\" in value:
            return "holds a backslash; write '/' between folders"
        if ".." in value.split("/"):
            return "leaves its folder by '..'; write a path without it"
        if "://" in value:
            return "" if self.uri else f"is not a file of the folder; {_BELOW}"
        also = ", or a URI such as 'file:///…'" if self.uri else ""
        return f"is absolute; {_BELOW}{also}" if value.startswith("/") else ""


def check_characters(value: str, *, lines: bool = False) -> None:
    """Raise ValueError for a control character or half a surrogate pair; `lines` allows breaks and tabs."""
    for character in value:
        allowed = lines and character in "\n\r\t"
        if not allowed and unicodedata.category(character) in ("Cc", "Cs"):
            raise ValueError(f"{quote(value)} holds the control character U+{ord(character):04X}; remove it")


def is_mlflow_name(value: str) -> bool:
    """Return whether MLflow takes a text as the name, or a part of the name, of a metric or parameter.

    MLflow on Linux takes ':', too; on Windows, where a client may run, it does not.
    """
    parts = value.split("/")
    return re.fullmatch(r"[\w.\-/ ]+", value) is not None and not {"", ".", ".."} & set(parts)


def check_columns(columns: tuple[str, ...] | None, of: str) -> None:
    """Raise ValueError if the names of all columns `of` something are none, or one is there twice."""
    if columns == ():
        raise ValueError(f"columns names no column; name each column of the {of}, or leave columns out")
    if twice := sorted(name for name, times in Counter(columns or ()).items() if times > 1):
        raise ValueError(f"columns names {quote(twice[0])} twice; give each column a name of its own")


MIN_REPOSITORY = 3
_REPOSITORY = rf"[a-z0-9][a-z0-9-]{{{MIN_REPOSITORY - 1},62}}"
MLFLOW_NAMES = "letters, digits, '_', '-', '.', ' ' and '/'"


@dataclass(frozen=True)
class Identifier(Text):
    """Bounds of the name of a pipeline or a table; a wrong one is refused with the nearest that is right."""

    max_length: int = 63
    pattern: str = r"[a-z][a-z0-9_]*"
    allowed: str = "lower-case letters, digits and '_', beginning with a letter, at most 63"

    def check(self, value: str) -> str:
        """Return the name; raises ValueError with what is allowed."""
        try:
            return super().check(value)
        except ValueError as error:
            raise ValueError(f"{error}{as_name(value)}") from None


def as_name(value: str) -> str:
    """Return the end of a message that proposes a name for a pipeline or table; empty where none is near."""
    near = re.sub(r"[^a-z0-9]+", "_", value[:64].lower()).strip("_")
    is_name = near != value and re.fullmatch(r"[a-z][a-z0-9_]{0,62}", near)
    return f", such as {quote(near)}" if is_name else ""


def repository_of(pipeline_name: str) -> str | None:
    """Return the repository of a pipeline whose contract names none; None for a name that cannot give one.

    No two pipelines get the same: a name has no `-`, and no more characters than that of a repository.
    """
    name = pipeline_name.replace("_", "-")
    return name if "-" not in pipeline_name and re.fullmatch(_REPOSITORY, name) else None


Name = Annotated[str, Identifier()]
Owner = Annotated[str, Text(500)]
Description = Annotated[str, Text(5000, lines=True)]
Label = Annotated[str, Text(100)]

ColumnName = Annotated[str, Text(200)]
"""MLflow keeps the drift of a column as `drift.<column>`, and 250 characters of a metric's name."""

RepositoryName = Annotated[
    str,
    Text(
        63,
        _REPOSITORY,
        "3 to 63 lower-case letters, digits and '-', not beginning with '-'",
    ),
]
BranchName = Annotated[
    str, Text(255, r"[A-Za-z0-9_][A-Za-z0-9_-]*", "letters, digits, '_' and '-', not beginning with '-'")
]
"""lakeFS sets no length; the branch is a part of the name of an Airflow asset, which has 1,500 characters."""

ConnectionId = Annotated[
    str, Text(250, r"[A-Za-z0-9_#!()\-.:/]+", "letters, digits and the characters _ # ! ( ) - . : /")
]
Query = Annotated[str, Text(100_000, lines=True), AfterValidator(check_query)]
ImportPath = Annotated[
    str, Text(250, r"\w+(\.\w+)*:\w+", "'module:function', such as 'include.pipelines.flights.source:read'")
]

File = Annotated[str, Path()]
Location = Annotated[str, Path(uri=True), AfterValidator(check_day_path)]

Image = Annotated[
    str,
    Text(500, r"[A-Za-z0-9][A-Za-z0-9._:/@-]*", "a reference such as 'registry.example/job:1.0'"),
]
LabelKey = Annotated[
    str,
    Text(
        317,
        r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?",
        "a key of Kubernetes, such as 'example.com/disk'",
    ),
]
LabelValue = Annotated[
    str,
    Text(
        63,
        r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?",
        "at most 63 letters, digits, '_', '-' and '.', with a letter or digit at both ends",
        min_length=0,
    ),
]
