"""What Airflow reads of providers: the connection type `lakefs`, with its form in the UI.

A plugin cannot register a connection type; a distribution with the entry point `apache_airflow_provider`
can. `plugins/millrace.dist-info` is all of one that Python needs: nothing has to be installed, the folder
`plugins` being on Python's path is enough.
"""

from __future__ import annotations

from typing import Any


def provider_info() -> dict[str, Any]:
    """Millrace as a provider, in the form of Airflow's provider.yaml."""
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
            "description": "The one that is meant where a task names none.",
            "schema": {"type": ["string", "null"]},
        },
        "verify_tls": {
            "label": "Verify certificates",
            "description": "Off: the lake's certificate is not checked. For tests only.",
            "schema": {"type": "boolean", "default": True},
        },
        "ui_url": {
            "label": "Address for browsers",
            "description": "Where links lead, if not to the URL above; `none`: there are no links.",
            "schema": {"type": ["string", "null"]},
        },
    },
}
