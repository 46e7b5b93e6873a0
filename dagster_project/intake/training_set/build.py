"""The training set: every image of the validated batches, with label, split, fold and near-duplicate group."""

from __future__ import annotations

import hashlib
import logging

import numpy as np
import pandas as pd

from dagster_project.core.atomic_io import read_table, write_json, write_rows
from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import load_corrected_labels
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import TrainingSet
from dagster_project.intake.ingestion.batch.store import (
    ingested_batches,
    load_headers,
    load_patient_evidence,
    open_pixels,
)
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.labels import apply_corrections, drop_small_classes
from dagster_project.intake.training_set.near_duplicates import linked_groups, near_duplicate_pairs, thumbnails
from dagster_project.intake.training_set.patient_links import PatientLinks, equal_pixels, link_patients
from dagster_project.intake.training_set.region_remap import remap_regions
from dagster_project.intake.training_set.split import assign_folds, assign_splits, leaks, most_protected, stratum_of
from dagster_project.intake.training_set.summary import TrainingSetSummary, summarise
from dagster_project.intake.training_set.tables import PATIENT_LINKS, SPLIT_TABLE, TRAINING_SET
from dagster_project.intake.validation.validate import load_validation

log = logging.getLogger("raytruth")

_BLOCK = 4096


def build_training_set(root: Root) -> TrainingSetSummary:
    """Build `data/training_set.parquet` from all batches that passed their latest blocking checks.

    Linked patients (`patient_links`) are on one side of the split. A patient with a side (`data/splits.parquet`) never
    moves. If patients on different sides turn out to be linked, images on the less protected side (train, then
    validation, then test) are excluded: all images of the same person, or the copy of an image.
    Evidence from all ingested batches counts, including batches that are left out.
    Raises RayTruthError if no batch passed, or fewer than two classes have enough patients.
    """
    settings = root.settings.training_set
    refused = {b: why for b in ingested_batches(root.paths) if (why := why_refused(root.paths, b))}
    for batch, why in refused.items():
        log.warning("batch %s is left out of the training set: %s", batch, why)
    came = _read_batches(root.paths, [b for b in ingested_batches(root.paths) if b not in refused], refused)
    table = _first_of_each(came)
    regions = root.taxonomy.regions
    corrected, _ = remap_regions(load_corrected_labels(root.paths), settings.region_map, regions)
    table = apply_corrections(table, corrected)

    table["image_hash"], tiny = _read_images(root.paths, table)
    pairs = _near_duplicates(table, tiny, settings.near_duplicate_similarity)
    table["near_duplicate_group"] = linked_groups(len(table), pairs).astype("int32")
    evidence = pd.concat([load_patient_evidence(root.paths), equal_pixels(came)], ignore_index=True)
    links = link_patients(evidence, table, pairs)
    table["patient_group"] = table["patient"].map(links.group).astype("string")
    table, small = drop_small_classes(table, settings.min_patients)
    strata = stratum_of(table["patient_group"], table["region"])
    table["fold"] = table["patient_group"].map(assign_folds(strata, settings.folds))
    table["split"] = _splits(root.paths, table["patient"], links, strata, settings)
    table["exclusion"] = leaks(table["split"], table["patient"].map(links.person), pairs)

    table = table.sort_values("image_id", ignore_index=True)[list(TRAINING_SET.types)]
    write_rows(root.paths.training_set, table, TRAINING_SET)
    write_rows(root.paths.patient_links, links.table, PATIENT_LINKS)
    summary = summarise(table, refused, small, len(pairs), links)
    summary.log_summary()
    write_json(root.paths.metrics("training_set"), summary.metrics)
    return summary


def why_refused(paths: Paths, batch: str) -> str:
    """Why a batch may not be used for training, or '': not validated as it is now, or blocking checks failed."""
    validation = load_validation(paths, batch)
    if validation is None:
        return f"not validated in its current state: raytruth validate {batch}"
    return "blocking checks failed: " + ", ".join(validation.blocked_by) if validation.blocked_by else ""


def load_training_set(paths: Paths) -> pd.DataFrame:
    """The training set, one row for each image, sorted by image_id.

    Raises RayTruthError if there is none yet.
    """
    if not paths.training_set.exists():
        raise RayTruthError(
            "There is no training set yet",
            where=paths.place(paths.training_set),
            do="run `raytruth build-training-set`",
        )
    return read_table(paths.training_set)


def class_numbers(root: Root, rows: pd.DataFrame) -> np.ndarray:
    """Class number of each row's region in the taxonomy's order, int64 (N,); -1 without a class."""
    regions = root.taxonomy.regions
    return pd.Categorical(rows["region"].to_numpy(object), categories=regions).codes.astype(np.int64)


