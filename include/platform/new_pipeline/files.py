"""The files of a new pipeline, as text."""

from __future__ import annotations

import os
import pwd
from typing import Any

import yaml

from include.contract.data import Reader
from include.contract.text import repository_of
from include.ingestion.type_names import type_name
from include.platform.new_pipeline.columns import Column, Type
from include.platform.new_pipeline.origin import Origin
from include.platform.new_pipeline.roles import Roles
from include.platform.new_pipeline.sample import Sample
from include.platform.new_pipeline.windows import Windows

MODEL = '''"""A logistic regression over scaled numbers and one column a category; replace it freely."""

TRUSTED_TYPES = ["numpy.dtype"]


def build(model):
    """Return an unfitted estimator with `predict_proba`."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    columns = ColumnTransformer(
        [
            ("categorical", OneHotEncoder(handle_unknown="ignore"), model.features.categorical),
            ("numerical", make_pipeline(SimpleImputer(), StandardScaler()), model.features.numerical),
        ]
    )
    return Pipeline(
        [("columns", columns), ("line", LogisticRegression(random_state=model.seed, **model.params))]
    )
'''


def contract(
    name: str, origin: Origin, sample: Sample, roles: Roles, windows: Windows, *, is_daily: bool
) -> str:
    """Return `pipeline.yaml`; it `is_daily` where more rows come each day."""
    on_demand = {"ingest": None, "train": None, "monitor": None}
    sections: dict[str, Any] = {
        "name": name,
        "description": f"Which rows have {roles.target.name} 1?",
        "owner": _user(),
        "columns": columns_section(sample),
        "source": source(origin, sample, roles),
        "lake": lake(name),
        "schedule": {"ingest": "@daily", "monitor": "0 2 * * *"} if is_daily else on_demand,
        "model": {
            "target": roles.target.name,
            "time": roles.time.name,
            "features": {
                "numerical": [column.name for column in roles.numerical],
                "categorical": [column.name for column in roles.categorical],
            },
            "params": {"max_iter": 500},
        },
        "training": {"window": f"{windows.window}d", "holdout": f"{windows.holdout}d"},
        "gate": {"metric": "roc_auc", "minimum": 0.55},
        "monitoring": {
            "window": f"{windows.monitored}d",
            "drift": {
                "share": 0.3,
                "methods": {"wasserstein": windows.wasserstein, "jensenshannon": windows.jensenshannon},
            },
            "retrain": {"failures": 2, "of": 3, "cooldown": "3d", "min_rows": windows.min_rows},
        },
    }
    head = "# yaml-language-server: $schema=../pipeline.schema.json\n"
    head += "# Written by `make new-pipeline`; docs/pipelines.md explains every key.\n"
    return head + "".join(_dump({key: value}) for key, value in sections.items())


def source(origin: Origin, sample: Sample, roles: Roles) -> dict[str, Any]:
    """Return the section `source`."""
    found: dict[str, Any] = {
        "reader": origin.reader.value,
        **origin.keys,
        "partition_by": roles.time.name,
        "timezone": "UTC",
    }
    if origin.reader is Reader.CSV and (written := csv_section(sample)):
        found["csv"] = written
    return found


def csv_section(sample: Sample) -> dict[str, Any]:
    """Return the section `source.csv`: what differs from RFC 4180 in UTF-8."""
    dialect = sample.dialect
    if dialect is None:
        return {}
    is_named = dialect.has_header and all(
        0 < len(one.given) <= 200 and one.given.isprintable() for one in sample.columns
    )
    given: dict[str, tuple[Any, Any]] = {
        "delimiter": (dialect.delimiter, ","),
        "quote": (dialect.quote, '"'),
        "escape": (dialect.escape, None),
        "decimal": (dialect.decimal, "."),
        "thousands": (dialect.thousands, None),
        "encoding": (dialect.encoding, "utf-8"),
        "skip_lines": (dialect.skip_lines + (dialect.has_header and not is_named), 0),
        "columns": (None if is_named else [column.name for column in sample.columns], None),
        "true_values": (_truth(sample.columns, 0), []),
        "false_values": (_truth(sample.columns, 1), []),
    }
    return {key: value for key, (value, default) in given.items() if value != default}


def _truth(columns: tuple[Column, ...], side: int) -> list[str]:
    words = {word for column in columns for word in column.truth[side]}
    return sorted(word for word in words if word not in _BUILT_IN_TRUTH)


_BUILT_IN_TRUTH = {"true", "True", "TRUE", "false", "False", "FALSE"}


def columns_section(sample: Sample) -> dict[str, Any]:
    """Return the section `columns`: what every column of the table is."""
    is_renamed = "columns" in csv_section(sample)
    return {
        column.name: _column(column, "" if is_renamed else column.given)
        for column in sample.columns
        if column.type is not Type.OTHER
    }


def _column(column: Column, given: str) -> str | dict[str, Any]:
    kind = type_name(column.values.type)
    more = {
        **({"from": given} if given not in ("", column.name) else {}),
        **({"format": column.formats[0]} if column.formats else {}),
        **({"null_values": list(column.null_words)} if column.null_words else {}),
        **({"since": column.since} if column.since else {}),
    }
    return {"type": kind, **more} if more else kind


def expectations(suite: dict[str, list[dict[str, Any]]]) -> str:
    """Return `expectations.yaml`."""
    head = (
        "# Written by `make new-pipeline` from a sample, with slack: narrow rules to what you know of the\n"
        "# data. `critical` (the default) stops the merge, `warning` is only reported.\n"
    )
    lists = (
        f"{part}:\n" + "".join(f"  - {_flow(entry)}\n" for entry in entries)
        for part, entries in suite.items()
    )
    return head + "".join(lists)


def readme(name: str, origin: Origin, sample: Sample, roles: Roles, reasons: list[Any]) -> str:
    """Return `README.md`."""
    lines = [f"- **{one.choice}** `{one.value}`: {one.why}" for one in reasons]
    return "\n".join(
        [
            f"# {name}",
            "",
            f"Which rows have `{roles.target.name}` 1? Written by `make new-pipeline`; say here where the "
            "data comes from, and what the target means.",
            "",
            f"- **Data**: `{origin.shown}`, of which {sample.rows:,} rows were looked at.",
            f"- **Target** `{roles.target.name}`, **time** `{roles.time.name}`.",
            "",
            "## Why it is so",
            "",
            *lines,
            "",
        ]
    )


def lake(name: str) -> dict[str, str]:
    """Return the section `lake`; a name that is too short for a repository gets one beside it."""
    is_short = repository_of(name) is None
    return {**({"repository": f"{name.replace('_', '-')}-lake"} if is_short else {}), "table": name}


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user without a name
        return "owner"


def _dump(section: dict[str, Any]) -> str:
    """Return YAML in which what holds no further lists or mappings stands in one line."""
    is_plain = not any(isinstance(value, dict) for value in section.values())
    return yaml.safe_dump(
        section,
        sort_keys=False,
        width=105,
        allow_unicode=True,
        default_flow_style=False if is_plain else None,
    )


def _flow(entry: dict[str, Any]) -> str:
    return yaml.safe_dump(
        entry, sort_keys=False, width=10**6, allow_unicode=True, default_flow_style=True
    ).strip()
