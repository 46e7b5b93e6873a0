"""The storage SCP (PS3.4 Annex B): senders push radiographs; after a quiet time the batch is closed."""

from __future__ import annotations

import socketserver
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from filelock import FileLock, Timeout
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, _config, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.core.progress import log
from dagster_project.core.settings.pacs import RECEIVED, PacsSettings
from dagster_project.intake.ingestion.headers.header_reader import SOP_CLASSES
from dagster_project.intake.pacs.access_control import GuardedServer, is_in
from dagster_project.intake.pacs.client import is_uid
from dagster_project.intake.pacs.incoming_batch import IncomingBatch, make_private
from dagster_project.intake.pacs.log_suppression import silence_pynetdicom
from dagster_project.intake.pacs.state import State
from dagster_project.intake.pacs.tls import tls_context

_STORED, _OUT_OF_RESOURCES, _WRONG_DATA_SET = 0x0000, 0xA700, 0xA900  # PS3.4 table B.2-1
_REJECTED_PERMANENTLY, _BY_USER, _CALLING_AE = 1, 1, 3  # PS3.8 table 9-21
_SENDERS_AT_ONCE = 10


def receive(paths: Paths, settings: PacsSettings, stop: threading.Event, ready: Callable[[], None]) -> None:
    """Receive images from allowed senders until `stop` is set, and hand them over batch by batch; blocks.

    `ready` is called as soon as senders can connect. An object is acknowledged when it is durable. An open batch stays
    open when this function ends, and continues at the next start.
    Raises RayTruthError if no sender is allowed, another process receives, or the address cannot be used.
    """
    section = settings.receive
    if not section.allowed:
        raise RayTruthError(
            "No sender is allowed",
            where="params.yaml, pacs, receive, allowed",
            do="add the AE title of each sender, and the networks from which it sends",
        )
    make_private(paths.pacs)
    try:
        with FileLock(paths.pacs / f"{RECEIVED}.lock", timeout=0):
            state = State(paths.pacs_state)
            incoming = IncomingBatch(paths, RECEIVED, state, settings.min_free_gb)
            server = _serve(paths, settings, incoming)
            try:
                ready()
                while not stop.wait(1.0):
                    if incoming.size() >= settings.batch_images or incoming.quiet_for() >= section.quiet_seconds:
                        _hand_over(incoming)
                    incoming.remove_unfinished()
            finally:
                socketserver.BaseServer.shutdown(server)
                server.server_close()
                server.ae.shutdown()
                state.close()
    except Timeout:
        raise RayTruthError("Another process is receiving", where="this root", do="stop that process first") from None


def _hand_over(incoming: IncomingBatch) -> None:
    size, batch = incoming.size(), incoming.close()
    if batch:
        log.info("batch %s: %d images received", batch, size)


def _serve(paths: Paths, settings: PacsSettings, incoming: IncomingBatch) -> Any:
    """A listening server in its own thread."""
    silence_pynetdicom()
    _config.STORE_RECV_CHUNKED_DATASET = True  # objects are written to a file as they arrive, not kept in memory
    tempfile.tempdir = str(incoming.spool)  # the private spool folder, not the shared temporary folder
    section = settings.receive
    entity = AE(section.ae_title)
    entity.require_called_aet = True
    entity.maximum_associations = _SENDERS_AT_ONCE
    entity.network_timeout = entity.dimse_timeout = entity.acse_timeout = settings.timeout_seconds
    entity.add_supported_context(Verification)
    for sop_class in SOP_CLASSES:
        entity.add_supported_context(sop_class, ALL_TRANSFER_SYNTAXES)  # ingestion decodes compressed pixels
    tls = tls_context(paths.root, section.tls, server=True) if section.tls else None
    try:
        server = entity.make_server(
            (section.address, section.port),
            ssl_context=tls,
            evt_handlers=[
                (evt.EVT_REQUESTED, _check_sender, [settings, incoming]),
                (evt.EVT_C_STORE, _store, [incoming]),
            ],
            server_class=GuardedServer,
            networks=[network for networks in section.allowed.values() for network in networks],
        )
    except OSError:
        raise RayTruthError(
            "The receiver cannot listen on this address and port",
            where=f"{section.address}, port {section.port}",
            do="set an address of this machine and a free port in params.yaml, pacs.receive",
        ) from None
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()
    return server


def _check_sender(event: evt.Event, settings: PacsSettings, incoming: IncomingBatch) -> None:
    """Reject an AE title that is not allowed, or not allowed from this network."""
    requestor = event.assoc.requestor
    asked = cast(A_ASSOCIATE, requestor.primitive)
    networks = settings.receive.allowed.get((asked.calling_ae_title or "").strip(), ())
    if not is_in(requestor.address, networks):
        incoming.refuse("refused: sender not allowed")
        event.assoc.acse.send_reject(_REJECTED_PERMANENTLY, _BY_USER, _CALLING_AE)
        event.assoc.kill()


def _store(event: evt.Event, incoming: IncomingBatch) -> int:
    """Take in one object. The returned status tells the sender whether the object is stored."""
    uid = str(cast(C_STORE, event.request).AffectedSOPInstanceUID)
    if not is_uid(uid):
        incoming.refuse("refused: invalid UID")
        return _WRONG_DATA_SET
    try:
        if incoming.disk_is_low():
            incoming.refuse("refused: disk nearly full")
            return _OUT_OF_RESOURCES
        incoming.keep(Path(event.dataset_path), uid)
    except (OSError, sqlite3.Error):
        log.warning(
            "an object could not be written; the sender got the status 'out of resources' and can send it again"
        )
        return _OUT_OF_RESOURCES
    return _STORED
