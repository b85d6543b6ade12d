"""The settings of a deployment, read from variables that begin with `MILLRACE_`.

Which value counts:

- a variable of the environment, if set and not empty;
- else its line in `.env` in the project's root;
- else the default below, as listed in `.env.example`.

A variable is named after its place here: `settings().jobs.image` is `MILLRACE_JOB_IMAGE`. What another
program reads keeps the name that it has there (`LAKECTL_…`, `MLFLOW_TRACKING_…`).
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    ByteSize,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, DotEnvSettingsSource, SettingsConfigDict

from include import environment
from include.exceptions import Misconfigured
from include.excerpt import quote

ROOT = Path(__file__).resolve().parents[1]
"""The project's folder."""
ENV_FILE = ROOT / ".env"

Port = Annotated[int, Field(ge=1, le=65535)]
MIN_SECRET = 32
"""Characters of the secret of hashes: as many hexadecimal digits are 128 bits, which nobody tries out."""
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


class FrozenSettings(BaseSettings):
    """Base of all settings: from the environment, then `.env`, and never changed afterwards."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE, env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True
    )


class SettingsGroup(FrozenSettings):
    """Base of the groups: a field's variable is the group's prefix and the field's name."""

    @classmethod
    def variable(cls, field: str) -> str:
        """Return the name of the variable that sets a field."""
        return f"{cls.model_config['env_prefix']}{field}".upper()

    @classmethod
    def groups(cls) -> dict[str, type[SettingsGroup]]:
        """Return those fields that are groups themselves."""
        kinds = {name: field.annotation for name, field in cls.model_fields.items()}
        return {
            name: kind
            for name, kind in kinds.items()
            if isinstance(kind, type) and issubclass(kind, SettingsGroup)
        }

    @classmethod
    def declared(cls) -> dict[str, FieldInfo]:
        """Return the other fields, each by its variable."""
        groups = cls.groups()
        return {cls.variable(name): field for name, field in cls.model_fields.items() if name not in groups}

    def variables(self) -> dict[str, str]:
        """Return the same settings as environment variables, secrets included, for a child process."""
        variables: dict[str, str] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            own = {self.variable(name): text}
            variables |= value.variables() if isinstance(value, SettingsGroup) else own
        return variables


class AirflowGroup(SettingsGroup):
    """Airflow, and the retries of its tasks."""

    model_config = SettingsConfigDict(title="Airflow", env_prefix="MILLRACE_AIRFLOW_")

    port: Port = Field(8080, description="Port of the web UI and the API on this machine.")
    parallelism: int = Field(4, ge=1, description="Tasks that run at the same time.")
    retry_seconds: float = Field(
        10, gt=0, description="Seconds before a task's second attempt; doubled for each further one."
    )
    examples: bool = Field(
        False, description="Show the DAGs of dags/examples, one for each group of operators."
    )

    @property
    def retry_delay(self) -> timedelta:
        """The wait before a task's second attempt."""
        return timedelta(seconds=self.retry_seconds)


class MLflowGroup(SettingsGroup):
    """MLflow's tracking server."""

    model_config = SettingsConfigDict(title="MLflow", env_prefix="MILLRACE_MLFLOW_")

    port: Port = Field(5000, description="Port of the tracking server on this machine.")


class LakeFSGroup(SettingsGroup):
    """The lake."""

    model_config = SettingsConfigDict(title="Lake", env_prefix="MILLRACE_LAKEFS_")

    port: Port = Field(8000, description="Port of the lake on this machine.")
    binary: str = Field(
        "",
        description="Embedded stack: path of a lakeFS program to start as the lake; empty: our own server.",
    )

    @field_validator("binary")
    @classmethod
    def _absolute_if_set(cls, value: str) -> str:
        return str(ROOT / Path(value).expanduser()) if value else ""


class JobsGroup(SettingsGroup):
    """Jobs, in whichever runtime."""

    model_config = SettingsConfigDict(title="Jobs", env_prefix="MILLRACE_JOB_")

    image: str = Field(
        "millrace-job:latest",
        min_length=1,
        description="Image of jobs in containers whose pipeline names none; `make images` builds it.",
    )
    image_pull: Pull = Field(
        Pull.MISSING,
        description="When images are pulled: missing, always, or never (an absent image is an error).",
    )
    registry_conn_id: str = Field(
        "", description="Airflow connection (type docker) with the address and login of an image registry."
    )
    network: str = Field("millrace", min_length=1, description="Docker network that jobs are attached to.")
    threads: int = Field(
        1,
        ge=1,
        description="Threads that the numerical libraries use in one task; tasks run in parallel.",
    )


class KubernetesGroup(SettingsGroup):
    """Jobs in pods of a cluster."""

    model_config = SettingsConfigDict(title="Jobs in Kubernetes", env_prefix="MILLRACE_KUBERNETES_")

    conn_id: str = Field(
        "",
        description="Airflow connection (type kubernetes) to the cluster; empty: the cluster that Airflow "
        "runs in, or that of KUBECONFIG.",
    )
    namespace: KubernetesLabel = Field(
        "millrace-jobs", description="Namespace of jobs, used by nothing else."
    )
    service_account: KubernetesName = Field(
        "millrace-job",
        description="Service account of jobs; it needs no rights, and its token is not mounted.",
    )
    secret: KubernetesName = Field(
        "millrace-job", description="Secret with the jobs' logins; docs/deployment.md lists its keys."
    )
    pull_secret: str = Field("", description="Secret with the login of an image registry; empty: none.")
    start_seconds: int = Field(
        300, ge=1, description="Seconds that a job waits for a node, and then for its image."
    )
    gateway: str = Field(
        "",
        pattern=r"^([0-9.]+%[\w.-]+)?$",
        description="Embedded stack: `address%interface` at which pods reach this machine; empty: detected.",
    )


