"""The settings of a deployment: the one module that reads the environment.

Which value counts:

- a variable of the environment, if set and not empty;
- else its line in `.env` in the project's root;
- else the default below, as listed in `.env.example`.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from include.exceptions import Misconfigured

ROOT = Path(__file__).resolve().parents[1]
"""The project's folder."""

Port = int
KubernetesLabel = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
KubernetesName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]


class Runtime(StrEnum):
    """Where a job runs; `auto` takes the deployment's default."""

    AUTO = "auto"
    PROCESS = "process"
    DOCKER = "docker"
    KUBERNETES = "kubernetes"


class Pull(StrEnum):
    """When an image is pulled from its registry."""

    MISSING = "missing"
    ALWAYS = "always"
    NEVER = "never"


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_file=ROOT / ".env", env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True
    )


class Settings(_Settings):
    """What an operator of Millrace may change."""

    var: Path = Field(
        ROOT / "var",
        alias="MILLRACE_VAR",
        description="Everything that is kept: databases, lake, logs, secrets; paths count from this folder.",
    )
    pipelines: Path = Field(
        ROOT / "include/pipelines", alias="MILLRACE_PIPELINES", description="The folder of the pipelines."
    )
    airflow_port: Port = Field(
        8080, alias="AIRFLOW_PORT", ge=1, le=65535, description="Airflow's web UI and API."
    )
    mlflow_port: Port = Field(5000, alias="MLFLOW_PORT", ge=1, le=65535, description="MLflow.")
    lakefs_port: Port = Field(8000, alias="LAKEFS_PORT", ge=1, le=65535, description="The lake.")
    lakefs_binary: str = Field(
        "",
        alias="LAKEFS_BINARY",
        description="A lakeFS program to start as the lake; empty: the embedded server.",
    )
    runtime: Runtime = Field(
        Runtime.PROCESS, alias="RUNTIME", description="Where jobs run whose pipeline says `auto`."
    )
    deployment: str = Field(
        "",
        alias="DEPLOYMENT",
        pattern=r"^[A-Za-z0-9_.-]{0,63}$",
        description="Whose jobs are whose on one engine: a name like no other's there; `make up` and "
        "Compose give one.",
    )
    job_image: str = Field(
        "millrace-job:latest",
        alias="JOB_IMAGE",
        min_length=1,
        description="The image of jobs in containers whose pipeline names none; `make images` builds it.",
    )
    image_pull: Pull = Field(
        Pull.MISSING,
        alias="IMAGE_PULL",
        description="When images are pulled: missing, always, or never (an absent image is an error).",
    )
    registry_conn_id: str = Field(
        "", alias="REGISTRY_CONN_ID", description="Airflow connection (type docker) with a registry's login."
    )
    job_network: str = Field(
        "millrace", alias="JOB_NETWORK", min_length=1, description="The engine's network for jobs."
    )
    job_namespace: KubernetesLabel = Field(
        "millrace-jobs", alias="JOB_NAMESPACE", description="Kubernetes: the namespace of jobs, theirs alone."
    )
    job_service_account: KubernetesName = Field(
        "millrace-job",
        alias="JOB_SERVICE_ACCOUNT",
        description="Kubernetes: the jobs' service account; it needs no rights, and gets no token.",
    )
    job_secret: KubernetesName = Field(
        "millrace-job",
        alias="JOB_SECRET",
        description="Kubernetes: the Secret with the jobs' logins; docs/deployment.md lists its keys.",
    )
    job_pull_secret: str = Field(
        "", alias="JOB_PULL_SECRET", description="Kubernetes: the Secret with a registry's login."
    )
    job_start_seconds: int = Field(
        300,
        alias="JOB_START_SECONDS",
        ge=1,
        description="Kubernetes: how long a job waits for a node, and then for its image.",
    )
    kubernetes_conn_id: str = Field(
        "",
        alias="KUBERNETES_CONN_ID",
        description="Airflow connection (type kubernetes) to the cluster; empty: this pod's or KUBECONFIG's.",
    )
    job_gateway: str = Field(
        "",
        alias="JOB_GATEWAY",
        pattern=r"^([0-9.]+%[\w.-]+)?$",
        description="Kubernetes, embedded stack: `address%interface` of this machine as pods reach it; "
        "empty: found out.",
    )
    parallelism: int = Field(4, alias="PARALLELISM", ge=1, description="Tasks at once.")
    threads: int = Field(
        1,
        alias="JOB_THREADS",
        ge=1,
        description="Threads of one task's numerical libraries; tasks run beside each other.",
    )
    retry_seconds: float = Field(
        10, alias="RETRY_SECONDS", gt=0, description="Wait before a task's second try; doubles each time."
    )
    examples: bool = Field(
        False,
        alias="MILLRACE_EXAMPLES",
        description="Show the DAGs of dags/examples, one a group of operators.",
    )
    code_version: str = Field(
        "",
        alias="CODE_VERSION",
        description="Git commit written on what is made; empty: as found by `make up`.",
    )

    @field_validator("var", "pipelines")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        # From the project's folder, not from wherever a process runs: all have to mean the same one.
        return (ROOT / value.expanduser()).resolve()

    @field_validator("lakefs_binary")
    @classmethod
    def _absolute_if_set(cls, value: str) -> str:
        return str(ROOT / Path(value).expanduser()) if value else ""

    @property
    def retry_delay(self) -> timedelta:
        """The wait before a task's second try."""
        return timedelta(seconds=self.retry_seconds)

    def variables(self) -> dict[str, str]:
        """The same settings as variables, for another process."""
        return {str(field.alias): str(getattr(self, name)) for name, field in type(self).model_fields.items()}


