"""A small export with a bit of everything: good radiographs, odd, broken and foreign files."""

from __future__ import annotations

import shutil
from pathlib import Path

from pydicom.uid import generate_uid

from support.dicoms import image, radiograph, save

BATCH = "march"
# name -> verdict and reasons of the files in `export` that are no plain good radiograph
ODD_FILES = {
    "again.dcm": ("accept_warn", "duplicate_file"),  # or the file that it repeats
    "conflict.dcm": ("quarantine", "uid_conflict"),  # or the file that it contradicts
    "twin.dcm": ("accept_warn", "same_pixels"),
    "inverted.dcm": ("accept_warn", "monochrome1"),
    "ct.dcm": ("skip", "other_modality"),
    "cut.dcm": ("quarantine", "pixels_short"),
    "text.dcm": ("quarantine", "not_dicom_content"),
    "readme.txt": ("skip", "not_dicom"),
}
GOOD, IMAGES = 7, 9  # plain good radiographs; and with the twin and the inverted one


def write_mixed_export(folder: Path) -> None:
    """Write good radiographs and the odd files into folders named by patients."""
    for seed in range(GOOD):
        ds = radiograph(seed)
        save(ds, folder / f"CANARYDIR{seed}" / f"IM{seed}.dcm")
    odd = folder / "CANARYODD"
    odd.mkdir()
    shutil.copy(folder / "CANARYDIR0" / "IM0.dcm", odd / "again.dcm")
    save(radiograph(1, pixels=image(99)), odd / "conflict.dcm")
    save(radiograph(50, pixels=image(2)), odd / "twin.dcm")
    save(radiograph(51, PhotometricInterpretation="MONOCHROME1"), odd / "inverted.dcm")
    save(radiograph(52, Modality="CT", SOPInstanceUID=generate_uid(entropy_srcs=["ct"])), odd / "ct.dcm")
    cut = save(radiograph(53), odd / "cut.dcm")
    cut.write_bytes(cut.read_bytes()[:6000])
    (odd / "text.dcm").write_text("CANARY")
    (odd / "readme.txt").write_text("CANARY")
