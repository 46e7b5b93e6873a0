"""From a source's name in params.yaml to a PACS client; secrets come only from the environment."""

from __future__ import annotations

import os

import requests

from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.core.settings.pacs import DicomWeb, PacsSettings
from dagster_project.intake.pacs.client import Archive


class _Token(requests.auth.AuthBase):
    """A bearer token (RFC 6750)."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def open_archive(paths: Paths, settings: PacsSettings, name: str) -> Archive:
    """The client of the PACS with that name. No request is sent yet.

    Raises RayTruthError if there is no such source, or if a file or a part of the credentials is missing.
    """
    source = settings.sources.get(name)
    if source is None:
        known = ", ".join(sorted(settings.sources)) or "none yet"
        raise RayTruthError(
            "There is no source with that name",
            where="params.yaml, pacs, sources",
            do=f"add the source there, or name a known one: {known}",
        )
    if isinstance(source, DicomWeb):
        from dagster_project.intake.pacs.dicomweb import DicomWebArchive

        ca = paths.root / source.ca if source.ca else None
        if ca and not ca.is_file():
            raise RayTruthError(
                "The file of the authority does not exist",
                where=f"params.yaml, pacs, sources, {name}, ca",
                do="correct the path",
            )
        return DicomWebArchive(
            name,
            source.url,
            modalities=settings.modalities,
            verify=str(ca) if ca else True,
            auth=_credentials(name),
            timeout=settings.timeout_seconds,
            max_megabytes=settings.max_megabytes,
        )
    from dagster_project.intake.pacs.dimse import DimseArchive
    from dagster_project.intake.pacs.tls import tls_context

    return DimseArchive(
        name,
        source,
        modalities=settings.modalities,
        tls=tls_context(paths.root, source.tls, server=False) if source.tls else None,
        timeout=settings.timeout_seconds,
        max_megabytes=settings.max_megabytes,
    )


def _credentials(name: str) -> requests.auth.AuthBase | None:
    prefix = f"RAYTRUTH_PACS_{name.upper()}_"
    token, user, password = (os.environ.get(prefix + what, "") for what in ("TOKEN", "USER", "PASSWORD"))
    if bool(user) != bool(password) or (token and user):
        raise RayTruthError(
            "The credentials of the PACS are incomplete, or there are two kinds of them",
            where=f"source {name}",
            do=f"set {prefix}TOKEN, or {prefix}USER and {prefix}PASSWORD",
        )
    if token:
        return _Token(token)
    return requests.auth.HTTPBasicAuth(user.encode(), password.encode()) if user else None
