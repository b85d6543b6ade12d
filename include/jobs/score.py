"""The job `score`: write the champion's predictions for the days of a monitoring window."""

from __future__ import annotations

from datetime import date

from include.contract import loader
from include.exceptions import BadData
from include.jobs.context import JobContext
from include.jobs.results import ScoreResult
from include.lake.merge import find_merge_of_run, publish
from include.modelling.champion import faults_of
from include.modelling.estimator import trusted_types
from include.tracking.names import LATENCY


def score(context: JobContext) -> ScoreResult:
    """Write predictions for the days of the window that lack them; all become visible with one merge."""
    window, predictions, commit = context.monitoring_window, context.predictions, context.spec.commit
    missing = predictions.missing(window, commit, at=commit)
    if not missing:
        return ScoreResult(commit=commit, days=0, rows=0)
    branch, into = f"score-{context.spec.until}-{context.run.short_hash}", context.pipeline.lake.branch
    merged = find_merge_of_run(context.lake, into, branch, context.run)
    if merged and not predictions.missing(window, commit, at=merged.id):
        metadata = merged.metadata
    else:
        metadata = _write(context, branch, missing)
    published = publish(context.lake, branch, into=into, run=context.run, metadata=metadata)
    return ScoreResult(commit=published.commit, days=len(missing), rows=int(metadata["rows"]))


def _write(context: JobContext, branch: str, missing: dict[date, str]) -> dict[str, str]:
    """Score days into a branch, and commit them; return the metadata of the commit."""
    pipeline, commit = context.pipeline, context.spec.commit
    context.predictions.table.check_writer(commit, pipeline.name, loader.names(context.folder.parent))
    trusted_types(context.folder)  # a fault of the pipeline's own files is never the champion's
    with faults_of(context.version, "score"):
        champion = context.load_scorer(context.champion_run)
    context.lake.create_branch(branch, commit)
    try:
        written = context.predictions.write(branch, missing, champion, commit=commit)
    except BadData:  # no retry of this run would go on from here
        context.lake.delete_branch(branch)
        raise
    metadata = {
        "pipeline": pipeline.name,
        "version": str(context.version),
        "rows": str(written.rows),
        LATENCY: f"{written.latency_ms:.3f}",
    }
    message = f"{context.run.dag_id}: score until {context.spec.until}"
    context.lake.commit(branch, message, {**context.run.metadata(), **metadata})
    return metadata
