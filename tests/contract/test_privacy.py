"""Columns to hash are declared, of types that are written in one way, used for nothing that shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.contract import loader
from include.exceptions import Fault, PipelineInvalid
from tests.support.pipeline import write_pipeline

DECLARED = {"email": "string", "phone": {"type": "string", "from": "Phone no."}, "born": "date"}
HASHED = {"hash": ["email", "phone", "born"]}


def faults(folder: Path, **sections: Any) -> list[Fault]:
    try:
        loader.load(write_pipeline(folder, **sections))
    except PipelineInvalid as error:
        return list(error.faults)
    return []


@pytest.mark.parametrize("kind", ["string", "integer", "date", "decimal(20,0)"])
def test_what_is_written_in_one_way_can_be_hashed(tmp_path: Path, kind: str) -> None:
    assert faults(tmp_path, columns={**DECLARED, "customer": kind}, privacy={"hash": ["customer"]}) == []


@pytest.mark.parametrize("kind", ["float", "boolean", "decimal(12,2)", "timestamp", "timestamptz"])
def test_what_is_not_is_refused_with_the_remedy(tmp_path: Path, kind: str) -> None:
    [fault] = faults(tmp_path, columns={"amount_due": kind}, privacy={"hash": ["amount_due"]})
    assert fault.path == "privacy.hash[0]"
    assert fault.message == (
        f"'amount_due' is '{kind}' by columns.amount_due, which is not written in one way everywhere, or "
        "has few values; hash string, integer, decimal(digits, 0) or date, or leave the column out by "
        "privacy.drop"
    )


@pytest.mark.parametrize(
    ("hashed", "message"),
    [
        (
            ["mail"],
            "'mail' is not declared; write its type under columns, such as 'mail: string', as the hash "
            "follows from it",
        ),
        (["Phone no."], "'Phone no.' is not declared; write 'phone', which is made of it"),
        (["email", "born", "email"], "'email' is listed already, at privacy.hash[0]"),
    ],
)
def test_each_column_is_declared_once(tmp_path: Path, hashed: list[str], message: str) -> None:
    [fault] = faults(tmp_path, columns=DECLARED, privacy={"hash": hashed})
    assert fault == Fault(f"privacy.hash[{len(hashed) - 1}]", message)


@pytest.mark.parametrize(("column", "dropped"), [("email", "email"), ("phone", "Phone no.")])
def test_a_column_is_not_dropped_and_hashed(tmp_path: Path, column: str, dropped: str) -> None:
    found = faults(tmp_path, columns=DECLARED, privacy={"hash": [column], "drop": [dropped]})
    shown = f"'{column}' is dropped by privacy.drop, too; take it out of one of the two"
    assert Fault("privacy.hash[0]", shown) in found


@pytest.mark.parametrize(
    ("path", "sections"),
    [
        ("source.partition_by", {"source": {"partition_by": "email"}}),
        ("model.time", {"model": {"time": "email"}}),
        ("model.target", {"model": {"target": "email"}}),
        ("model.features.categorical[0]", {"model": {"features": {"categorical": ["email"]}}}),
        ("model.features.numerical[0]", {"model": {"features": {"numerical": ["email"]}}}),
        ("gate.slices.column", {"gate": {"slices": {"column": "email"}}}),
        ("monitoring.fairness.column", {"monitoring": {"fairness": {"column": "email"}}}),
    ],
)
def test_a_hashed_column_has_no_use_that_needs_or_shows_it(
    tmp_path: Path, path: str, sections: dict[str, Any]
) -> None:
    found = faults(tmp_path, columns=DECLARED, privacy=HASHED, **sections)
    [message] = [fault.message for fault in found if fault.path == path and "hashed" in fault.message]
    assert message.startswith("'email' is hashed by privacy.hash, and ")
    assert message.endswith("; name another column, such as a coarser one that the source derives")


@pytest.mark.parametrize("odd", ["email", {"email": 1}, [None], [["email"]], [{"a": 1}], [True]])
def test_odd_lists_are_faults_and_no_crash(tmp_path: Path, odd: Any) -> None:
    assert all(fault.path.startswith("privacy.hash") for fault in faults(tmp_path, privacy={"hash": odd}))
