"""Import in the server that workers are forked from what Airflow itself imports late in every task.

Making the first asset of a process imports the asset handlers of all providers, which takes as long as the
rest of parsing a DAG file.
"""

# ruff: noqa: F401

from __future__ import annotations

import airflow.dag_processing.bundles.local
import airflow.sdk.execution_time.cache
import airflow.sdk.execution_time.timeout
import jinja2.ext
from airflow.sdk import Asset

import millrace.dags.params

Asset("mlflow://preload")
