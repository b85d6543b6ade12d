"""Where the embedded Airflow may listen: on loopback only.

Its simple auth manager is meant for development: it neither slows failed logins down nor counts them, and the
password crosses the network as it is. https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/auth-manager/simple/
"""

from __future__ import annotations

from argparse import ArgumentError, ArgumentParser
from collections.abc import Sequence
from ipaddress import ip_address

from include.exceptions import Misconfigured
from include.excerpt import quote
from include.settings import inherited_environment

_VARIABLE = "AIRFLOW__API__HOST"
_SERVER = "api-server"


def check(words: Sequence[str] = ()) -> None:
    """Refuse an address of other machines, in the environment or in the words of a command of Airflow.

    Raises Misconfigured.
    """
    given = {_VARIABLE: inherited_environment().get(_VARIABLE, "")}
    if words and words[0] == _SERVER:
        given[f"airflow {_SERVER} --host"] = _host(words[1:])
    for name, host in given.items():
        if host and not _is_loopback(host):
            raise Misconfigured(
                f"{name} is {quote(host)}; the embedded Airflow listens on loopback only, because it neither "
                "slows failed logins down nor counts them: leave it out, or run one server for other "
                "machines (docs/compose.md)"
            )


def _host(words: Sequence[str]) -> str:
    """Return the value of the option as Airflow reads it, abbreviations included."""
    parser = ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("-H", "--host", default="")
    try:
        found, _ = parser.parse_known_args(words)
    except ArgumentError:  # Airflow will say it
        return ""
    return str(found.host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
