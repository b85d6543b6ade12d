"""The contract of a pipeline: the models behind `pipeline.yaml`.

One model a section, each frozen and closed (an unknown key is a fault). `include.catalog` reads the
files; `include/pipelines/pipeline.schema.json` is generated from here (`make schema`), so that editors
complete and check a `pipeline.yaml` while it is written.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

PREDICTION = "prediction"
"""The column of a model's answers, beside the features and the target."""

_CENTURY = timedelta(days=36_525)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _parse_duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    text = str(value)
    if re.fullmatch(r"[1-9][0-9]{0,6}[smhdw]", text):
        return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
    raise ValueError(f"{value!r} is no duration; write a whole number and s, m, h, d or w, such as '90d'")


def _check_timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{value!r} is no time zone; write an IANA name such as 'Europe/Berlin'") from error
    return value


def _check_cron(value: str) -> str:
    from croniter import CroniterBadDateError, croniter

    if not croniter.is_valid(value):
        raise ValueError(f"{value!r} is no cron expression; write five fields or a preset such as '@daily'")
    try:
        croniter(value).get_next()
    except CroniterBadDateError as error:
        raise ValueError(f"{value!r} is never due; write a date that exists") from error
    return value


def _whole_days(value: timedelta) -> timedelta:
    if value % timedelta(days=1):
        raise ValueError(f"{value} is not a whole number of days; partitions are days")
    if value > _CENTURY:
        raise ValueError(f"{value.days} days are more than {_CENTURY.days}")
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(_parse_duration),
    WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]{0,6}[smhdw]$", "examples": ["90d", "1h"]}),
]
Days = Annotated[Duration, AfterValidator(_whole_days)]
Cron = Annotated[str, AfterValidator(_check_cron)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Tag = Annotated[str, Field(min_length=1, max_length=100)]
Share = Annotated[float, Field(ge=0, le=1)]
ImportPath = Annotated[
    str, Field(pattern=r"^[\w.]+:\w+$", examples=["include.pipelines.flights.source:read"])
]


class Section(BaseModel):
    """A part of the contract: frozen, and closed against unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Reader(StrEnum):
    """How source rows are read."""

    PARQUET = "parquet"
    CSV = "csv"
    SQL = "sql"
    PYTHON = "python"


class Runtime(StrEnum):
    """Where a job runs; `auto` takes the deployment's default."""

    AUTO = "auto"
    PROCESS = "process"
    DOCKER = "docker"
    KUBERNETES = "kubernetes"


class OnFailure(StrEnum):
    """What happens to rows that fail validation."""

    QUARANTINE = "quarantine"
    FAIL = "fail"
    WARN = "warn"


class Metric(StrEnum):
    """A model metric; names are scikit-learn's."""

    ROC_AUC = "roc_auc"
    AVERAGE_PRECISION = "average_precision"
    NEG_LOG_LOSS = "neg_log_loss"
    NEG_BRIER_SCORE = "neg_brier_score"


_LOCATION_OF = {
    Reader.PARQUET: "uri",
    Reader.CSV: "uri",
    Reader.SQL: "conn_id",
    Reader.PYTHON: "callable",
}


class Source(Section):
    """Where rows come from, and how they are cut into partitions."""

    reader: Reader
    uri: str | None = Field(
        None, description="parquet, csv: a path or URI; `{dt}` becomes the partition's date."
    )
    conn_id: str | None = Field(None, description="sql: an Airflow connection.")
    query: str | None = Field(None, description="sql: a query with `:start` and `:end` (time stamps).")
    callable: ImportPath | None = Field(
        None, description="python: `module:function`, see include/readers.py."
    )
    partition_by: str = Field(description="The time column that decides a row's partition.")
    timezone: Annotated[str, AfterValidator(_check_timezone)] = "UTC"

    @model_validator(mode="after")
    def _location_fits_reader(self) -> Source:
        wanted = _LOCATION_OF[self.reader]
        if getattr(self, wanted) is None:
            raise ValueError(f"reader {self.reader.value!r} needs the key {wanted!r}")
        if self.reader is Reader.SQL and self.query is None:
            raise ValueError("reader 'sql' needs the key 'query'")
        return self


class Lake(Section):
    """The pipeline's table in the lake."""

    repository: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{2,62}$")]
    table: Name
    branch: str = "main"


class Schedule(Section):
    """Cron strings in the source's time zone; null means: only on demand."""

    ingest: Cron | None = "@daily"
    since: date | None = Field(
        None,
        description="Every tick of `ingest` from this day on is run, those missed while nothing ran too; "
        "null: only what is due from now on.",
    )
    train: Cron | None = None
    monitor: Cron | None = "0 2 * * *"


class Validation(Section):
    """Which suite checks the rows, and what happens to rows that fail."""

    suite: str = "expectations.yaml"
    on_failure: OnFailure = OnFailure.QUARANTINE


class Features(Section):
    """The columns that the model sees."""

    numerical: list[str] = Field(default_factory=list)
    categorical: list[str] = Field(default_factory=list)

    @property
    def all(self) -> list[str]:
        return [*self.numerical, *self.categorical]


class Model(Section):
    """What is predicted, and from what."""

    task: Literal["binary"] = "binary"
    target: str
    time: str = Field(description="The time column that orders rows; holdout is always the latest.")
    features: Features
    params: dict[str, Any] = Field(default_factory=dict, description="Passed to the pipeline's `build`.")
    seed: int = 7


class Resources(Section):
    """What a job's container may use at most; the runtime `process` knows no limits."""

    cpu: Annotated[float, Field(ge=0.1)] = Field(1, description="Cores; a hard limit.")
    memory: Annotated[str, Field(pattern=r"^[1-9][0-9]*(Mi|Gi)$", examples=["4Gi"])] = Field(
        "2Gi", description="A job that needs more is killed; swap is not used."
    )
    gpu: Annotated[int, Field(ge=0)] = 0

    @property
    def memory_bytes(self) -> int:
        """The memory in bytes."""
        return int(self.memory[:-2]) * (2**20 if self.memory.endswith("Mi") else 2**30)


class Toleration(Section):
    """A taint of nodes that the job does not mind; the words are those of Kubernetes."""

    key: str | None = Field(None, description="null, with `Exists`: any.")
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="null: any."
    )

    @model_validator(mode="after")
    def _operator_fits(self) -> Toleration:
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("operator 'Exists' goes without a value; leave it out, or write 'Equal'")
        if self.operator == "Equal" and self.key is None:
            raise ValueError("operator 'Equal' needs a key; name it, or write 'Exists' for any taint")
        return self


