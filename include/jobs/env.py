"""A job as environment variables: written for a container, and read inside of it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from pydantic import ValidationError

from include.exceptions import Misconfigured
from include.jobs.context import Services
from include.jobs.spec import JobSpec
from include.lake.types import LakeConnection
from include.run_identity import RunIdentity
from include.settings import JobSettings, settings
from include.tracking.server import TrackingServer

SECRETS = (
    "LAKECTL_CREDENTIALS_ACCESS_KEY_ID",
    "LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
)
"""The variables that only the job may see."""
_REMEDY = "see docs/job-contract.md for the variables of a job"


def variables(
    spec: JobSpec, lake: LakeConnection, tracking: TrackingServer, run: RunIdentity, *, seconds: int
) -> dict[str, str]:
    """Return the variables for a job's container, with secrets; the job ends itself after `seconds`."""
    return {
        "MILLRACE_JOB": spec.model_dump_json(exclude_none=True),
        "MILLRACE_RUN": json.dumps(asdict(run)),
        "MILLRACE_SECONDS": str(seconds),
        "MILLRACE_LAKE_VERIFY_TLS": str(lake.verify_tls).lower(),
        "LAKECTL_SERVER_ENDPOINT_URL": lake.endpoint,
        "LAKECTL_CREDENTIALS_ACCESS_KEY_ID": lake.access_key_id,
        "LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY": lake.secret_access_key,
        **tracking.variables,
    }


def read() -> JobSettings:
    """Return this container's settings; raises Misconfigured naming each variable that is wrong."""
    try:
        return JobSettings()
    except ValidationError as error:
        raise _misconfigured(error) from error


def parse_spec(text: str, job: str) -> JobSpec:
    """Return the job's specification; raises Misconfigured unless it is for the job of the command line."""
    try:
        spec = JobSpec.model_validate_json(text)
    except ValidationError as error:
        raise _misconfigured(error, "the job's spec: ") from error
    if spec.job != job:
        raise Misconfigured(
            f"the command names the job {job!r}, the spec {spec.job.value!r}; they have to agree"
        )
    return spec


def services(given: JobSettings) -> Services:
    """Return what the job may use; its pipelines are those of the image."""
    tracking = TrackingServer(
        uri=given.tracking_uri,
        username=given.tracking_username,
        password=given.tracking_password.get_secret_value(),
    )
    return Services(lake=LakeConnection.of(given), tracking=tracking, pipelines=settings().pipelines)


def run_identity(given: JobSettings, spec: JobSpec) -> RunIdentity:
    """Return the Airflow run, with the code and the image of this container.

    Where a person starts a job, only the run key names the run.
    """
    dag_id, _, run_id = spec.run_key.partition("/")
    try:
        fields = json.loads(given.run or "{}")
        run = RunIdentity(**({"dag_id": dag_id, "run_id": run_id} | fields))
    except (TypeError, ValueError) as error:
        raise Misconfigured(f"MILLRACE_RUN is not a run as JSON ({error}); {_REMEDY}") from error
    return replace(run, code_version=settings().code_version, image=given.image)


def _misconfigured(error: ValidationError, prefix: str = "") -> Misconfigured:
    faults = [
        f"{prefix}{'.'.join(map(str, fault['loc'])) or 'JSON'}: {fault['msg']}" for fault in error.errors()
    ]
    return Misconfigured("\n".join([*faults, _REMEDY]))
