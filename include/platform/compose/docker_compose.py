"""Run Docker Compose (v2, or docker-compose 1.29) for the operator's CLI.

Where the two versions of Compose differ, the engine is queried directly, by the labels that both put on
containers. COMPOSE_FILE, COMPOSE_PROFILES and COMPOSE_PROJECT_NAME have their usual meaning.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from include import environment
from include.exceptions import Misconfigured, Unavailable
from include.platform.compose import env

_COMMANDS = (("docker", "compose"), ("docker-compose",))
_SERVICE = "com.docker.compose.service"
_ONE_OFF = "com.docker.compose.oneoff"
"""Label of containers that `docker compose run` created, such as a user's shell; not part of the platform."""
_PROFILE = re.compile(r"^  ([\w-]+):\n(?:    .*\n|\s*\n)*?    profiles: \[(\w+)\]$", re.MULTILINE)
"""Matches a service of the Compose file that has a profile."""
_START_TIMEOUT_SECONDS = 600
_MAX_RESTARTS = 5

Say = Callable[[str], None]


@dataclass(frozen=True)
class Container:
    """A service's container, from the output of `docker inspect`."""

    service: str
    id: str
    image: str
    state: dict[str, Any]
    volumes: dict[str, str]
    once: bool
    """Whether it runs to completion and is not restarted."""
    restarts: int
    """How often the engine has restarted it since it was last started."""

    @classmethod
    def of(cls, inspected: dict[str, Any]) -> Container:
        """Build from one element of `docker inspect`'s output."""
        mounts = inspected["Mounts"]
        return cls(
            service=inspected["Config"]["Labels"][_SERVICE],
            id=inspected["Id"],
            image=inspected["Image"],
            state=inspected["State"],
            volumes={row["Destination"]: row["Name"] for row in mounts if row["Type"] == "volume"},
            once=inspected["HostConfig"]["RestartPolicy"]["Name"] in ("", "no"),
            restarts=inspected["RestartCount"],
        )

    @property
    def problem(self) -> str:
        """Why the container is unhealthy; empty if it is healthy, or has completed successfully."""
        if self.once and self.state["Status"] == "exited" and self.state["ExitCode"] == 0:
            return ""
        if self.state["Status"] != "running":
            return f"{self.state['Status']} with exit code {self.state['ExitCode']}"
        if self.once:
            return "still running"
        health = (self.state.get("Health") or {}).get("Status", "healthy")
        return "" if health == "healthy" else str(health)

    @property
    def has_failed(self) -> bool:
        """Whether an unhealthy container will stay so: it has exited for good, or keeps crashing."""
        crashes = self.state["Status"] == "restarting" and self.restarts >= _MAX_RESTARTS
        return crashes or (self.once and self.state["Status"] == "exited")


