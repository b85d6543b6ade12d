"""The generated tables of docs/job-contract.md: variables, specification and results of the jobs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from include.exceptions import Misconfigured
from include.jobs.results import RESULTS
from include.jobs.spec import JobSpec
from include.run_identity import RunIdentity
from include.settings import ROOT, JobSettings

PAGE = ROOT / "docs/job-contract.md"
_REGION = re.compile(r"(<!-- generated: ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def page() -> str:
    """Return the page with its generated regions made anew; raises Misconfigured for an unknown region."""
    return _REGION.sub(_region, PAGE.read_text())


def _region(match: re.Match[str]) -> str:
    if match[2] not in _REGIONS:
        raise Misconfigured(f"{PAGE.name} has a region {match[2]!r}; known are: {', '.join(_REGIONS)}")
    return f"{match[1]}{_REGIONS[match[2]]()}\n{match[3]}"


def _variables() -> str:
    rows = [f"| `{field.alias}` | {field.description} |" for field in JobSettings.model_fields.values()]
    return "\n".join(["| variable | meaning |", "|---|---|", *rows])


def _specification() -> str:
    return _fields(JobSpec.model_fields, "field")


def _run() -> str:
    return ", ".join(f"`{field.name}`" for field in fields(RunIdentity))


def _result(record: type[BaseModel]) -> Callable[[], str]:
    return lambda: _fields(record.model_fields, "result")


def _fields(model_fields: Mapping[str, FieldInfo], heading: str) -> str:
    rows = [
        f"| `{name}` | {_type(field)} | {'yes' if field.is_required() else 'no'} | {field.description} |"
        for name, field in model_fields.items()
    ]
    return "\n".join([f"| {heading} | type | required | meaning |", "|---|---|---|---|", *rows])


def _type(field: FieldInfo) -> str:
    names = {"str": "text", "int": "integer", "float": "number", "NoneType": "null", "dict": "object"}
    kinds = getattr(field.annotation, "__args__", ()) if "|" in str(field.annotation) else (field.annotation,)
    shown = [getattr(kind, "__name__", str(kind)) for kind in kinds]
    return " or ".join(names.get(name, "text") for name in shown)


_REGIONS: dict[str, Callable[[], str]] = {
    "variables": _variables,
    "specification": _specification,
    "run": _run,
    **{f"result of {job.value}": _result(record) for job, record in RESULTS.items()},
}
