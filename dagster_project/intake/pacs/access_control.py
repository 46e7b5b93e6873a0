"""The listening side of the receiver: who may connect is decided before anything that a sender says is read."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any, cast

from pynetdicom.transport import ThreadedAssociationServer

_HANDSHAKE_SECONDS = 10.0
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class GuardedServer(ThreadedAssociationServer):
    """Takes connections from `networks` only."""

    def __init__(self, *arguments: Any, networks: Iterable[Network], **keywords: Any) -> None:
        self._networks = list(networks)
        super().__init__(*arguments, **keywords)

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection. OSError, which the serving loop passes over, if it comes from elsewhere."""
        listening = cast(socket.socket, self.socket)
        connection, peer = listening.accept()
        if not is_in(peer[0], self._networks):
            connection.close()
            raise OSError("not from an allowed network")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else 50 ms go to waste a small object
        if self.ssl_context:
            connection.settimeout(_HANDSHAKE_SECONDS)  # one that says nothing must not hold up the others
            connection = self.ssl_context.wrap_socket(connection, server_side=True)
            connection.settimeout(None)
        return connection, peer


def is_in(address: str, networks: Iterable[Network]) -> bool:
    """Whether a peer's address lies in one of the networks; IPv4 over IPv6 counts as IPv4."""
    peer = ipaddress.ip_address(address.split("%")[0])
    mapped = getattr(peer, "ipv4_mapped", None) or peer
    return any(mapped in network for network in networks)
