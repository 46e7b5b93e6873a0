"""The de-identification report of a batch: what happened to each attribute, and the result of the search."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any

from filelock import FileLock

from dagster_project.core.atomic_io import read_json, write_json
from dagster_project.core.paths import Paths
from dagster_project.intake.privacy.actions import (
    MEANINGS,
    OPTIONS,
    action_of,
    as_written,
    asked_by_standard,
    counted,
    keyword_of,
)

STANDARD = "DICOM PS3.15 2026c, Table E.1-1: 113100 Basic Application Level Confidentiality Profile"


def actions_report(batch: str, files: Iterable[str], masked: int) -> dict[str, Any]:
    """The actions on a batch's used files: one entry for each attribute, with the number of files that have it.

    `files` are the `tags_of` of the files; `masked` is the number of images with masked burned-in text. A private or
    unknown attribute is named only by group and element, and counts as removed. The report contains no values.
    """
    files = list(map(sys.intern, files))  # the tags are the same for all files of a console
    attributes = [
        {
            "tag": as_written(tag),
            "keyword": keyword_of(tag),
            "action": action_of(tag).kind,
            "becomes": action_of(tag).becomes,
            "table_e1_1": asked_by_standard(tag),
            "files": holding,
        }
        for tag, holding in counted(files).items()
    ]
    kinds = Counter(str(a["action"]) for a in attributes)
    return {
        "batch": batch,
        "images": len(files),
        "standard": STANDARD,
        "options": [OPTIONS[kind] for kind in MEANINGS if kind in OPTIONS and kind in kinds],
        "meanings": {kind: MEANINGS[kind] for kind in MEANINGS if kind in kinds},
        "attributes_by_action": {kind: kinds[kind] for kind in MEANINGS if kind in kinds},
        "unknown_attributes": sum(not a["keyword"] for a in attributes),
        "images_with_text_masked": masked,
        "attributes": attributes,
    }


def load_report(paths: Paths, batch: str) -> dict[str, Any]:
    """The de-identification report of a batch."""
    return read_json(paths.deidentification(batch))


def add_scan(paths: Paths, batch: str, scan: dict[str, Any]) -> None:
    """Add the result of a search for identities to the batch's report."""
    with FileLock(paths.lock):
        write_json(paths.deidentification(batch), load_report(paths, batch) | {"scan": scan})