class Training(Section):
    """How much history a model learns from, and where jobs run."""

    window: Days = timedelta(days=90)
    holdout: Days = timedelta(days=14)
    runtime: Runtime = Runtime.AUTO
    image: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="The container image of the jobs; null: the deployment's. See docs/job-contract.md."
    )
    resources: Resources = Resources()
    node_selector: dict[str, str] = Field(
        default_factory=dict, description="kubernetes: labels that a node must have."
    )
    tolerations: tuple[Toleration, ...] = Field((), description="kubernetes: taints that a node may have.")
    timeout: Duration = timedelta(hours=1)

    @model_validator(mode="after")
    def _holdout_inside_window(self) -> Training:
        if self.holdout >= self.window:
            raise ValueError(
                f"holdout ({self.holdout.days}d) must be shorter than window ({self.window.days}d): "
                "the holdout is cut from the end of the window"
            )
        return self


class Slices(Section):
    """Groups of rows on which the candidate may not fall behind."""

    column: str
    max_drop: Share = 0.03


class Gate(Section):
    """The rules that decide whether a candidate becomes champion."""

    metric: Metric = Metric.ROC_AUC
    minimum: float
    min_improvement: float = 0.0
    slices: Slices | None = None
    max_latency_ms: Annotated[float, Field(gt=0)] | None = Field(None, description="For one row, median.")
    approval: bool = Field(False, description="Ask a person before promotion.")
    approval_timeout: Duration = Field(
        timedelta(days=3), description="No answer in this time is a no; a later candidate waits so long."
    )


class Methods(Section):
    """The distance from which on a column has drifted, by kind of column."""

    wasserstein: Annotated[float, Field(gt=0)] = Field(
        0.1, description="Numerical features and predictions: Wasserstein distance in standard deviations."
    )
    jensenshannon: Annotated[float, Field(gt=0, le=1)] = Field(
        0.1, description="Categorical features and the target: Jensen-Shannon distance, 0..1."
    )


class Drift(Section):
    """When a column has drifted, and when the data has."""

    share: Share = Field(0.3, description="The data has drifted when at least this share of features has.")
    methods: Methods = Methods()


class Performance(Section):
    """When the champion's performance counts as dropped."""

    metric: Metric = Metric.ROC_AUC
    max_drop: Share = 0.05


class Fairness(Section):
    """How far selection rates of groups may lie apart."""

    column: str
    max_gap: Share = 0.1
    selected_from: Share = Field(0.5, description="A prediction from here on counts as selected.")
    min_rows: Annotated[int, Field(ge=1)] = Field(100, description="Smaller groups are left out.")


class Retrain(Section):
    """The policy: how many breaches, of how many nights, fire a retrain."""

    breaches: Annotated[int, Field(ge=1)] = 2
    of: Annotated[int, Field(ge=1)] = 3
    cooldown: Days = timedelta(days=3)
    min_rows: Annotated[int, Field(ge=1)] = 500

    @model_validator(mode="after")
    def _breaches_reachable(self) -> Retrain:
        if self.breaches > self.of:
            raise ValueError(f"breaches ({self.breaches}) can never be reached in {self.of} night(s)")
        return self


class Monitoring(Section):
    """What is watched every night."""

    window: Days = timedelta(days=7)
    label_delay: Days = timedelta(days=1)
    drift: Drift = Drift()
    performance: Performance | None = None
    fairness: Fairness | None = None
    retrain: Retrain = Retrain()


class Privacy(Section):
    """Columns of the source that never reach the lake as they are."""

    drop: list[str] = Field(default_factory=list, description="Left out when rows are read.")


class Pipeline(Section):
    """One model product: its data, checks, model, gate and monitoring."""

    name: Name
    description: str
    owner: str
    tags: list[Tag] = Field(default_factory=list)
    source: Source
    lake: Lake
    schedule: Schedule = Schedule()
    validation: Validation = Validation()
    model: Model
    training: Training = Training()
    gate: Gate
    monitoring: Monitoring = Monitoring()
    privacy: Privacy = Privacy()

    @property
    def predictions(self) -> str:
        """The table of the champion's predictions, in the same repository."""
        return f"{self.name}_predictions"

    @property
    def tables(self) -> list[tuple[str, str, str]]:
        """Repository, branch and name of each table that the pipeline writes."""
        return [
            (self.lake.repository, self.lake.branch, name) for name in (self.lake.table, self.predictions)
        ]
