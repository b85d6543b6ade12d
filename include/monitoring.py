"""Watching a champion: one monitoring run a night, and what its series means.

A night's run is in the experiment `<pipeline>.monitor`: numbers as metrics, the Evidently report and the
verdict as artifacts, and as tags what the policy asks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from include import features, policy
from include.drift import Drifted
from include.evaluation import judgeable, score
from include.identity import RunIdentity
from include.ledger import Event, Ledger
from include.spec import PREDICTION, Fairness, Monitoring, Performance, Pipeline, Retrain
from include.tags import Tag
from include.tracking import Experiment, RunLog
from include.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import Run

_BREACHED, _KEPT = "breached", "kept"
_ROWS = "rows"
REPORT = "drift.html"
"""The artifact that holds a night's report."""
_LOOK_BACK = 100
"""Firings: years of them. MLflow cannot be asked for those before a day."""
_TAG_LENGTH = 4000


@dataclass(frozen=True)
class Window:
    """The days that a night looks at: `first` to `last`; labels count up to `labelled`. All included."""

    first: date
    last: date
    labelled: date

    @classmethod
    def until(cls, night: date, monitoring: Monitoring) -> Window:
        """The window that ends with a night; a label is there `label_delay` after its day began."""
        return cls(
            first=night - monitoring.window + timedelta(days=1),
            last=night,
            labelled=night + timedelta(days=1) - monitoring.label_delay,
        )


def experiment(spec: Pipeline, tracking_uri: str) -> Experiment:
    """Where the nights of a pipeline are."""
    return Experiment(tracking_uri, f"{spec.name}.monitor")


def tags(night: date, version: int, learned: date) -> dict[str, str]:
    """What a night's run is found by, and up to which day the champion has learned."""
    return {Tag.NIGHT: night.isoformat(), Tag.VERSION: str(version), Tag.LEARNED: learned.isoformat()}


def judge(
    spec: Pipeline, drifted: Drifted, labelled: pd.DataFrame, rows: pd.DataFrame, held_out: float | None
) -> Verdict:
    """The verdict of a night: every limit that was broken is a reason.

    `labelled` are the rows with a known target, `rows` all of the window, both with predictions;
    `held_out` is the champion's metric when it was trained, None if it is not known.
    """
    limits, numbers = spec.monitoring, {_ROWS: float(len(rows)), "labelled": float(len(labelled))}
    reasons = _drift_reasons(spec, drifted, numbers)
    if limits.performance:
        reasons += _performance_reasons(spec, limits.performance, labelled, held_out, numbers)
    if limits.fairness:
        reasons += _fairness_reasons(limits.fairness, rows, numbers)
    return Verdict(passed=not reasons, reasons=tuple(reasons), numbers=numbers)


def store(run: RunLog, verdict: Verdict, drifted: Drifted) -> None:
    """Write a night's verdict and report to its run."""
    run.text(drifted.html, REPORT)
    run.json(verdict.to_json(), "verdict.json")
    run.metrics(verdict.numbers)
    run.tags(
        {
            Tag.STATE: _KEPT if verdict.passed else _BREACHED,
            Tag.DRIFTED: ",".join(drifted.features)[:_TAG_LENGTH],
            Tag.REASONS: "; ".join(verdict.reasons)[:_TAG_LENGTH],
        }
    )


def judge_night(
    spec: Pipeline, *, tracking_uri: str, night: date, version: int, run: RunIdentity
) -> dict[str, Any] | None:
    """Apply the policy to the verdicts of a champion up to a night; None while the night has none.

    Returns `{fire, cause, reason, until, drifted, verdict}`; a retrain is to learn from the days `until`
    which labels are known. A broken limit leaves a line in the ledger, whether it fires or is held; the same
    night and champion always have the same cause.
    """
    nights = experiment(spec, tracking_uri)
    this = next(iter(nights.search(limit=1, night=night.isoformat(), version=str(version))), None)
    if this is None:
        return None
    ledger, cause = Ledger(tracking_uri, spec.name), f"drift-sensor__{night}__v{version}"
    rule = spec.monitoring.retrain
    earlier = nights.browse(newest=f"tags.`{Tag.NIGHT}`", version=str(version))
    decision = policy.decide(
        rule,
        _series(this, earlier, rule),
        last_fired=_last_fired(ledger, night, cause),
        learned=date.fromisoformat(this.data.tags[Tag.LEARNED]),
    )
    breached = this.data.tags[Tag.STATE] == _BREACHED
    if decision.fire or breached:
        event = Event.RETRAIN_FIRED if decision.fire else Event.RETRAIN_HELD
        ledger.write(event, cause=cause, reason=decision.reason, run=run, version=version)
    return {
        "fire": decision.fire,
        "cause": cause,
        "reason": _told(decision, this),
        "until": Window.until(night, spec.monitoring).labelled.isoformat(),
        "drifted": [name for name in this.data.tags[Tag.DRIFTED].split(",") if name],
        "verdict": _verdict(this).to_json(),
    }


