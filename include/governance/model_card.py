"""The model card: one page about a candidate, for the people who approve, use or audit it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from include.contract.pipeline import Pipeline
from include.contract.windows import TrainingWindow
from include.html import heading, page, paragraph, table
from include.modelling.comparison import Comparison, Scores
from include.tracking.registry import Alias


def render(
    pipeline: Pipeline,
    window: TrainingWindow,
    scores: Scores,
    comparison: Comparison,
    *,
    data_uri: str,
    params: Mapping[str, Any],
    code_version: str,
) -> str:
    """Return the card of a candidate as an HTML page; `params` overrode the contract's."""
    aliases = sorted({alias for values in comparison.metrics.values() for alias in values})
    slices = pipeline.gate.slices
    facts = [
        ("data", data_uri),
        ("fitted on", f"{window.first} to {window.fit_until}"),
        ("held out", f"{window.held_out[0]} to {window.held_out[1]}, {scores.rows:,} rows"),
        ("features", ", ".join(pipeline.model.features.all)),
        ("parameters", json.dumps({**pipeline.model.params, **params})),
        ("seed", pipeline.model.seed),
        ("latency for one row", f"{scores.latency_ms:.1f} ms"),
        (
            "champion at that time",
            "none" if scores.champion_version is None else f"version {scores.champion_version}",
        ),
        ("code", code_version or "unknown"),
    ]
    if comparison.champion_fault:
        facts.append(("champion not compared, because", comparison.champion_fault))
    return page(
        f"{pipeline.name}: a model that predicts {pipeline.model.target!r}",
        paragraph(pipeline.description),
        table(("what", "value"), facts),
        heading("On the held-out rows"),
        table(
            ("metric", *aliases),
            [_row(name, comparison.metrics[name], aliases) for name in comparison.metrics],
        ),
        heading(f"{scores.metric} by {slices.column}" if slices else "No slices"),
        table(
            ("slice", *aliases), [_row(name, values, aliases) for name, values in comparison.slices.items()]
        ),
    )


def _row(name: str, values: Mapping[Alias, float], aliases: list[Alias]) -> tuple[str, ...]:
    return name, *(f"{values[alias]:.4f}" if alias in values else "" for alias in aliases)
