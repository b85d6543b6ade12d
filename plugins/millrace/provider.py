"""Provider metadata for Airflow: the connection type `lakefs` and its form in the UI.

A plugin cannot register a connection type, but a distribution with the entry point `apache_airflow_provider`
can. Python needs no more of a distribution than `plugins/millrace.dist-info`: it is found if `plugins` is on
Python's path, without an installation.

Provider metadata: https://airflow.apache.org/docs/apache-airflow-providers/howto/create-custom-providers.html
"""

from __future__ import annotations

from typing import Any


def provider_info() -> dict[str, Any]:
    """Return Millrace's metadata in the form of Airflow's provider.yaml."""
    return {
        "package-name": "millrace",
        "name": "Millrace",
        "description": "lakeFS for Airflow 3.",
        "connection-types": [LAKEFS],
    }


LAKEFS = {
    "connection-type": "lakefs",
    "hook-name": "lakeFS",
    "hook-class-name": "millrace.hooks.lakefs.LakeFSHook",
    "ui-field-behaviour": {
        "hidden-fields": ["schema", "port"],
        "relabeling": {"host": "URL", "login": "Access key ID", "password": "Secret access key"},
        "placeholders": {"host": "https://lakefs.example.com", "login": "AKIA…"},
    },
    "conn-fields": {
        "repository": {
            "label": "Default repository",
            "description": "Used by tasks that set no repository.",
            "schema": {"type": ["string", "null"]},
        },
        "verify_tls": {
            "label": "Verify certificates",
            "description": "If off, the lake's certificate is not verified. Only for tests.",
            "schema": {"type": "boolean", "default": True},
        },
        "ui_url": {
            "label": "URL for browsers",
            "description": "Base URL of links to lakeFS, if not the URL above; `none` removes the links.",
            "schema": {"type": ["string", "null"]},
        },
        "storage": {
            "label": "Storage of repositories",
            "description": "Namespace below which `ingest` creates a pipeline's missing repository, such as "
            "s3://bucket/lake.",
            "schema": {"type": ["string", "null"]},
        },
    },
}
