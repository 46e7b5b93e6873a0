"""Reviewers' answers into the ledger, and corrections out to the archive's people."""

from __future__ import annotations

import logging
import uuid
from pathlib import Path

import pandas as pd

from dagster_project.errors import RayTruthError
from dagster_project.files import content_hash, read_table, write_text
from dagster_project.label_errors.find import load_label_errors
from dagster_project.layout import Layout
from dagster_project.ledger import Verdict, append_verdicts, update_corrected_labels
from dagster_project.params import Params
from dagster_project.taxonomy.taxonomy import load_taxonomy
from dagster_project.training_set.build import load_training_set
from dagster_project.training_set.migrate import migrate

log = logging.getLogger("raytruth")
_COLUMNS = ("image_id", "verdict", "region", "at")


def import_verdicts(layout: Layout, params: Params, csv: Path, reviewer: str) -> int:
    """Append answers given with another tool, as CSV (columns image_id, verdict, region, at), to the ledger.

    Returns how many were new: the same file again adds none. Raises RayTruthError, and records nothing, if the file is
    no such CSV, an answer is malformed, or a picture is not in the training set.
    """
    answers = _read(csv)
    table = load_training_set(layout).set_index("image_id")
    unknown = sorted(set(answers["image_id"]) - set(table.index))
    if unknown:
        raise RayTruthError(
            f"{len(unknown)} verdict(s) are about pictures that are not in the training set, such as {unknown[0]}",
            where="the verdicts file",
            do="import verdicts into the root whose worklist was reviewed; nothing was recorded",
        )
    suggested = load_label_errors(layout).set_index("image_id")["suggested_region"]
    data = content_hash(layout.training_set)
    regions = load_taxonomy(layout.root / params.regions).regions
    verdicts = []
    for answer in answers.to_dict("records"):
        image_id, given = answer["image_id"], table.loc[answer["image_id"], "region"]
        name = "\0".join([reviewer, *(answer[column] for column in _COLUMNS)])
        verdicts.append(
            Verdict(
                image_id,
                answer["verdict"],
                answer["region"],
                given if isinstance(given, str) else "",
                suggested.get(image_id, ""),
                reviewer,
                data_version=data,
                at=answer["at"],
                verdict_id=uuid.uuid5(uuid.NAMESPACE_OID, name).hex,
            )
        )
    added = append_verdicts(layout, verdicts, regions)
    update_corrected_labels(layout)
    return added


def export_corrections(layout: Layout, params: Params, out: Path) -> int:
    """Write the corrected labels with the original UIDs as CSV, for the site's own use; return how many.

    Columns: sop_instance_uid, study_instance_uid, given_region, verdict, region, reviewer, at. Only pictures whose
    label changes are listed; those that are in no batch any more are left out, and how many is logged.
    Raises RayTruthError if there is nothing to export, or a class is no more and not mapped.
    """
    regions = load_taxonomy(layout.root / params.regions).regions
    corrected, _ = migrate(update_corrected_labels(layout), params.training_set.region_map, regions)
    changed = corrected[corrected["verdict"].isin(["wrong_label", "out_of_domain"])]
    if changed.empty:
        raise RayTruthError(
            "No reviewer has corrected a label yet",
            where="data/corrected_labels.parquet",
            do="review the worklist: `raytruth review`",
        )
    identities = read_table(layout.identities).drop_duplicates("image_id")
    table = changed.merge(identities, on="image_id", validate="one_to_one")
    if gone := len(changed) - len(table):
        log.warning("%d corrections are left out: their pictures are in no batch any more", gone)
    columns = ["sop_instance_uid", "study_instance_uid", "given_region", "verdict", "region", "reviewer", "at"]
    write_text(out, table[columns].to_csv(index=False))
    return len(table)


def _read(csv: Path) -> pd.DataFrame:
    try:
        answers = pd.read_csv(csv, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise RayTruthError(
            f"The verdicts file cannot be read ({type(error).__name__})",
            where=str(csv),
            do="give a CSV with the columns image_id, verdict, region, at",
        ) from None
    if lacking := [column for column in _COLUMNS if column not in answers.columns]:
        raise RayTruthError(
            f"The verdicts file lacks the column(s) {', '.join(lacking)}",
            where=str(csv),
            do="give a CSV with the columns image_id, verdict, region, at",
        )
    return answers
