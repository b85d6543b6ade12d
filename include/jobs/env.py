"""A job's task as environment variables, written for a container and read inside of it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from pydantic import ValidationError

from include.exceptions import Misconfigured
from include.jobs.context import Services
from include.jobs.spec import JobSpec
from include.lake.client import LakeConnection
from include.run_identity import RunIdentity
from include.settings import JobSettings, settings
from include.tracking.server import TrackingServer

SECRETS = (
    "LAKECTL_CREDENTIALS_ACCESS_KEY_ID",
    "LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
)
"""The variables that nobody but the job may see."""


def variables(
    job: JobSpec, lake: LakeConnection, tracking: TrackingServer, run: RunIdentity, *, seconds: int
) -> dict[str, str]:
    """What a container is told; secrets among it. It ends itself after `seconds`."""
    return {
        "MILLRACE_JOB": job.model_dump_json(exclude_none=True),
        "MILLRACE_RUN": json.dumps(asdict(run)),
        "MILLRACE_SECONDS": str(seconds),
        "MILLRACE_LAKE_VERIFY_TLS": str(lake.verify_tls).lower(),
        "LAKECTL_SERVER_ENDPOINT_URL": lake.endpoint,
        "LAKECTL_CREDENTIALS_ACCESS_KEY_ID": lake.access_key_id,
        "LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY": lake.secret_access_key,
        **tracking.variables,
    }


def read() -> JobSettings:
    """What this container was told; raises Misconfigured naming every variable that is missing or wrong."""
    try:
        return JobSettings()
    except ValidationError as error:
        raise _named(error) from error


def spec_of(text: str, job: str) -> JobSpec:
    """The job to do; raises Misconfigured if it is not the one that the command names."""
    try:
        found = JobSpec.model_validate_json(text)
    except ValidationError as error:
        raise _named(error, "the job's spec: ") from error
    if found.job != job:
        raise Misconfigured(f"the command says {job!r}, the spec {found.job.value!r}; they have to agree")
    return found


def services_of(told: JobSettings) -> Services:
    """What the job may reach; pipelines are those of the image."""
    return Services(
        lake=LakeConnection.of(told), tracking_uri=told.tracking_uri, pipelines=settings().pipelines
    )


def identity_of(told: JobSettings, job: JobSpec) -> RunIdentity:
    """The Airflow run that asks, with the code and the image that do the work; a hand has only the key."""
    dag_id, _, run_id = job.run_key.partition("/")
    try:
        asked = json.loads(told.run or "{}")
        run = RunIdentity(**({"dag_id": dag_id, "run_id": run_id} | asked))
    except (TypeError, ValueError) as error:
        raise Misconfigured(f"MILLRACE_RUN is no run as JSON ({error}); see docs/job-contract.md") from error
    return replace(run, code_version=settings().code_version, image=told.image)


def _named(error: ValidationError, before: str = "") -> Misconfigured:
    wrong = [f"{before}{'.'.join(map(str, one['loc'])) or 'JSON'}: {one['msg']}" for one in error.errors()]
    return Misconfigured("\n".join([*wrong, "see docs/job-contract.md for what a job is told"]))