class LakeLogin(_Settings):
    """Where the lake is and who asks, in the words of `lakectl`."""

    lake_endpoint: str = Field(
        alias="LAKECTL_SERVER_ENDPOINT_URL", min_length=1, description="The lake's URL."
    )
    lake_access_key_id: str = Field(
        alias="LAKECTL_CREDENTIALS_ACCESS_KEY_ID", min_length=1, description="Who asks the lake."
    )
    lake_secret_access_key: SecretStr = Field(
        alias="LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY", min_length=1, description="The key's secret."
    )
    lake_verify_tls: bool = Field(
        True, alias="MILLRACE_LAKE_VERIFY_TLS", description="Whether the lake's certificate is checked."
    )


class JobSettings(LakeLogin):
    """What a job in a container is told (docs/job-contract.md)."""

    job: str = Field("", alias="MILLRACE_JOB", description="The job's spec, as JSON.")
    run: str = Field("", alias="MILLRACE_RUN", description="The Airflow run that asks for it, as JSON.")
    image: str = Field("", alias="MILLRACE_IMAGE", description="The image that runs it, by digest.")
    seconds: int = Field(
        0, alias="MILLRACE_SECONDS", ge=0, description="It ends itself after so long; 0: never."
    )
    tracking_uri: str = Field(
        alias="MLFLOW_TRACKING_URI", min_length=1, description="MLflow's URL, which its clients read too."
    )
    tracking_username: str = Field(
        "", alias="MLFLOW_TRACKING_USERNAME", description="MLflow's login, where it asks for one."
    )
    tracking_password: SecretStr = Field(
        SecretStr(""), alias="MLFLOW_TRACKING_PASSWORD", description="The login's password."
    )


@cache
def settings() -> Settings:
    """The deployment's settings, read once a process; raises Misconfigured with every one that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = [f"{found['loc'][0]}={found['input']!r}: {found['msg']}" for found in error.errors()]
        raise Misconfigured("\n".join([*wrong, "set it in the environment or in .env"])) from error


def example() -> str:
    """The content of .env.example: every setting with its default."""
    lines = ["# Settings of Millrace: copy to .env and change. A variable of the environment counts more."]
    for field in Settings.model_fields.values():
        default = field.default.relative_to(ROOT) if isinstance(field.default, Path) else field.default
        lines += ["", f"# {field.description}", f"#{field.alias}={default}"]
    return "\n".join(lines) + "\n"
