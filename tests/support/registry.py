"""A registry of images with a login."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe

import docker
import pytest

from tests.support import lifeline
from tests.support.lake import free_port
from tests.support.services import end, wait_until_it_answers

USER = "millrace"
_CONFIG = """
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}/images}}}}
http: {{addr: "127.0.0.1:{port}", secret: {secret}}}
auth: {{htpasswd: {{realm: images, path: {folder}/users}}}}
"""


@dataclass(frozen=True)
class ImageRegistry:
    """A running registry on loopback, where Docker engines do not require TLS."""

    address: str
    password: str

    def push(self, image: str, name: str) -> str:
        """Push an image of the engine under a name, and return the complete name."""
        tag = f"{self.address}/{name}"
        client = docker.from_env()
        client.images.get(image).tag(tag)
        client.images.push(tag, auth_config={"username": USER, "password": self.password})
        client.images.remove(tag)
        client.close()
        return f"{tag}:latest"

    def connection(self, password: str) -> str:
        """Return the Airflow connection to the registry as JSON."""
        fields = {"conn_type": "docker", "host": self.address, "login": USER, "password": password}
        return json.dumps(fields)


@contextmanager
def run_registry(folder: Path) -> Iterator[ImageRegistry]:
    """Yield a registry over a folder, and stop it at the end; skip the test without Debian's packages."""
    programs = [shutil.which(name) for name in ("docker-registry", "htpasswd")]
    if None in programs:
        pytest.skip("Debian's packages docker-registry and apache2-utils are not installed")
    port, password = free_port(), token_urlsafe(16)
    users = subprocess.check_output([str(programs[1]), "-iBn", USER], input=password, text=True)
    (folder / "users").write_text(users)
    config = folder / "config.yml"
    config.write_text(_CONFIG.format(folder=folder, port=port, secret=token_urlsafe(16)))
    process = lifeline.start([str(programs[0]), "serve", str(config)], stdout=subprocess.DEVNULL)
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}/")
        yield ImageRegistry(f"127.0.0.1:{port}", password)
    finally:
        end(process)
