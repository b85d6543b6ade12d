"""docs/compose.md agrees with the Compose file."""

from __future__ import annotations

import re

import pytest
import yaml

from include.platform.compose import env
from include.settings import ROOT

PAGE = (ROOT / "docs/compose.md").read_text()
TEXT = (ROOT / "docker-compose.yaml").read_text()
SERVICES = yaml.safe_load(TEXT)["services"]


def part(name: str) -> str:
    """Return a section of the page."""
    return re.split(r"^## ", PAGE.partition(f"## {name}\n")[2], flags=re.MULTILINE)[0]


def test_every_variable_is_listed_with_its_default() -> None:
    told: dict[str, str] = {}
    for names, defaults in re.findall(r"^\| (`[^|]+) \| ([^|]*)\|[^|]*\|$", part("Variables"), re.MULTILINE):
        values = [value.strip(" `") for value in defaults.split(",")]
        told |= dict(zip(re.findall(r"`(\w+)`", names), values, strict=True))
    used = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", TEXT))
    used.pop("COMPOSE_PROFILES")  # variables of Compose itself
    assert told == used


def test_the_pages_are_those_that_are_published() -> None:
    rows = re.findall(r"`http://localhost:(\d+)` \| (.+) \|", PAGE.partition("## ")[0])
    ports = {port.rpartition(":")[2] for service in SERVICES.values() for port in service.get("ports", [])}
    assert {port for port, _ in rows} == ports
    for _, who in rows:
        assert set(re.findall(r"`([A-Z_]+)`", who)) <= env.VARIABLES.keys()


def test_the_profiles_are_those_of_the_file() -> None:
    told = set(re.findall(r"`COMPOSE_PROFILES=(\w+)`", part("Profiles")))
    assert told == {name for service in SERVICES.values() for name in service.get("profiles", [])}


@pytest.mark.parametrize("line", re.findall(r"^docker compose (.+)$", PAGE, re.MULTILINE))
def test_a_command_names_a_service_that_there_is(line: str) -> None:
    assert line.split()[1] in SERVICES


def test_every_service_that_is_spoken_of_exists() -> None:
    told = set(re.findall(r"`((?:airflow|docker)-[a-z-]+|databases)`", PAGE))
    assert {"airflow-init", "databases", "docker-proxy"} <= told <= SERVICES.keys()


def test_the_verb_takes_the_words_that_are_shown() -> None:
    rule = (ROOT / "Makefile").read_text().partition("\ncompose:")[2].partition("\n\n")[0]
    (offered,) = re.findall(r"choose ([a-z, ]+)\"", rule)
    shown = re.findall(r"^make compose DO=([a-z]+)(?: +(TO|FROM)=)?", PAGE, re.MULTILINE)
    assert {verb for verb, _ in shown} == set(re.split(r", | or ", offered))
    for verb, word in shown:
        (taken,) = re.findall(
            rf"^\t(?:[a-z]+ \| )?{verb}(?: \| [a-z]+)?\) ((?:.|\\\n\t\t)+) ;;", rule, re.MULTILINE
        )
        assert f"({word})" in taken or not word
