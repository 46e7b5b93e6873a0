"""TLS for DIMSE (PS3.15 Annex B): both sides show a certificate and check the other's."""

from __future__ import annotations

import ssl
from pathlib import Path

from dagster_project.core.errors import RayTruthError
from dagster_project.core.settings.pacs import Tls


def tls_context(root: Path, tls: Tls, *, server: bool) -> ssl.SSLContext:
    """The TLS context of a server or a client; TLS 1.2 or newer.

    Raises RayTruthError if a file is missing or not PEM.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(root / tls.certificate, root / tls.key)
        context.load_verify_locations(root / tls.ca)
    except (OSError, ssl.SSLError):
        raise RayTruthError(
            "The certificate, its key or the certificate of the authority cannot be read",
            where="params.yaml, pacs, tls",
            do="use PEM files; the key must belong to the certificate",
        ) from None
    return context
