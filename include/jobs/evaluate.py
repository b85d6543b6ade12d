"""The job `evaluate`: score candidate and champion on the candidate's held-out rows."""

from __future__ import annotations

from include.exceptions import Misconfigured
from include.governance import model_card
from include.jobs.context import JobContext
from include.modelling import metrics, scorer
from include.modelling.comparison import Comparison, Scores, columns, compare
from include.modelling.scorer import Scorer
from include.tracking.names import Artifact
from include.tracking.registry import Alias
from include.tracking.runs import RunLog


def evaluate(context: JobContext) -> Scores:
    """Compare candidate and champion, and add numbers, slices and a model card to the candidate's run."""
    pipeline, window = context.pipeline, context.training_window
    run_log = _candidate(context)
    champion_version = context.registry.version_of(pipeline.name, Alias.CHAMPION)
    scorers = _scorers(context, run_log, champion_version)
    rows = context.table.frame(context.spec.commit, *window.held_out, columns(pipeline, scorers))
    comparison = compare(pipeline, scorers, metrics.held_out(rows, pipeline.model))
    scores = comparison.scores(
        pipeline.gate.metric,
        training_run=run_log.id,
        champion_version=champion_version,
        link=run_log.link(Artifact.MODEL_CARD),
    )
    _store(context, run_log, comparison, scores)
    return scores


def _candidate(context: JobContext) -> RunLog:
    if context.spec.candidate is None:
        raise Misconfigured("the spec of 'evaluate' lacks `candidate`; see docs/job-contract.md")
    return context.training_runs.open_run(context.spec.candidate)


def _scorers(context: JobContext, candidate: RunLog, champion: int | None) -> dict[Alias, Scorer]:
    """Load the candidate, and the champion if there is one."""
    runs = {Alias.CANDIDATE: candidate}
    if champion is not None:
        runs[Alias.CHAMPION] = context.training_run_of(champion)
    return {
        alias: scorer.load(context.pipeline, context.folder, run_log, context.registry)
        for alias, run_log in runs.items()
    }


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
