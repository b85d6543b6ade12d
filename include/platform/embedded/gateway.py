"""The way from a container to the embedded stack: a network of its own, and doors on its gateway.

The stack listens on loopback, which containers cannot reach. On the gateway of the jobs' network two doors
lead to the lake and to MLflow; they are bound to the network's bridge, so nothing else on the machine, nor
the machine's own networks, reaches them. The network is internal (no way out) and its containers do not see
each other.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

from include.exceptions import MillraceError, Misconfigured, Unavailable

_CHUNK = 2**16


@dataclass(frozen=True)
class Gateway:
    """The machine's own address on the network, and the bridge behind it."""

    address: str
    bridge: str

    def __str__(self) -> str:
        return f"{self.address}%{self.bridge}"

    @classmethod
    def parse(cls, text: str) -> Gateway:
        """From its text."""
        return cls(*text.split("%"))


def job_gateway(network: str) -> Gateway:
    """The gateway of the jobs' network, made unless there is one.

    Raises Unavailable where no engine answers, Misconfigured for a network that is no bridge.
    """
    from docker import from_env
    from docker.errors import DockerException, NotFound

    try:
        with closing(from_env()) as engine:
            try:
                found = engine.networks.get(network)
            except NotFound:
                found = _make(engine, network)
            return _gateway(network, found.attrs)
    except DockerException as error:
        raise Unavailable(
            f"MILLRACE_RUNTIME=docker needs a Docker engine, and none answers ({error}); start it "
            "(.ci/engine), or set MILLRACE_RUNTIME=process"
        ) from error


def forward_ports(where: Gateway, ports: tuple[int, ...]) -> None:
    """Pass what comes to these ports of the gateway on to loopback, until SIGTERM."""
    asyncio.run(_serve(where, ports))


def _make(engine: Any, network: str) -> Any:
    made = engine.networks.create(
        network,
        driver="bridge",
        internal=True,
        check_duplicate=True,
        options={"com.docker.network.bridge.enable_icc": "false"},
        labels={"millrace.network": "jobs"},
    )
    made.reload()
    return made


def _gateway(network: str, attributes: dict[str, Any]) -> Gateway:
    found = [row["Gateway"] for row in attributes["IPAM"]["Config"] or [] if "Gateway" in row]
    if attributes["Driver"] != "bridge" or not found:
        raise Misconfigured(
            f"network {network!r} is no bridge with a gateway; name another by MILLRACE_JOB_NETWORK, or "
            f"remove it (`docker network rm {network}`): it is made anew"
        )
    name = attributes["Options"].get("com.docker.network.bridge.name", f"br-{attributes['Id'][:12]}")
    return Gateway(str(found[0]).partition("/")[0], name)


async def _serve(where: Gateway, ports: tuple[int, ...]) -> None:
    async with asyncio.TaskGroup() as group:
        for port in ports:
            server = await asyncio.start_server(_pass_to(port), sock=_listen(where, port))
            group.create_task(server.serve_forever())


def _listen(where: Gateway, port: int) -> socket.socket:
    door = socket.socket()
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, where.bridge.encode())
        door.bind((where.address, port))
    except (AttributeError, OSError) as error:  # the first: not on Linux
        raise Misconfigured(
            f"cannot listen on {where}, port {port} ({error}): the embedded stack and the Docker "
            "engine have to be on the same Linux machine, and the port free on its network"
        ) from error
    return door


def _pass_to(port: int) -> Any:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
        writer.close()

    return serve


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the sender ends; then the receiver is told so."""
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()


def main() -> int:
    """Run the doors of the part `gateway`: address and ports as arguments."""
    try:
        forward_ports(Gateway.parse(sys.argv[1]), tuple(map(int, sys.argv[2:])))
    except (MillraceError, BaseExceptionGroup) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
