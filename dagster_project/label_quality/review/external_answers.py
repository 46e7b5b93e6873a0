"""Answers from another tool, as read from its file, before they become verdicts."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dagster_project.core.errors import RayTruthError


@dataclass(frozen=True)
class Answer:
    """One answer. `answer_id` identifies it: the same answer of the same time has the same id at every import.

    `given_region` and `proposed_region` are the regions that the tool showed, `model_version` and `data_version` their
    sources, as the worklist's export wrote them; None and '' where the file has none. `at` is the time of the answer,
    '' if the file has none.
    """

    image_id: str
    verdict: str
    region: str
    reviewer: str
    at: str
    answer_id: str
    model_version: str = ""
    data_version: str = ""
    given_region: str | None = None
    proposed_region: str | None = None

    @property
    def verdict_id(self) -> str:
        """Its id in the ledger, the same at every import."""
        return uuid.uuid5(uuid.NAMESPACE_OID, self.answer_id).hex


def check_version(columns: Iterable[str], path: Path) -> None:
    """Raise RayTruthError if an older version exported the file: the regions shown stand under other names in it."""
    if "given" in columns:
        raise unreadable(
            path, "an older version of RayTruth exported the worklist", "export the worklist again and answer that file"
        )


def one_name(reviewers: dict[str, str], path: Path) -> str:
    """The one reviewer of a file. Raises RayTruthError if no reviewer is named, or reviewers by id."""
    if set(reviewers) != {""}:
        raise RayTruthError(
            "This file needs exactly one reviewer",
            where=path.name,
            do="name the reviewer once: --reviewer 'Dr A'; nothing was recorded",
        )
    return reviewers[""]


def unreadable(path: Path, problem: str, do: str) -> RayTruthError:
    """The error for a file whose answers cannot be read."""
    return RayTruthError(f"The answers cannot be read: {problem}", where=path.name, do=f"{do}; nothing was recorded")
