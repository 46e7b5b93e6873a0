"""Section `pacs` of params.yaml: what to fetch from which PACS, and who may send. It has no password and no token."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, IPvAnyNetwork, field_validator

from dagster_project.core.settings.section import Positive, Section

LOOPBACK = ("127.0.0.1", "localhost", "::1")
RECEIVED = "received"  # the source name of `raytruth receive`
# PS3.5: an AE title has up to 16 characters; spaces at either end, backslashes and control characters do not count
AETitle = Annotated[str, Field(pattern=r"^[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?$")]
SourceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,23}$")]
Port = Annotated[int, Field(ge=1, le=65535)]


class Tls(Section):
    """PEM files, with absolute paths or paths from the root: our certificate and key, and the trusted authorities."""

    certificate: str
    key: str
    ca: str


class DicomWeb(Section):
    """A PACS with QIDO-RS and WADO-RS (PS3.18)."""

    protocol: Literal["dicomweb"]
    url: str
    ca: str | None

    @field_validator("url")
    @classmethod
    def _keeps_secrets(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise ValueError("must begin with https:// because requests hold a password (http only for this machine)")
        if parts.username or parts.password or parts.query:
            raise ValueError("must contain neither a password nor a query; set the password in the environment")
        return url.rstrip("/")


class Dimse(Section):
    """A PACS with C-FIND and C-GET (PS3.4)."""

    protocol: Literal["dimse"]
    host: str
    port: Port
    ae_title: AETitle
    our_ae_title: AETitle
    tls: Tls | None


class Receive(Section):
    """The storage SCP of `raytruth receive`. `allowed`: AE title -> the networks from which it may send."""

    address: str
    port: Port
    ae_title: AETitle
    allowed: dict[AETitle, Annotated[tuple[IPvAnyNetwork, ...], Field(min_length=1)]]
    quiet_seconds: Positive
    tls: Tls | None


class PacsSettings(Section):
    """Settings for all sources, the sources by name, and the receiver."""

    modalities: Annotated[tuple[Literal["CR", "DX", "RG"], ...], Field(min_length=1)]
    first_year: Annotated[int, Field(ge=1895)]
    recent_days: Positive
    sweep_hours: Positive
    poll_minutes: Positive
    batch_images: Positive
    max_megabytes: Positive
    timeout_seconds: Annotated[float, Field(gt=0)]
    min_free_gb: Annotated[float, Field(ge=0)]
    sources: dict[SourceName, Annotated[DicomWeb | Dimse, Field(discriminator="protocol")]]
    receive: Receive

    @field_validator("sources")
    @classmethod
    def _no_source_is_the_receiver(cls, sources: dict[str, object]) -> dict[str, object]:
        if RECEIVED in sources:
            raise ValueError(f"a source cannot be called {RECEIVED}: that name belongs to `raytruth receive`")
        return sources
