"""Access from job containers to the embedded stack: their network, and port forwarding on its gateway.

The stack listens on loopback, which containers cannot reach. On the gateway of the jobs' network two ports
are forwarded, to the lake and to MLflow. The listening sockets are bound to the network's bridge, so they
cannot be reached from anywhere else, neither from this machine nor from its other networks. The network is
internal (it has no way out), and its containers cannot reach each other.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

from include.exceptions import Misconfigured, Unavailable
from include.platform import cli

_CHUNK_BYTES = 2**16


@dataclass(frozen=True)
class Gateway:
    """Address of this machine on a network, and the bridge behind it; as text `address%bridge`."""

    address: str
    bridge: str

    def __str__(self) -> str:
        return f"{self.address}%{self.bridge}"

    @classmethod
    def parse(cls, text: str) -> Gateway:
        """Build from text, such as `172.19.0.1%br-0a1b2c`."""
        return cls(*text.split("%"))


def job_gateway(network: str) -> Gateway:
    """Return the gateway of the jobs' Docker network, creating the network if necessary.

    Raises Unavailable if no Docker engine answers, Misconfigured if the network is not a bridge.
    """
    from docker import from_env
    from docker.errors import DockerException, NotFound

    try:
        with closing(from_env()) as engine:
            try:
                existing = engine.networks.get(network)
            except NotFound:
                existing = _create_network(engine, network)
            return _gateway(network, existing.attrs)
    except DockerException as error:
        raise Unavailable(
            f"MILLRACE_RUNTIME=docker needs a Docker engine, and none answers ({error}); start it "
            "(.ci/engine), or set MILLRACE_RUNTIME=process"
        ) from error


def forward_ports(gateway: Gateway, ports: Iterable[int]) -> None:
    """Forward connections to these ports of the gateway to loopback, until SIGTERM.

    Raises Misconfigured if a port cannot be opened on the gateway.
    """
    asyncio.run(_serve({port: _listen(gateway, port) for port in ports}))


def _create_network(engine: Any, name: str) -> Any:
    network = engine.networks.create(
        name,
        driver="bridge",
        internal=True,
        check_duplicate=True,
        options={"com.docker.network.bridge.enable_icc": "false"},
        labels={"millrace.network": "jobs"},
    )
    network.reload()
    return network


def _gateway(network: str, attributes: dict[str, Any]) -> Gateway:
    addresses = [row["Gateway"] for row in attributes["IPAM"]["Config"] or [] if "Gateway" in row]
    if attributes["Driver"] != "bridge" or not addresses:
        raise Misconfigured(
            f"network {network!r} is not a bridge with a gateway; name another by MILLRACE_JOB_NETWORK, or "
            f"remove it (`docker network rm {network}`): it is made anew"
        )
    bridge = attributes["Options"].get("com.docker.network.bridge.name", f"br-{attributes['Id'][:12]}")
    return Gateway(str(addresses[0]).partition("/")[0], bridge)


async def _serve(listeners: dict[int, socket.socket]) -> None:
    async with asyncio.TaskGroup() as group:
        for port, listener in listeners.items():
            server = await asyncio.start_server(_forward_to(port), sock=listener)
            group.create_task(server.serve_forever())


def _listen(gateway: Gateway, port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, gateway.bridge.encode())
        listener.bind((gateway.address, port))
    except (AttributeError, OSError) as error:  # AttributeError: SO_BINDTODEVICE exists on Linux only
        raise Misconfigured(
            f"cannot listen on {gateway}, port {port} ({error}): the embedded stack and the Docker "
            "engine have to be on the same Linux machine, and the port free on its network"
        ) from error
    return listener


def _forward_to(port: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
        writer.close()

    return forward


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the sender closes its side, then close the receiver's."""
    try:
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()


def main() -> None:
    """Run the stack's part `gateway`; the arguments are the gateway and the ports."""
    forward_ports(Gateway.parse(sys.argv[1]), map(int, sys.argv[2:]))


if __name__ == "__main__":
    cli.run(main)
