"""Answers given with another tool, as they come out of its file, before they are verdicts."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

from dagster_project.core.errors import RayTruthError


@dataclass(frozen=True)
class Answer:
    """One answer. `key` names it: the same answer of the same time, read again, has the same key.

    `given` and `proposed` are the regions that the tool showed, `model` and `data_version` what they come from, as
    the worklist's export says; None and '' where the file says nothing. `at` is when it was given, '' likewise.
    """

    image_id: str
    verdict: str
    region: str
    reviewer: str
    at: str
    key: str
    model: str = ""
    data_version: str = ""
    given: str | None = None
    proposed: str | None = None

    @property
    def verdict_id(self) -> str:
        """The ledger's id for it, the same whenever it is imported."""
        return uuid.uuid5(uuid.NAMESPACE_OID, self.key).hex


def one_name(reviewers: dict[str, str], path: Path) -> str:
    """The name that holds for a whole file. Raises RayTruthError if there is none or another kind."""
    if set(reviewers) != {""}:
        raise RayTruthError(
            "Who answered must be one name for this file",
            where=path.name,
            do="give it once: --reviewer 'Dr A'; nothing was recorded",
        )
    return reviewers[""]


def unreadable(path: Path, problem: str, do: str) -> RayTruthError:
    """The error for a file that holds no answers as they should be."""
    return RayTruthError(f"The answers cannot be read: {problem}", where=path.name, do=f"{do}; nothing was recorded")
