"""Docker as the hand on the server uses it: `docker compose`, or docker-compose where that is what is there.

What Compose's two tools do differently is asked of the engine itself, by the labels that both put on
containers. COMPOSE_FILE, COMPOSE_PROFILES and COMPOSE_PROJECT_NAME count as they do for Compose.
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

_TOOLS = (("docker", "compose"), ("docker-compose",))
_SERVICE = "com.docker.compose.service"
_ONE_OFF = "com.docker.compose.oneoff"
"""What `run` made: somebody's shell, say, and no part of the platform."""
_PROFILE = re.compile(r"^  ([\w-]+):\n(?:    .*\n|\s*\n)*?    profiles: \[(\w+)\]$", re.MULTILINE)
"""A service of the Compose file with its profile."""
_WAIT_SECONDS = 600
_RESTARTS = 5

Say = Callable[[str], None]


@dataclass(frozen=True)
class Container:
    """One service's container, as `docker inspect` tells it."""

    service: str
    id: str
    image: str
    state: dict[str, Any]
    volumes: dict[str, str]
    once: bool
    """Whether it is to end, and not to be started again."""
    restarts: int
    """How often the engine has started it anew since somebody did."""

    @classmethod
    def of(cls, found: dict[str, Any]) -> Container:
        volumes = {row["Destination"]: row["Name"] for row in found["Mounts"] if row["Type"] == "volume"}
        service = found["Config"]["Labels"][_SERVICE]
        once = found["HostConfig"]["RestartPolicy"]["Name"] in ("", "no")
        return cls(service, found["Id"], found["Image"], found["State"], volumes, once, found["RestartCount"])

    @property
    def trouble(self) -> str:
        """What keeps it from being well; empty where nothing does."""
        if self.once and self.state["Status"] == "exited" and self.state["ExitCode"] == 0:
            return ""
        if self.state["Status"] != "running":
            return f"{self.state['Status']} with exit code {self.state['ExitCode']}"
        if self.once:
            return "still running"
        health = (self.state.get("Health") or {}).get("Status", "healthy")
        return "" if health == "healthy" else str(health)

    @property
    def hopeless(self) -> bool:
        """Whether waiting cannot help."""
        dies = self.state["Status"] == "restarting" and self.restarts >= _RESTARTS
        return dies or (self.once and self.state["Status"] == "exited")


@dataclass(frozen=True)
class Compose:
    """The Compose file of a folder, and the tool that reads it."""

    folder: Path
    command: tuple[str, ...]

    @classmethod
    def find(cls, folder: Path) -> Compose:
        """With the tool of this machine; raises Misconfigured where there is none."""
        for command in _TOOLS:
            try:
                subprocess.run([*command, "version"], capture_output=True, check=True)
            except (OSError, subprocess.CalledProcessError):
                continue
            return cls(folder, command)
        raise Misconfigured(
            "neither 'docker compose' nor 'docker-compose' runs here; install Docker with its Compose plugin"
        )

    def call(self, *arguments: str) -> None:
        """Let Compose do something, its output seen; raises Unavailable if it fails."""
        self._run([*self.command, *arguments])

    def containers(self) -> list[Container]:
        """Every container of the project's services, running or not."""
        ids = self._run([*self.command, "ps", "--all", "--quiet"], stdout=subprocess.PIPE).decode().split()
        if not ids:
            return []
        found = json.loads(self._run(["docker", "inspect", *ids], stdout=subprocess.PIPE))
        services = (one for one in found if one["Config"]["Labels"].get(_ONE_OFF) != "True")
        return sorted(map(Container.of, services), key=lambda one: one.service)

    def container(self, service: str) -> Container:
        """One service's; raises Misconfigured if it was never made."""
        for found in self.containers():
            if found.service == service:
                return found
        raise Misconfigured(f"service {service!r} has no container; run `make compose DO=up` first")

    def docker(
        self,
        *arguments: str,
        stdin: IO[bytes] | None = None,
        stdout: Any = None,
        fine: tuple[int, ...] = (0,),
    ) -> bytes:
        """A command of `docker`; raises Unavailable with what it said unless its status is one of `fine`."""
        return self._run(["docker", *arguments], stdin=stdin, stdout=stdout, fine=fine)

    def volumes(self) -> set[str]:
        """The names in the Compose file of those volumes that the project has on the engine."""
        # Both tools call them so; their labels are not on every volume, as the engine makes some by itself.
        own = f"{self.project}_"
        found = self.docker("volume", "ls", "--format", "{{.Name}}", stdout=subprocess.PIPE).decode().split()
        return {name.removeprefix(own) for name in found if name.startswith(own)}

    @property
    def project(self) -> str:
        """What the project is called."""
        found = self._told("COMPOSE_PROJECT_NAME")
        if not found:
            raise Misconfigured("COMPOSE_PROJECT_NAME is not set; run `make compose DO=env`")
        return found

    def _told(self, name: str) -> str:
        """A variable: Compose takes the caller's word before that of `.env`."""
        return environment.inherited().get(name) or env.read(self.folder / ".env").get(name, "")

    def _remove_left_behind(self, say: Say) -> None:
        """Remove services of profiles that are off by now: Compose leaves them as they are, on old images."""
        profiles = dict(_PROFILE.findall((self.folder / "docker-compose.yaml").read_text()))
        on = {*self._told("COMPOSE_PROFILES").split(",")}
        for one in self.containers():
            profile = profiles.get(one.service)
            if profile and not on & {profile, "*"}:
                say(f"{one.service} is removed: its profile is off")
                self.docker("stop", one.id, stdout=subprocess.DEVNULL)
                self.docker("rm", one.id, stdout=subprocess.DEVNULL)

    def up(self, say: Say, *services: str, options: tuple[str, ...] = ("--remove-orphans",)) -> None:
        """Start all (or these) services and wait until every one is well, or has ended well."""
        if not services:
            self._remove_left_behind(say)
        try:
            self.call("up", "--detach", *options, *services)
        except Unavailable as error:  # Compose tells which one failed, and not why
            ended = [one for one in self.containers() if one.trouble and one.state["Status"] != "created"]
            raise Unavailable("\n".join([str(error), *map(self._reason, ended)])) from error
        deadline, told = time.monotonic() + _WAIT_SECONDS, set[str]()
        while True:
            found = [one for one in self.containers() if not services or one.service in services]
            for one in found:
                if not one.trouble and one.service not in told:
                    told.add(one.service)
                    say(f"{one.service} is well")
            ill = [one for one in found if one.trouble]
            if found and not ill:
                return
            if time.monotonic() > deadline or any(one.hopeless for one in ill):
                raise Unavailable("\n".join(map(self._reason, ill)))
            time.sleep(1)

    def _reason(self, one: Container) -> str:
        said = subprocess.run(
            ["docker", "logs", "--tail", "5", one.id],  # noqa: S607
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return f"{one.service} is {one.trouble}: {said.stdout.strip()}"

    def _run(
        self,
        command: list[str],
        *,
        stdin: IO[bytes] | None = None,
        stdout: Any = None,
        fine: tuple[int, ...] = (0,),
    ) -> bytes:
        ended = subprocess.run(
            command, cwd=self.folder, stdin=stdin or subprocess.DEVNULL, stdout=stdout, check=False
        )
        if ended.returncode not in fine:
            raise Unavailable(f"{' '.join(command[:6])!r} ended with {ended.returncode}; see above")
        return ended.stdout or b""
