"""TLS in front of a plain server, as a reverse proxy does it. Debian's Orthanc 1.10 crashes when it speaks HTTPS."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def tls_relay(port: int, certificate: Path) -> Iterator[int]:
    """Listen on a loopback port with the certificate (PEM with key), passing all on to `port`; yields the new port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listening = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_accept, args=(listening, context, port), daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.close()


def _accept(listening: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with suppress(OSError):
        while True:
            client, _ = listening.accept()
            threading.Thread(target=_serve, args=(client, context, port), daemon=True).start()


def _serve(client: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with suppress(OSError), client:
        secure = context.wrap_socket(client, server_side=True)
        with socket.create_connection(("127.0.0.1", port)) as plain:
            threading.Thread(target=_pass_on, args=(plain, secure), daemon=True).start()
            _pass_on(secure, plain)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
