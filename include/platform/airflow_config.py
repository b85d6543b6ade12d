"""How Airflow is set wherever it runs, each setting with its reason; the embedded stack and Compose read it.

Addresses, secrets and folders are the deployment's own affair.
"""

from __future__ import annotations

from collections.abc import Mapping

from include.settings import Runtime

Sections = Mapping[str, Mapping[str, object]]
"""Options of Airflow's configuration by section."""

# Forked once into every worker: what tasks import, and what Airflow itself imports late in a task.
_PRELOADED = (
    # First: its import asks every module that is there for scipy's functions, and Airflow's deprecated ones
    # answer with 1,400 warnings. Drop once skops asks scipy alone (skops 0.16, skops/io/_utils.py).
    "skops.io",
    "airflow.executors.local_executor",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.dag_processing.dagbag",
    "airflow.providers.standard.operators.hitl",
    "airflow.providers.standard.operators.trigger_dagrun",
    # What DAG files import: parsing one is half of what starting a task costs otherwise.
    "millrace.dags.builder",
    "millrace.runtimes.factory",
    "millrace.operators.ingest",
    "millrace.operators.lakefs",
    "millrace.operators.governance",
    "millrace.sensors.drift",
    "millrace.sensors.lakefs",
)
_FREEZE = "include.platform.preload"  # last: it freezes what is there
# Their providers, for which others do not pay.
_OPERATORS = {
    Runtime.DOCKER: "millrace.runtimes.docker.operator",
    Runtime.KUBERNETES: "millrace.runtimes.kubernetes.operator",
}

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # it fills the logs of tasks
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # the task's own retries wait longer, and say so
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "GX_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""What would otherwise call out, or start helpers that nobody here uses; the images have it as their own."""


def sections(runtime: Runtime) -> Sections:
    """The options where jobs run in this runtime."""
    preloaded = (*_PRELOADED, *filter(None, [_OPERATORS.get(runtime)]), _FREEZE)
    return {
        "core": {
            "load_examples": False,
            "mp_forkserver_preload": ",".join(preloaded),
        },
        "scheduler": {
            # Workers inherit the imports of a server that has them; the scheduler's only, as the
            # triggerer would load the same libraries a second time.
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
    """Options as Airflow reads them from the environment."""
    return {
        f"AIRFLOW__{section.upper()}__{name.upper()}": str(value)
        for section, found in options.items()
        for name, value in found.items()
    }
