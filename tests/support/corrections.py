"""Corrections of single images, and roots whose ledger holds some."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pydicom
import yaml
from pydicom.dataset import Dataset

from dagster_project.core.atomic_io import write_table
from dagster_project.core.ledger import Verdict, append_verdicts
from dagster_project.core.paths import Paths
from dagster_project.intake.taxonomy.taxonomy import load_taxonomy
from dagster_project.label_quality.corrections.collect import Correction
from dagster_project.label_quality.corrections.region_codes import RegionCode, code_of
from support.roots import settings_of
from support.taxonomies import OWN_REGIONS

AT = datetime(2026, 3, 1, 10, tzinfo=UTC)


def coded(region: str) -> RegionCode:
    return code_of(region, load_taxonomy(OWN_REGIONS))


def correction_of(ds: Dataset, region: str, *, reviewer: str = "Dr Müller", path: str = "") -> Correction:
    """A correction of a knee to `region`, given at AT."""
    uids = {"sop": str(ds.SOPInstanceUID), "series": str(ds.SeriesInstanceUID), "study": str(ds.StudyInstanceUID)}
    said = {"image_id": "img", "verdict_id": "v1", "given_region": "knee", "model_version": "model7", "path": path}
    return Correction(**said, **uids, region=region, reviewer=reviewer, at=AT)


def said_of(number: int, verdict: str = "wrong_label", region: str = "elbow", again: int = 0) -> Verdict:
    region = region if verdict in ("wrong_label", "two_regions") else ""
    name, at = f"image{number}", AT.replace(minute=again).isoformat()
    return Verdict(name, verdict, region, "knee", "", "Dr A", "model7", at=at, verdict_id=f"v{number}-{again}")


def put_identities(paths: Paths, files: list[Path], *, reachable: bool = True) -> None:
    """Make the root know the files as image0, image1 ...; if not `reachable`, under paths where they are not."""
    paths.private.mkdir(parents=True, exist_ok=True)
    paths.private.chmod(0o700)
    rows = []
    for number, file in enumerate(files):
        ds = pydicom.dcmread(file, stop_before_pixels=True)
        row = {name: str(ds[keyword].value) for name, keyword in _UIDS.items()}
        where = str(file) if reachable else str(file.parent / "gone" / file.name)
        rows.append({"image_id": f"image{number}", **row, "patient_id": ds.PatientID, "path": where})
    write_table(paths.identities, pd.DataFrame(rows))
    regions = paths.root / settings_of(paths).regions
    regions.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(OWN_REGIONS, regions)


def say(paths: Paths, *verdicts: Verdict) -> None:
    append_verdicts(paths, list(verdicts), load_taxonomy(paths.root / settings_of(paths).regions).regions)


def drop_class(root: Paths, region: str, region_map: dict[str, str | None]) -> None:
    """Take a class out of the regions file, and say in params.yaml what became of classes."""
    regions = root.root / settings_of(root).regions
    classes = yaml.safe_load(regions.read_text())
    del classes[region]
    regions.write_text(yaml.safe_dump(classes, sort_keys=False))
    settings = yaml.safe_load(root.settings.read_text())
    settings["training_set"]["region_map"] = region_map
    root.settings.write_text(yaml.safe_dump(settings))


_UIDS = {
    "sop_instance_uid": "SOPInstanceUID",
    "study_instance_uid": "StudyInstanceUID",
    "series_instance_uid": "SeriesInstanceUID",
}