class PrivacyGroup(SettingsGroup):
    """What personal columns are hashed with."""

    model_config = SettingsConfigDict(title="Personal data", env_prefix="MILLRACE_PRIVACY_")

    secret: SecretStr = Field(
        SecretStr(""),
        description="Key of the hashes of `privacy.hash`: 32 or more letters, digits and signs, the same for "
        "all tables and for ever; `make up` and Compose generate one.",
    )

    @field_validator("secret")
    @classmethod
    def _long_and_visible(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        if text and not (len(text) >= MIN_SECRET and all("!" <= character <= "~" for character in text)):
            raise ValueError(
                f"needs {MIN_SECRET} or more ASCII letters, digits and signs, without spaces and line "
                "breaks; `openssl rand -hex 32` makes one"
            )
        return value


def _bytes(value: object) -> object:
    """Return a number of bytes for a text such as `1GiB`."""
    return int(TypeAdapter(ByteSize).validate_python(value)) if isinstance(value, str) else value


class Settings(SettingsGroup):
    """Everything that an operator of Millrace may change."""

    model_config = SettingsConfigDict(title="Deployment", env_prefix="MILLRACE_")

    var: Path = Field(
        ROOT / "var",
        description="Folder of all data: databases, lake, logs, secrets; paths are relative to this folder.",
    )
    pipelines: Path = Field(ROOT / "include/pipelines", description="Folder of the pipelines.")
    runtime: Runtime = Field(
        Runtime.PROCESS, description="Where jobs run whose pipeline has `training.runtime: auto`."
    )
    deployment: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_.-]{0,63}$",
        description="Unique name that separates this deployment's jobs from others' on a Docker engine; "
        "`make up` and Compose set one.",
    )
    min_free: Annotated[int, BeforeValidator(_bytes)] = Field(
        2**30,
        ge=0,
        description="Embedded stack: free bytes on its disk (1073741824, or 1GiB) below which the lake takes "
        "no new data, and no training starts.",
    )
    code_version: str = Field(
        "", description="Git commit recorded with every run; empty: detected by `make up`."
    )
    airflow: AirflowGroup = Field(default_factory=AirflowGroup)
    mlflow: MLflowGroup = Field(default_factory=MLflowGroup)
    lakefs: LakeFSGroup = Field(default_factory=LakeFSGroup)
    jobs: JobsGroup = Field(default_factory=JobsGroup)
    kubernetes: KubernetesGroup = Field(default_factory=KubernetesGroup)
    privacy: PrivacyGroup = Field(default_factory=PrivacyGroup)

    @field_validator("var", "pipelines")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        # Relative to the project's folder, not to each process's own: all have to mean the same one.
        return (ROOT / value.expanduser()).resolve()


class LakeLogin(FrozenSettings):
    """Address and keys of the lake, under the names that `lakectl` gives them."""

    lake_endpoint: str = Field(
        alias="LAKECTL_SERVER_ENDPOINT_URL", min_length=1, description="The lake's URL."
    )
    lake_access_key_id: str = Field(
        alias="LAKECTL_CREDENTIALS_ACCESS_KEY_ID", min_length=1, description="The lake's access key id."
    )
    lake_secret_access_key: SecretStr = Field(
        alias="LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY", min_length=1, description="The key's secret."
    )
    lake_verify_tls: bool = Field(
        True, alias="MILLRACE_LAKE_VERIFY_TLS", description="Whether the lake's certificate is checked."
    )


class JobSettings(LakeLogin):
    """Inputs of a job in a container (docs/job-contract.md)."""

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
    """Return the deployment's settings, which a process reads once; raises as `read` does."""
    return read(ENV_FILE)


def read(env_file: Path) -> Settings:
    """Read the settings from the environment and a `.env` file.

    Raises Misconfigured with every variable that is set under an old name, else with every wrong value.
    """
    environment.refuse_old_names(
        DotEnvSettingsSource(Settings, env_file=env_file, case_sensitive=True).env_vars
    )
    groups: dict[str, Any] = {}
    faults: list[str] = []
    for name, kind in Settings.groups().items():
        try:
            groups[name] = kind(_env_file=env_file)
        except ValidationError as error:
            faults += _faults(kind, error)
            groups[name] = kind.model_construct()  # so that the remaining settings are checked too
    try:
        found = Settings(_env_file=env_file, **groups)
    except ValidationError as error:
        faults += _faults(Settings, error)
    if faults:
        raise Misconfigured("\n".join([*faults, "set it in the environment or in .env"]))
    return found


def _faults(kind: type[SettingsGroup], error: ValidationError) -> list[str]:
    return [_fault(kind, str(fault["loc"][0]), fault["input"], fault["msg"]) for fault in error.errors()]


def _fault(kind: type[SettingsGroup], field: str, value: object, message: str) -> str:
    is_secret = kind.model_fields[field].annotation is SecretStr
    return f"{kind.variable(field)}{'' if is_secret else f'={quote(value)}'}: {message}"


def inherited_environment() -> dict[str, str]:
    """Return a copy of this process's environment, for a child process to start from."""
    return environment.inherited()


def example() -> str:
    """Return the content of .env.example: every setting with its default, by group."""
    lines = ["# Settings of Millrace: copy to .env and change. A variable of the environment counts more."]
    groups: list[type[SettingsGroup]] = [Settings, *Settings.groups().values()]
    for group in groups:
        lines += ["", f"# ---- {group.model_config['title']} ----"]
        for variable, field in group.declared().items():
            default = field.default.relative_to(ROOT) if isinstance(field.default, Path) else field.default
            lines += ["", f"# {field.description}", f"#{variable}={default}"]
    return "\n".join(lines) + "\n"
