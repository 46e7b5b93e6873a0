"""Import of answers into the ledger, and export of corrections for the archive."""

from __future__ import annotations

import logging
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from dagster_project.core.atomic_io import content_hash, read_table, write_text
from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import Verdict, append_verdicts, load_verdicts, update_corrected_labels
from dagster_project.core.verdict_kinds import ERRORS
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import load_training_set
from dagster_project.intake.training_set.region_remap import remap_regions
from dagster_project.label_quality.label_errors.find import load_label_errors
from dagster_project.label_quality.review.external_answers import Answer
from dagster_project.label_quality.review.label_studio import read_results
from dagster_project.label_quality.review.reader_assignment import latest_verdicts
from dagster_project.label_quality.review.spreadsheet import read_spreadsheet
from dagster_project.label_quality.review.worklist import model_version_of

log = logging.getLogger("raytruth")


def import_verdicts(root: Root, path: Path, reviewers: dict[str, str]) -> int:
    """Append the answers of another tool to the ledger: a CSV, or a Label Studio export (.json).

    `reviewers` is {'': name} for a file of one reviewer; for Label Studio also {user id or e-mail: name}.
    Returns how many were new: a second import of the same file adds none. Raises RayTruthError, and records nothing, if
    the file has another format, an answer is malformed, or an image is not in the training set.
    """
    answers = read_results(path, reviewers) if path.suffix == ".json" else read_spreadsheet(path, reviewers)
    table = load_training_set(root.paths)
    given = dict(zip(table["image_id"], table["region"], strict=True))
    unknown = sorted({answer.image_id for answer in answers} - set(given))
    if unknown:
        raise RayTruthError(
            f"{len(unknown)} verdict(s) are about images that the training set lacks, such as {unknown[0]}",
            where="the verdicts file",
            do="import verdicts into the root whose worklist was reviewed; nothing was recorded",
        )
    proposed = load_label_errors(root.paths).set_index("image_id")["proposed_region"]
    model_version, data_version = model_version_of(root), content_hash(root.paths.training_set)
    regions = root.taxonomy.regions
    _check_given(answers, regions)
    answers = _new_answers(answers, latest_verdicts(load_verdicts(root.paths)))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    verdicts = [
        Verdict(
            answer.image_id,
            answer.verdict,
            answer.region,
            (given[answer.image_id] or "") if answer.given_region is None else answer.given_region,
            proposed.get(answer.image_id, "") if answer.proposed_region is None else answer.proposed_region,
            answer.reviewer,
            model_version=answer.model_version or model_version,
            data_version=answer.data_version or data_version,
            at=answer.at or now,
            verdict_id=answer.verdict_id if answer.at else uuid.uuid4().hex,
        )
        for answer in answers
    ]
    added = append_verdicts(root.paths, verdicts, regions)
    update_corrected_labels(root.paths)
    return added


def _new_answers(answers: list[Answer], latest: pd.DataFrame) -> list[Answer]:
    """Without answers that have no time and repeat the latest verdict of their reviewer on the image."""
    columns = ["image_id", "reviewer", "verdict", "region"]
    last = set(latest[columns].itertuples(index=False, name=None))
    return [a for a in dict.fromkeys(answers) if a.at or (a.image_id, a.reviewer, a.verdict, a.region) not in last]


def _check_given(answers: list[Answer], regions: tuple[str, ...]) -> None:
    """A confirmed label becomes the label of the image, so a file must not contain one that is no class."""
    for answer in answers:
        if answer.given_region and answer.given_region not in regions:
            raise RayTruthError(
                f"The answers contain a given label that is no region of this root: {answer.given_region[:40]!r}",
                where=f"image {answer.image_id}",
                do="import the file as it was exported, into a root with the same regions; nothing was recorded",
            )


def export_corrections(root: Root, out: Path) -> int:
    """Write the corrected labels with the original UIDs as CSV, for the site's own use; return how many.

    Columns: sop_instance_uid, study_instance_uid, given_region, verdict, region, reviewer, at. Only images whose
    label changes are listed. Images that are in no batch any more are left out, and their number is logged.
    Raises RayTruthError if there is nothing to export, or a verdict names a former class that is not mapped.
    """
    regions = root.taxonomy.regions
    corrected, _ = remap_regions(update_corrected_labels(root.paths), root.settings.training_set.region_map, regions)
    changed = corrected[corrected["verdict"].isin(ERRORS)]
    if changed.empty:
        raise RayTruthError(
            "There are no corrections yet",
            where=root.paths.place(root.paths.corrected_labels),
            do="review the worklist: `raytruth review`",
        )
    identities = read_table(root.paths.identities).drop_duplicates("image_id")
    table = changed.merge(identities, on="image_id", validate="one_to_one")
    if gone := len(changed) - len(table):
        log.warning("%d corrections are left out, because their images are in no batch any more", gone)
    columns = ["sop_instance_uid", "study_instance_uid", "given_region", "verdict", "region", "reviewer", "at"]
    write_text(out, table[columns].to_csv(index=False))
    return len(table)
