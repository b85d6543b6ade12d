"""Airflow's options in every deployment, each with its reason; the embedded stack and Compose use them.

Addresses, secrets and folders are set by each deployment.
"""

from __future__ import annotations

from collections.abc import Mapping

from include.settings import Runtime

Sections = Mapping[str, Mapping[str, object]]
"""Options of Airflow's configuration by section."""

# Imported once and inherited by every worker: what tasks import, and what Airflow imports late in a task.
_PRELOADED = (
    # First: its import looks for scipy's functions in every loaded module, and Airflow's deprecated modules
    # answer with 1,400 warnings. Drop once skops looks in scipy only (skops 0.16, skops/io/_utils.py).
    "skops.io",
    "airflow.executors.local_executor",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.dag_processing.dagbag",
    "airflow.providers.standard.operators.hitl",
    "airflow.providers.standard.operators.trigger_dagrun",
    # What DAG files import: without it, parsing one is half the cost of starting a task.
    "millrace.dags.builder",
    "millrace.runtimes.factory",
    "millrace.operators.champion",
    "millrace.operators.governance",
    "millrace.operators.ingest",
    "millrace.operators.lakefs",
    "millrace.operators.snapshot",
    "millrace.sensors.drift",
    "millrace.sensors.partition",
    "millrace.preload",
)
_FREEZE = "include.platform.preload"  # last: it freezes what is there
# With their providers, which deployments without that runtime do not load.
_OPERATORS = {
    Runtime.DOCKER: "millrace.runtimes.docker.operator",
    Runtime.KUBERNETES: "millrace.runtimes.kubernetes.operator",
}

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # it fills the logs of tasks
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # it would fetch each run once more
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # the task's own retries wait longer, and say so
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "GX_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Variables that switch off telemetry and unused helper processes; the images set them as well."""


def sections(runtime: Runtime) -> Sections:
    """Return the options for deployments whose jobs run in this runtime."""
    preloaded = (*_PRELOADED, *filter(None, [_OPERATORS.get(runtime)]), _FREEZE)
    return {
        "core": {
            "load_examples": False,
            "mp_forkserver_preload": ",".join(preloaded),
        },
        "scheduler": {
            # Workers inherit the imports of a fork server. For the scheduler only: the triggerer would load
            # the same libraries a second time.
            "mp_start_method": "forkserver",
            "scheduler_idle_sleep_time": 0.1,
            # A killed worker's task is noticed after this many seconds and tried again.
            "task_instance_heartbeat_timeout": 20,
            "task_instance_heartbeat_timeout_detection_interval": 5,
            "orphaned_tasks_check_interval": 30,
        },
        "dag_processor": {"refresh_interval": 10, "min_file_process_interval": 10, "parsing_processes": 1},
    }


def variables(options: Sections) -> dict[str, str]:
    """Return options as the environment variables that Airflow reads."""
    return {
        f"AIRFLOW__{section.upper()}__{name.upper()}": str(value)
        for section, found in options.items()
        for name, value in found.items()
    }
