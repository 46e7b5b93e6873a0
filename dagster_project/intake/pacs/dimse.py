"""A PACS over DIMSE: C-FIND to query, C-GET to fetch (PS3.4 Annex C), study root, over one association."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import date
from ssl import SSLContext
from typing import Any, cast

from pydicom.dataset import Dataset
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, build_context, build_role, evt, sop_class
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE

from dagster_project.core.errors import RayTruthError
from dagster_project.core.settings.pacs import Dimse
from dagster_project.intake.ingestion.headers.header_reader import SOP_CLASSES
from dagster_project.intake.pacs.client import (
    Instance,
    RefusedObject,
    Study,
    Unanswered,
    is_uid,
    of_interest,
    with_retries,
)
from dagster_project.intake.pacs.log_suppression import silence_pynetdicom

_FIND = sop_class.StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]
_GET = sop_class.StudyRootQueryRetrieveInformationModelGet  # type: ignore[attr-defined]
_PENDING, _SUCCESS = (0xFF00, 0xFF01), 0x0000


class DimseArchive:
    """One PACS. An object arrives in memory; its size is known, and checked, only afterwards."""

    def __init__(
        self,
        name: str,
        peer: Dimse,
        *,
        modalities: tuple[str, ...],
        tls: SSLContext | None,
        timeout: float,
        max_megabytes: float,
    ) -> None:
        silence_pynetdicom()
        self._where, self._peer, self._modalities = f"source {name}", peer, modalities
        self._tls, self._max_megabytes = tls, max_megabytes
        self._ae = AE(peer.our_ae_title)
        self._ae.acse_timeout = self._ae.dimse_timeout = self._ae.network_timeout = timeout
        self._ae.connection_timeout = timeout
        self._association: Association | None = None
        self._received: list[tuple[str, bytes]] = []

    def close(self) -> None:
        """Release the association."""
        if self._association and self._association.is_established:
            self._association.release()
        self._association = None

    def studies(self, modality: str, first: date, last: date) -> Iterator[Study]:
        """See `Archive`."""
        asked = _keys("STUDY", StudyInstanceUID="", StudyDate=f"{first:%Y%m%d}-{last:%Y%m%d}")
        asked.ModalitiesInStudy, asked.NumberOfStudyRelatedInstances = modality, None
        yield from map(_study, self._find(asked, "StudyInstanceUID"))

    def study(self, uid: str) -> Study | None:
        """See `Archive`."""
        asked = _keys("STUDY", StudyInstanceUID=uid, NumberOfStudyRelatedInstances=None)
        return next((s for s in map(_study, self._find(asked, "StudyInstanceUID")) if s.uid == uid), None)

    def instances(self, study: str) -> Iterator[Instance]:
        """See `Archive`."""
        for series in self._find(
            _keys("SERIES", StudyInstanceUID=study, SeriesInstanceUID="", Modality=""), "SeriesInstanceUID"
        ):
            if series.get("Modality", "") not in (*self._modalities, "", None):
                continue
            asked = _keys("IMAGE", StudyInstanceUID=study, SeriesInstanceUID=series.SeriesInstanceUID)
            asked.SOPInstanceUID, asked.SOPClassUID = "", ""
            for row in self._find(asked, "SOPInstanceUID"):
                if of_interest(str(row.get("SOPClassUID", "")), "", self._modalities):
                    yield Instance(study, str(series.SeriesInstanceUID), str(row.SOPInstanceUID))

    def fetch(self, instance: Instance) -> bytes:
        """See `Archive`."""
        asked = _keys("IMAGE", StudyInstanceUID=instance.study, SeriesInstanceUID=instance.series)
        asked.SOPInstanceUID = instance.uid
        content = with_retries(lambda: self._get(asked))
        if len(content) > self._max_megabytes * 1e6:
            raise RefusedObject("too large")
        return content

    def _find(self, asked: Dataset, key: str) -> list[Dataset]:
        """Rows with a valid UID under `key`, each UID once."""
        rows = with_retries(lambda: self._ask(self._connected().send_c_find(asked, _FIND)))
        return list({str(row.get(key, "")): row for row in rows if is_uid(str(row.get(key, "")))}.values())

    def _get(self, asked: Dataset) -> bytes:
        association = self._connected()
        self._received = []
        self._ask(association.send_c_get(asked, _GET))
        for uid, content in self._received:
            if uid == asked.SOPInstanceUID:
                return content
        raise self._failed("The PACS did not send an object that it lists")

    def _ask(self, answers: Iterator[tuple[Dataset, Dataset | None]]) -> list[Dataset]:
        """The data sets of the pending answers. An empty status, from an aborted association, is a failure too."""
        rows = []
        for status, row in answers:
            code = status.get("Status")
            if code in _PENDING:
                rows += [row] if row is not None else []
            elif code != _SUCCESS:
                self._hang_up()
                raise self._failed(
                    "The PACS did not answer"
                    if code is None
                    else f"The PACS answered with an error (status {code:04X})"
                )
        return rows

    def _connected(self) -> Association:
        if self._association is None or not self._association.is_established:
            self._association = self._associate()
        return self._association

    def _associate(self) -> Association:
        # One context for each transfer syntax: objects come as stored, and the PACS need not decompress.
        contexts = [build_context(kind, syntax) for kind in SOP_CLASSES for syntax in ALL_TRANSFER_SYNTAXES]
        contexts += [build_context(_FIND), build_context(_GET)]
        association = self._ae.associate(
            self._peer.host,
            self._peer.port,
            contexts,
            ae_title=self._peer.ae_title,
            ext_neg=[build_role(kind, scp_role=True) for kind in SOP_CLASSES],
            tls_args=(self._tls, self._peer.host) if self._tls else None,
            evt_handlers=[(evt.EVT_CONN_OPEN, send_at_once), (evt.EVT_C_STORE, self._take)],
        )
        if association.is_rejected:
            raise RayTruthError(
                "The PACS refuses the association",
                where=self._where,
                do="enter our AE title in the PACS, with C-FIND and C-GET; check that `ae_title` is that of the PACS",
            )
        if not association.is_established:
            raise self._failed("The PACS did not set up an association")
        return association

    def _take(self, event: evt.Event) -> int:
        self._received.append((str(cast(C_STORE, event.request).AffectedSOPInstanceUID), event.encoded_dataset()))
        return _SUCCESS

    def _hang_up(self) -> None:
        if self._association and self._association.is_established:
            self._association.abort()
        self._association = None

    def _failed(self, what: str) -> Unanswered:
        return Unanswered(
            what,
            where=self._where,
            do="check that the PACS runs, knows our AE title for C-FIND and C-GET, and uses TLS as set in params.yaml",
        )


def send_at_once(event: evt.Event) -> None:
    """Send without waiting for more data: Nagle's algorithm costs 50 ms per message."""
    cast(Any, event.assoc.dul.socket).socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _keys(level: str, **values: Any) -> Dataset:
    """The identifier of a query."""
    asked = Dataset()
    asked.QueryRetrieveLevel = level
    for keyword, value in values.items():
        setattr(asked, keyword, value)
    return asked


def _study(row: Dataset) -> Study:
    try:
        objects = int(row.NumberOfStudyRelatedInstances)
    except (AttributeError, TypeError, ValueError):  # optional for a PACS, so the number may be missing or empty
        return Study(str(row.StudyInstanceUID), None)
    return Study(str(row.StudyInstanceUID), objects)