@dataclass(frozen=True)
class Compose:
    """The Compose project of a folder, and the command that runs Compose."""

    folder: Path
    command: tuple[str, ...]

    @classmethod
    def find(cls, folder: Path) -> Compose:
        """Build with the Compose command of this machine; raise Misconfigured if it has none."""
        for command in _COMMANDS:
            try:
                subprocess.run([*command, "version"], capture_output=True, check=True)
            except (OSError, subprocess.CalledProcessError):
                continue
            return cls(folder, command)
        raise Misconfigured(
            "neither 'docker compose' nor 'docker-compose' runs here; install Docker with its Compose plugin"
        )

    def call(self, *arguments: str) -> None:
        """Run a Compose command with visible output; raise Unavailable if it fails."""
        self._run([*self.command, *arguments])

    def containers(self) -> list[Container]:
        """Return every container of the project's services, running or not, sorted by service."""
        ids = self._run([*self.command, "ps", "--all", "--quiet"], stdout=subprocess.PIPE).decode().split()
        if not ids:
            return []
        inspected = json.loads(self._run(["docker", "inspect", *ids], stdout=subprocess.PIPE))
        services = (row for row in inspected if row["Config"]["Labels"].get(_ONE_OFF) != "True")
        return sorted(map(Container.of, services), key=lambda container: container.service)

    def container(self, service: str) -> Container:
        """Return a service's container; raise Misconfigured if there is none."""
        for container in self.containers():
            if container.service == service:
                return container
        raise Misconfigured(f"service {service!r} has no container; run `make compose DO=up` first")

    def docker(
        self,
        *arguments: str,
        stdin: IO[bytes] | None = None,
        stdout: Any = None,
        allowed: tuple[int, ...] = (0,),
    ) -> bytes:
        """Run a `docker` command; raise Unavailable unless its exit status is allowed."""
        return self._run(["docker", *arguments], stdin=stdin, stdout=stdout, allowed=allowed)

    def volumes(self) -> set[str]:
        """Return those volumes of the Compose file that exist on the engine, by their names in the file."""
        # By name, which is the same in both versions of Compose: not every volume has Compose's labels, as
        # the engine creates some by itself.
        prefix = f"{self.project}_"
        names = self.docker("volume", "ls", "--format", "{{.Name}}", stdout=subprocess.PIPE).decode().split()
        return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}

    @property
    def project(self) -> str:
        """Name of the Compose project; raises Misconfigured if it is not set."""
        name = self._variable("COMPOSE_PROJECT_NAME")
        if not name:
            raise Misconfigured("COMPOSE_PROJECT_NAME is not set; run `make compose DO=env`")
        return name

    def _variable(self, name: str) -> str:
        """Return a variable's value; as in Compose, the environment has precedence over `.env`."""
        return environment.inherited().get(name) or env.read(self.folder / ".env").get(name, "")

    def _remove_disabled(self, say: Say) -> None:
        """Remove services whose profile is no longer enabled: Compose would leave them on old images."""
        profiles = dict(_PROFILE.findall((self.folder / "docker-compose.yaml").read_text()))
        enabled = {*self._variable("COMPOSE_PROFILES").split(",")}
        for container in self.containers():
            profile = profiles.get(container.service)
            if profile and not enabled & {profile, "*"}:
                say(f"removing {container.service}: its profile {profile!r} is not enabled")
                self.docker("stop", container.id, stdout=subprocess.DEVNULL)
                self.docker("rm", container.id, stdout=subprocess.DEVNULL)

    def up(self, say: Say, *services: str, options: tuple[str, ...] = ("--remove-orphans",)) -> None:
        """Start all services, or those given, and wait until they are healthy or have completed.

        Raises Unavailable with the last lines of the logs of those that have failed, or that are not healthy
        in time.
        """
        if not services:
            self._remove_disabled(say)
        try:
            self.call("up", "--detach", *options, *services)
        except Unavailable as error:  # Compose names the service that failed, but not the reason
            failed = [c for c in self.containers() if c.problem and c.state["Status"] != "created"]
            raise Unavailable("\n".join([str(error), *map(self._reason, failed)])) from error
        deadline, ready = time.monotonic() + _START_TIMEOUT_SECONDS, set[str]()
        while True:
            containers = [c for c in self.containers() if not services or c.service in services]
            unhealthy = [container for container in containers if container.problem]
            for container in containers:
                if container not in unhealthy and container.service not in ready:
                    ready.add(container.service)
                    say(f"{container.service} ready")
            if containers and not unhealthy:
                return
            if time.monotonic() > deadline or any(container.has_failed for container in unhealthy):
                raise Unavailable("\n".join(map(self._reason, unhealthy)))
            time.sleep(1)

    def _reason(self, container: Container) -> str:
        logs = subprocess.run(
            ["docker", "logs", "--tail", "5", container.id],  # noqa: S607
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return f"{container.service} is {container.problem}: {logs.stdout.strip()}"

    def _run(
        self,
        command: list[str],
        *,
        stdin: IO[bytes] | None = None,
        stdout: Any = None,
        allowed: tuple[int, ...] = (0,),
    ) -> bytes:
        process = subprocess.run(
            command, cwd=self.folder, stdin=stdin or subprocess.DEVNULL, stdout=stdout, check=False
        )
        if process.returncode not in allowed:
            raise Unavailable(f"{' '.join(command[:6])!r} ended with {process.returncode}; see above")
        return process.stdout or b""