def gather_images(paths: Paths, table: pd.DataFrame, px: int) -> np.ndarray:
    """The images of `table`'s rows (columns `batch`, `row`), reduced to uint8 (N, px, px) by area averaging.

    Shards are memory-mapped and read in blocks. Images are not reduced if `px` is at least the side of the shards.
    """
    out: np.ndarray | None = None
    positions = np.arange(len(table))
    for batch, rows in table.assign(position=positions).groupby("batch"):
        shard = open_pixels(paths, str(batch))
        for start in range(0, len(rows), _BLOCK):
            block = rows.iloc[start : start + _BLOCK]
            small = reduced(shard[block["row"].to_numpy()], px)
            if out is None:
                out = np.empty((len(table), *small.shape[1:]), dtype=np.uint8)
            out[block["position"].to_numpy()] = small
    if out is None:
        raise RayTruthError("No image is selected", where="the training set", do="ingest a batch with radiographs")
    return out


def reduced(images: np.ndarray, px: int) -> np.ndarray:
    """Reduce uint8 (N, side, side) to (N, px, px) by area averaging; unchanged if side <= px."""
    if images.shape[1] <= px:
        return np.ascontiguousarray(images)
    import torch
    from torch.nn.functional import interpolate

    floats = torch.from_numpy(np.array(images))[:, None].float()
    return interpolate(floats, size=(px, px), mode="area")[:, 0].round().to(torch.uint8).numpy()


def _read_batches(paths: Paths, batches: list[str], refused: dict[str, str]) -> pd.DataFrame:
    if not batches:
        raise RayTruthError(
            "No batch can be used for training" + "".join(f"\n  {batch}: {why}" for batch, why in refused.items()),
            where=paths.place(paths.headers_dir),
            do="fix what the checks found, and ingest again" if refused else "ingest a batch: `raytruth ingest SOURCE`",
        )
    tables = [load_headers(paths, batch).assign(row=lambda t: np.arange(len(t), dtype="int32")) for batch in batches]
    return pd.concat(tables, ignore_index=True)


def _first_of_each(came: pd.DataFrame) -> pd.DataFrame:
    """The table without images that an earlier batch already has."""
    again = came.duplicated("image_id")
    if again.any():
        others = came.loc[again, ["image_id", "patient"]].merge(came[~again], on="image_id")
        renamed = int((others["patient_x"] != others["patient_y"]).sum())
        log.info(
            "%d images are in more than one batch, %d of them under another patient ID; the first batch counts",
            again.sum(),
            renamed,
        )
    return came[~again].reset_index(drop=True)


def _read_images(paths: Paths, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """A hash (N,) and a thumbnail (N, 32, 32) of every image, in the table's order."""
    hashes, tiny = np.empty(len(table), dtype=object), np.empty((len(table), 32, 32), dtype=np.uint8)
    for batch, rows in table.groupby("batch"):
        shard = open_pixels(paths, str(batch))
        for start in range(0, len(rows), _BLOCK):
            block = rows.iloc[start : start + _BLOCK]
            images = shard[block["row"].to_numpy()]
            hashes[block.index] = [hashlib.blake2b(image.tobytes(), digest_size=8).hexdigest() for image in images]
            tiny[block.index] = thumbnails(images)
    return hashes, tiny


def _near_duplicates(table: pd.DataFrame, tiny: np.ndarray, threshold: float) -> np.ndarray:
    """Pairs (P, 2) of rows, first < second, with equal pixels or a thumbnail correlation of at least `threshold`."""
    similar = near_duplicate_pairs(tiny, threshold)
    digest = table.groupby("pixel_digest", sort=False).ngroup().to_numpy()
    by_digest = np.argsort(digest, kind="stable")
    equal = digest[by_digest[1:]] == digest[by_digest[:-1]]
    same = np.stack([by_digest[:-1][equal], by_digest[1:][equal]], axis=1)
    return np.unique(np.sort(np.concatenate([similar.reshape(-1, 2), same]), axis=1), axis=0)


def _splits(
    paths: Paths, patients: pd.Series, links: PatientLinks, strata: pd.Series, settings: TrainingSet
) -> pd.Series:
    """The side of each of `patients`, in their order; new patients are added to `data/splits.parquet`."""
    settled = pd.DataFrame({"patient": [], "split": []}, dtype="string")
    if paths.splits.exists():
        settled = read_table(paths.splits)
    known = settled.set_index("patient")["split"]
    of_group = assign_splits(
        strata, most_protected(known, links.group), test=settings.test, validation=settings.validation
    )
    new = pd.Series(sorted(set(patients) - set(known.index)), dtype="object")
    # The link to a person is surer than the link to a group, which may come from a near-duplicate.
    sides = new.map(links.person).map(most_protected(known, links.person)).fillna(new.map(links.group).map(of_group))
    everyone = pd.concat([settled, pd.DataFrame({"patient": new, "split": sides})], ignore_index=True).astype("string")
    write_rows(paths.splits, everyone, SPLIT_TABLE)
    return patients.map(everyone.set_index("patient")["split"])
