"""What a pull needs of a PACS, whatever it speaks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol, TypeVar

import tenacity

from dagster_project.core.errors import RayTruthError
from dagster_project.intake.ingestion.headers.header_reader import SOP_CLASSES

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
ATTEMPTS, FIRST_WAIT, LONGEST_WAIT = 5, 0.5, 20.0  # seconds
LONGEST_ASKED = 120.0  # seconds; a PACS that wants more peace is left to the next poll
T = TypeVar("T")


@dataclass(frozen=True)
class Study:
    """A study as a PACS lists it. `objects` is None where the PACS does not say how many there are."""

    uid: str = field(repr=False)
    objects: int | None


@dataclass(frozen=True)
class Instance:
    """One object as a PACS lists it."""

    study: str = field(repr=False)
    series: str = field(repr=False)
    uid: str = field(repr=False)


class Unanswered(RayTruthError):
    """The PACS cannot be reached, or failed: worth another try later. `after`: seconds that it asks us to wait."""

    def __init__(self, what: str, *, where: str, do: str, after: float = 0.0) -> None:
        super().__init__(what, where=where, do=do)
        self.after = after


class RefusedObject(Exception):
    """An object that is not taken in. Its text is the reason alone, so that it can go into any log."""


class Archive(Protocol):
    """A PACS. Every call raises Unanswered if it does not answer, RayTruthError if it will not; neither names a UID."""

    def studies(self, modality: str, first: date, last: date) -> Iterator[Study]:
        """Studies that hold a series of the modality, from `first` to `last`, both included. May name one twice."""

    def study(self, uid: str) -> Study | None:
        """One study as it is now; None if the PACS does not know it."""

    def instances(self, study: str) -> Iterator[Instance]:
        """A study's radiographs: other SOP classes and modalities are left out."""

    def fetch(self, instance: Instance) -> bytes:
        """One object as a DICOM file. Raises RefusedObject if it is too large."""

    def close(self) -> None:
        """Hang up."""


def is_uid(text: str) -> bool:
    """Whether `text` is a UID by its form (PS3.5): digits and dots, up to 64. It becomes part of an address."""
    return len(text) <= 64 and bool(_UID.fullmatch(text))


def of_interest(sop_class: str, modality: str, modalities: tuple[str, ...]) -> bool:
    """Whether an object is a radiograph that ingestion uses. A PACS may ignore a filter, so this decides."""
    return sop_class in SOP_CLASSES and modality in (*modalities, "")


def with_retries(ask: Callable[[], T]) -> T:
    """Call `ask` until it is answered: up to 5 times, with growing, jittered pauses of 0.5 to 20 seconds.

    To them comes what the PACS asks for, up to two minutes; if it asks for more, it is not asked again.
    """
    pause = tenacity.wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT)
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda e: isinstance(e, Unanswered) and e.after <= LONGEST_ASKED),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=pause + tenacity.wait_exception(lambda e: e.after if isinstance(e, Unanswered) else 0.0),
        reraise=True,
    )(ask)
