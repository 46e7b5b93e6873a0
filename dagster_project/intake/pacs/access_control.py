"""The listening side of the receiver: it checks who may connect before it reads anything from a sender."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any, cast

from pynetdicom.transport import ThreadedAssociationServer

_HANDSHAKE_SECONDS = 10.0
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class GuardedServer(ThreadedAssociationServer):
    """Accepts connections only from `networks`."""

    def __init__(self, *arguments: Any, networks: Iterable[Network], **keywords: Any) -> None:
        self._networks = list(networks)
        super().__init__(*arguments, **keywords)

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection. Raises OSError if it comes from another network; the serving loop ignores that error."""
        listening = cast(socket.socket, self.socket)
        connection, peer = listening.accept()
        if not is_in(peer[0], self._networks):
            connection.close()
            raise OSError("not from an allowed network")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # otherwise each small object waits 50 ms
        if self.ssl_context:
            connection.settimeout(_HANDSHAKE_SECONDS)  # a silent peer must not block the others
            connection = self.ssl_context.wrap_socket(connection, server_side=True)
            connection.settimeout(None)
        return connection, peer


def is_in(address: str, networks: Iterable[Network]) -> bool:
    """Whether a peer's address is in one of the networks; IPv4 over IPv6 counts as IPv4."""
    peer = ipaddress.ip_address(address.split("%")[0])
    mapped = getattr(peer, "ipv4_mapped", None) or peer
    return any(mapped in network for network in networks)
