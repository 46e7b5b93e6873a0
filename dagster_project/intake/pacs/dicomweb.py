"""A PACS over DICOMweb: QIDO-RS to query, WADO-RS to fetch, STOW-RS to store (PS3.18 sections 10.6, 10.4, 10.5)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import date
from functools import partial
from typing import Any

import requests
from requests_toolbelt.multipart import (
    ImproperBodyPartContentException,
    MultipartDecoder,
    NonMultipartContentTypeException,
)
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from dagster_project.core.errors import RayTruthError
from dagster_project.intake.pacs import stow
from dagster_project.intake.pacs.client import (
    Instance,
    RefusedObject,
    Study,
    Unanswered,
    is_uid,
    of_interest,
    with_retries,
)

_JSON = "application/dicom+json"
# transfer-syntax=*: as stored; otherwise the PACS has to decompress
_DICOM = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_STUDY, _SERIES, _INSTANCE = "0020000D", "0020000E", "00080018"
_CLASS, _MODALITY, _OBJECTS = "00080016", "00080060", "00201208"
_PAGE = 200  # rows per request
_MAX_ANSWER_MB = 64
_PATIENCE = 20  # a complete answer may take this many timeouts


class DicomWebArchive:
    """One PACS. Only `auth` comes from the environment: no proxy and no .netrc is used."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        modalities: tuple[str, ...],
        verify: str | bool,
        auth: requests.auth.AuthBase | None,
        timeout: float,
        max_megabytes: float,
    ) -> None:
        self._where, self._url, self._modalities = f"source {name}", url, modalities
        self._timeout, self._max_megabytes = timeout, max_megabytes
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = verify
        self._session.auth = auth
        self._session.headers["Accept-Encoding"] = "identity"  # with compression a PACS takes ten times as long

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def studies(self, modality: str, first: date, last: date) -> Iterator[Study]:
        """See `Archive`."""
        asked = {"ModalitiesInStudy": modality, "StudyDate": f"{first:%Y%m%d}-{last:%Y%m%d}"}
        yield from self._list_studies(asked)

    def study(self, uid: str) -> Study | None:
        """See `Archive`."""
        return next((s for s in self._list_studies({"StudyInstanceUID": uid}) if s.uid == uid), None)

    def _list_studies(self, asked: Mapping[str, str]) -> Iterator[Study]:
        for row in self._query("/studies", {**asked, "includefield": "NumberOfStudyRelatedInstances"}, _STUDY):
            objects = _value(row, _OBJECTS)
            yield Study(_value(row, _STUDY), int(objects) if objects.isdigit() else None)

    def instances(self, study: str) -> Iterator[Instance]:
        """See `Archive`."""
        for row in self._query(f"/studies/{study}/instances", {"includefield": "Modality"}, _INSTANCE):
            if of_interest(_value(row, _CLASS), _value(row, _MODALITY), self._modalities):
                yield Instance(study, _value(row, _SERIES), _value(row, _INSTANCE))

    def fetch(self, instance: Instance) -> bytes:
        """See `Archive`."""
        if not is_uid(instance.series):
            raise RefusedObject("no series UID")
        path = f"/studies/{instance.study}/series/{instance.series}/instances/{instance.uid}"
        kind, body = with_retries(lambda: self._get(path, {}, _DICOM, self._max_megabytes))
        return body if kind.startswith("application/dicom") else self._only_part(kind, body)

    def find(self, study: str, uid: str) -> Instance | None:
        """An object of any kind, or None if the PACS does not have it in that study."""
        for row in self._query("/instances", {"StudyInstanceUID": study, "SOPInstanceUID": uid}, _INSTANCE):
            if (_value(row, _STUDY), _value(row, _INSTANCE)) == (study, uid):
                return Instance(study, _value(row, _SERIES), uid)
        return None

    def store(self, file: bytes) -> stow.Stowed:
        """Send one DICOM file. Only reading it back shows whether the PACS stored it unchanged."""
        body, kind = stow.request(file)
        send = partial(self._send, "POST", "/studies", _JSON, _MAX_ANSWER_MB, understood=stow.UNDERSTOOD)
        status, _, answer = with_retries(lambda: send(headers={"Content-Type": kind}, data=body))
        return stow.read_answer(status, answer)

    def _only_part(self, kind: str, body: bytes) -> bytes:
        try:
            (part,) = MultipartDecoder(body, kind).parts
        except (ValueError, AttributeError, ImproperBodyPartContentException, NonMultipartContentTypeException):
            raise self._failed("The PACS did not send exactly one DICOM object") from None
        return part.content

    def _query(self, path: str, asked: Mapping[str, str], key: str) -> Iterator[dict[str, Any]]:
        """Rows with a valid, new UID under `key`, page by page until a page has nothing new."""
        seen: set[str] = set()
        offset = 0
        while True:
            page = {**asked, "limit": str(_PAGE), "offset": str(offset)}
            rows = self._rows(with_retries(lambda page=page: self._get(path, page, _JSON, _MAX_ANSWER_MB))[1])  # type: ignore[misc]
            new = {_value(row, key): row for row in rows}
            new = {uid: row for uid, row in new.items() if is_uid(uid) and uid not in seen}
            if not new:
                return
            yield from new.values()
            seen |= new.keys()
            offset += len(rows)

    def _rows(self, body: bytes) -> list[dict[str, Any]]:
        try:
            rows = json.loads(body or b"[]")
        except (ValueError, RecursionError):
            rows = None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self._failed("The PACS did not send a list of data sets")
        return rows

    def _get(self, path: str, asked: Mapping[str, str], accept: str, max_megabytes: float) -> tuple[str, bytes]:
        """Content type and body of an answer; the body may have at most `max_megabytes`."""
        return self._send("GET", path, accept, max_megabytes, params=asked)[1:]

    def _send(
        self,
        method: str,
        path: str,
        accept: str,
        max_megabytes: float,
        *,
        understood: tuple[int, ...] = (200, 204),
        headers: Mapping[str, str] | None = None,
        **how: Any,
    ) -> tuple[int, str, bytes]:
        try:
            with self._session.request(
                method,
                self._url + path,
                headers={"Accept": accept, **(headers or {})},
                timeout=self._timeout,
                stream=True,
                allow_redirects=False,  # the password must only go to the address in params.yaml
                **how,
            ) as answer:
                self._raise_for(answer, understood)
                kind = answer.headers.get("Content-Type", "")
                return answer.status_code, kind, self._read(answer, max_megabytes)
        except requests.exceptions.SSLError:
            raise RayTruthError(
                "The certificate of the PACS is not trusted",
                where=self._where,
                do="check the host in `url`; set `ca` in params.yaml to the file of the signing authority",
            ) from None
        except requests.RequestException as error:  # the error text contains the URL, which contains a UID
            raise self._failed(f"The request to the PACS failed ({type(error).__name__})") from None

    def _read(self, answer: requests.Response, max_megabytes: float) -> bytes:
        body, started = bytearray(), time.monotonic()
        for chunk in answer.iter_content(1 << 18):
            body += chunk
            if len(body) > max_megabytes * 1e6:
                raise RefusedObject("too large")
            if time.monotonic() - started > _PATIENCE * self._timeout:
                raise self._failed("The PACS response timed out")
        return bytes(body)

    def _raise_for(self, answer: requests.Response, understood: tuple[int, ...]) -> None:
        status = answer.status_code
        if status in (401, 403):
            raise RayTruthError(
                f"The PACS refuses our credentials (HTTP {status})",
                where=self._where,
                do="set RAYTRUTH_PACS_<SOURCE>_TOKEN, or _USER and _PASSWORD; ask the administrator for read access",
            )
        if status in (404, 408, 425, 429) or status >= 500:
            after = _retry_after(answer)
            asks = f", asks us to wait {after:.0f} s" if after else ""
            raise self._failed(f"The PACS answered with an error (HTTP {status}{asks})", after)
        if status not in understood:
            raise RayTruthError(
                f"The PACS does not understand the request (HTTP {status})",
                where=self._where,
                do="check that `url` in params.yaml is the address of the DICOMweb service",
            )

    def _failed(self, what: str, after: float = 0.0) -> Unanswered:
        return Unanswered(
            what,
            where=self._where,
            do="check that the PACS runs and that `url` is right; nothing is lost, the next pull continues",
            after=after,
        )


def _retry_after(answer: requests.Response) -> float:
    """Seconds in the Retry-After header (RFC 9110, section 10.2.3), 0 without this header."""
    try:
        return Retry().get_retry_after(answer.raw) or 0.0
    except (InvalidHeader, ValueError, OverflowError):
        return 0.0


def _value(row: Mapping[str, Any], tag: str) -> str:
    """The first value of an attribute in the DICOM JSON model (PS3.18 Annex F) as text, '' if there is none."""
    element = row.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return str(values[0]) if isinstance(values, list) and values else ""
