"""What a pull needs from a PACS, for any protocol."""

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
LONGEST_ASKED = 120.0  # seconds; if the PACS asks for a longer pause, the next poll tries again
T = TypeVar("T")


@dataclass(frozen=True)
class Study:
    """A study as a PACS lists it. `objects` is None if the PACS does not give the number of objects."""

    uid: str = field(repr=False)
    objects: int | None


@dataclass(frozen=True)
class Instance:
    """One object as a PACS lists it."""

    study: str = field(repr=False)
    series: str = field(repr=False)
    uid: str = field(repr=False)


class Unanswered(RayTruthError):
    """The PACS cannot be reached, or failed; a later try may succeed. `after`: seconds that the PACS asks to wait."""

    def __init__(self, what: str, *, where: str, do: str, after: float = 0.0) -> None:
        super().__init__(what, where=where, do=do)
        self.after = after


class RefusedObject(Exception):
    """An object that is refused. The text is only the reason, so that it can go into any log."""


class Archive(Protocol):
    """A PACS. Calls raise Unanswered if it does not answer, RayTruthError if it refuses; the errors name no UID."""

    def studies(self, modality: str, first: date, last: date) -> Iterator[Study]:
        """Studies with a series of the modality, from `first` to `last` inclusive. A study may appear twice."""

    def study(self, uid: str) -> Study | None:
        """The current state of one study; None if the PACS does not know the study."""

    def instances(self, study: str) -> Iterator[Instance]:
        """The radiographs of a study, without other SOP classes and modalities."""

    def fetch(self, instance: Instance) -> bytes:
        """One object as a DICOM file. Raises RefusedObject if the object is too large."""

    def close(self) -> None:
        """Close the connection."""


def is_uid(text: str) -> bool:
    """Whether `text` has the form of a UID (PS3.5): up to 64 digits and dots. A UID becomes part of a URL."""
    return len(text) <= 64 and bool(_UID.fullmatch(text))


def of_interest(sop_class: str, modality: str, modalities: tuple[str, ...]) -> bool:
    """Whether an object is a radiograph that ingestion uses; checked here because a PACS may ignore a filter."""
    return sop_class in SOP_CLASSES and modality in (*modalities, "")


def with_retries(ask: Callable[[], T]) -> T:
    """Call `ask` up to 5 times until the PACS answers, with growing, jittered pauses of 0.5 to 20 seconds.

    A pause that the PACS asks for is added, up to two minutes; if it asks for more, there is no further try.
    """
    pause = tenacity.wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT)
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda e: isinstance(e, Unanswered) and e.after <= LONGEST_ASKED),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=pause + tenacity.wait_exception(lambda e: e.after if isinstance(e, Unanswered) else 0.0),
        reraise=True,
    )(ask)