def _series(this: Run, latest_first: Iterator[Run], rule: Retrain) -> list[policy.Night]:
    """A night and those before it that count, each by its newest run; as many as the policy looks at."""
    found = [_night(this)]
    for day, runs in groupby(latest_first, key=lambda run: _night(run).date):
        if day < found[0].date:
            found.append(_night(max(runs, key=lambda run: int(run.info.start_time))))
            if sum(night.rows >= rule.min_rows for night in found) >= rule.of:
                break
    return found


def _night(run: Run) -> policy.Night:
    tags = run.data.tags
    return policy.Night(
        date=date.fromisoformat(tags[Tag.NIGHT]),
        breached=tags[Tag.STATE] == _BREACHED,
        rows=int(run.data.metrics[_ROWS]),
    )


def _last_fired(ledger: Ledger, night: date, cause: str) -> date | None:
    """The last night up to this one that fired, be it for another champion, but for this very cause."""
    fired = (line.cause for line in ledger.lines(Event.RETRAIN_FIRED, limit=_LOOK_BACK))
    days = (date.fromisoformat(other.split("__")[1]) for other in fired if other != cause)
    return max((day for day in days if day <= night), default=None)


def _told(decision: policy.Decision, run: Run) -> str:
    return "; ".join(text for text in (decision.reason, run.data.tags[Tag.REASONS]) if text)[:500]


def _verdict(run: Run) -> Verdict:
    reasons = tuple(text for text in run.data.tags[Tag.REASONS].split("; ") if text)
    return Verdict(passed=run.data.tags[Tag.STATE] == _KEPT, reasons=reasons, numbers=dict(run.data.metrics))


def _drift_reasons(spec: Pipeline, drifted: Drifted, numbers: dict[str, float]) -> list[str]:
    limit = spec.monitoring.drift.share
    numbers |= {f"drift.{name}": distance for name, distance in drifted.distances.items()}
    numbers["drift.share"] = drifted.share
    if drifted.share < limit:
        return []
    names = ", ".join(drifted.features)
    return [f"{drifted.share:.2f} of the features drifted, the limit is {limit:g}: {names}"]


def _performance_reasons(
    spec: Pipeline,
    limits: Performance,
    labelled: pd.DataFrame,
    held_out: float | None,
    numbers: dict[str, float],
) -> list[str]:
    truth = features.target(labelled, spec.model)
    if held_out is None or not judgeable(truth):
        return []
    now = score(limits.metric, truth, labelled[PREDICTION].to_numpy())
    numbers |= {f"performance.{limits.metric.value}": now, "performance.held_out": held_out}
    if held_out - now <= limits.max_drop:
        return []
    return [
        f"{limits.metric.value} fell from {held_out:.4f} at training to {now:.4f}, "
        f"by more than {limits.max_drop:g}"
    ]


def _fairness_reasons(limits: Fairness, rows: pd.DataFrame, numbers: dict[str, float]) -> list[str]:
    """The gap between the highest and the lowest selection rate (demographic parity difference)."""
    selected = (rows[PREDICTION] >= limits.selected_from).groupby(rows[limits.column].to_numpy())
    rates = selected.mean()[selected.size() >= limits.min_rows]
    if len(rates) < 2:
        return []
    gap = float(rates.max() - rates.min())
    numbers["fairness.gap"] = gap
    if gap <= limits.max_gap:
        return []
    return [f"selection rates of {limits.column!r} lie {gap:.3f} apart, more than {limits.max_gap:g}"]
