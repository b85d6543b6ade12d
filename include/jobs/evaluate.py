"""The job `evaluate`: score candidate and champion on the candidate's held-out rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.exceptions import Misconfigured
from include.governance import model_card
from include.jobs.context import JobContext
from include.modelling import metrics
from include.modelling.champion import Champion
from include.modelling.comparison import Comparison, Scores, compare
from include.tracking.names import Artifact
from include.tracking.registry import Alias
from include.tracking.runs import RunLog

if TYPE_CHECKING:
    import pandas as pd


def evaluate(context: JobContext) -> Scores:
    """Compare candidate and champion, and add numbers, slices and a model card to the candidate's run."""
    pipeline, window = context.pipeline, context.training_window
    run_log, champion = _candidate(context), _champion(context)
    counts: dict[str, float] = {}

    def read(columns: list[str]) -> pd.DataFrame:
        found = context.rows.frame(context.spec.commit, *window.held_out, columns)
        why = found.counts.explain(pipeline.name) if found.counts else ""
        counts.update(found.counts.numbers("held_out.") if found.counts else {})
        return metrics.held_out(found.rows, pipeline.model, why)

    candidate = context.load_scorer(run_log)
    comparison = compare(pipeline, candidate, champion, read, folder=context.folder)
    scores = comparison.scores(
        pipeline.gate.metric,
        training_run=run_log.id,
        champion_version=champion.version if champion else None,
        link=run_log.link(Artifact.MODEL_CARD),
    )
    _store(context, run_log, comparison, scores)
    run_log.log_metrics(counts)
    return scores


def _candidate(context: JobContext) -> RunLog:
    if context.spec.candidate is None:
        raise Misconfigured("the spec of 'evaluate' lacks `candidate`; see docs/job-contract.md")
    return context.training_runs.open_run(context.spec.candidate)


def _champion(context: JobContext) -> Champion | None:
    version = context.registry.version_of(context.pipeline.name, Alias.CHAMPION)
    if version is None:
        return None
    return Champion(version=version, load=lambda: context.load_scorer(context.training_run_of(version)))


def _store(context: JobContext, run_log: RunLog, comparison: Comparison, scores: Scores) -> None:
    card = model_card.render(
        context.pipeline,
        context.training_window,
        scores,
        comparison,
        data_uri=context.table.uri(context.spec.commit),
        params=context.spec.params,
        code_version=context.run.code_version,
    )
    run_log.log_metrics(comparison.numbers())
    run_log.log_json(comparison.slices, Artifact.SLICES)
    run_log.log_text(card, Artifact.MODEL_CARD)
