"""Roots that know a PACS, and images to put there."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pydicom
import yaml
from pydicom.uid import generate_uid

from dagster_project.core.paths import Paths
from support.orthanc import Orthanc

SHARED = {
    "modalities": ["CR", "DX"],
    "first_year": date.today().year - 1,  # a full sweep asks month by month
    "recent_days": 3,
    "timeout_seconds": 10,
    "min_free_gb": 0,
}


def configure(root: Paths, **pacs: object) -> None:
    """Change settings of section `pacs`; `receive` is merged."""
    settings = yaml.safe_load(root.settings.read_text())
    receive = settings["pacs"]["receive"] | pacs.pop("receive", {})  # type: ignore[operator]
    settings["pacs"] |= {**SHARED, **pacs, "receive": receive}
    root.settings.write_text(yaml.safe_dump(settings))


def described(protocol: str, pacs: Orthanc) -> dict[str, object]:
    """The Orthanc as params.yaml names it."""
    if protocol == "dicomweb":
        return {"protocol": "dicomweb", "url": pacs.url, "ca": None}
    return {
        "protocol": "dimse",
        "host": "127.0.0.1",
        "port": pacs.dicom,
        "ae_title": "ORTHANC",
        "our_ae_title": "RAYTRUTH",
        "tls": None,
    }


def redated(file: Path, day: date) -> pydicom.FileDataset:
    ds = pydicom.dcmread(file)
    ds.StudyDate = day.strftime("%Y%m%d")
    return ds


def uids_in(folder: Path) -> list[str]:
    """SOP Instance UIDs of the files under a folder, sorted, one a file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return sorted(str(pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID) for file in files)


def uid_of(file: Path) -> str:
    return str(pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID)


def one_study(files: list[Path], folder: Path) -> list[Path]:
    """Copies of the files, all in the first one's study."""
    first = pydicom.dcmread(files[0])
    copies = []
    for number, file in enumerate(files):
        ds = pydicom.dcmread(file)
        for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "SeriesInstanceUID", "AccessionNumber"):
            setattr(ds, keyword, first[keyword].value)
        ds.SeriesInstanceUID = generate_uid()
        copies.append(folder / f"{number}.dcm")
        ds.save_as(copies[-1])
    return copies


def change(file: Path, **elements: object) -> None:
    ds = pydicom.dcmread(file)
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.save_as(file)
