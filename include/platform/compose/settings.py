"""Settings of the containers that prepare the Compose platform."""

from __future__ import annotations

from pydantic import Field, SecretStr

from include.settings import FrozenSettings


class DatabaseSettings(FrozenSettings):
    """What makes the databases of the Compose file is told; where they are says the `PG…` of PostgreSQL."""

    airflow: SecretStr = Field(alias="AIRFLOW_DB_PASSWORD", min_length=1)
    mlflow: SecretStr = Field(alias="MLFLOW_DB_PASSWORD", min_length=1)
    lakefs: SecretStr = Field(alias="LAKE_DB_PASSWORD", min_length=1)

    @property
    def passwords(self) -> dict[str, str]:
        """The password of each user of the database."""
        return {name: getattr(self, name).get_secret_value() for name in type(self).model_fields}


class InitSettings(FrozenSettings):
    """What `airflow-init` of the Compose file is told."""

    profiles: str = Field("", alias="COMPOSE_PROFILES")
    executor: str = Field("LocalExecutor", alias="AIRFLOW__CORE__EXECUTOR")
    airflow_admin_password: SecretStr = Field(alias="AIRFLOW_ADMIN_PASSWORD", min_length=1)
    mlflow_endpoint: str = Field(alias="MLFLOW_ENDPOINT", min_length=1)
    mlflow_url: str = Field(alias="MLFLOW_URL", min_length=1)
    mlflow_admin_password: SecretStr = Field(alias="MLFLOW_ADMIN_PASSWORD", min_length=1)
    mlflow_password: SecretStr = Field(alias="MLFLOW_PASSWORD", min_length=1)
    lake_endpoint: str = Field(alias="LAKE_ENDPOINT", min_length=1)
    lake_url: str = Field(alias="LAKE_URL", min_length=1)
    lake_storage: str = Field(alias="LAKE_STORAGE", min_length=1)
    lake_access_key_id: str = Field(alias="LAKE_ACCESS_KEY_ID", min_length=1)
    lake_secret_access_key: SecretStr = Field(alias="LAKE_SECRET_ACCESS_KEY", min_length=1)
