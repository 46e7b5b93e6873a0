"""Write corrections to a folder, for sites that import them into their archive by other means than STOW."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from pydicom.errors import InvalidDicomError

from dagster_project.core.atomic_io import replacing
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.pacs.client import Unanswered
from dagster_project.intake.pacs.connect import open_archive
from dagster_project.intake.pacs.dicomweb import DicomWebArchive
from dagster_project.intake.root import Root
from dagster_project.label_quality.corrections.dicom_objects import differences, make, plan
from dagster_project.label_quality.corrections.original_datasets import NoObject, original_of

WRITTEN, ALREADY, CONFLICT = "written", "already written", "conflict: the file exists with other content"


@dataclass(frozen=True)
class WriteSummary:
    """Outcomes: (kind, outcome) -> number of objects; and why other verdicts give none."""

    outcomes: Counter[tuple[str, str]]
    left_out: Counter[str]

    @property
    def complete(self) -> bool:
        """Whether the folder holds every object that could be made."""
        return all(outcome in (WRITTEN, ALREADY) for _, outcome in self.outcomes)


def write_corrections(root: Root, folder: Path, source: str | None = None, *, with_images: bool) -> WriteSummary:
    """Write the corrections of the ledger as DICOM files `<SOP Instance UID>.dcm` to `folder`; they hold identities.

    Originals come from their files, else from the PACS `source`. The same correction gives the same file; no existing
    file is overwritten. Raises RayTruthError if `folder` is a file, or lies in the root outside `data/private`.
    """
    _refuse(root.paths, folder)
    planned = plan(root, with_images=with_images)
    outcomes: Counter[tuple[str, str]] = Counter()
    with ExitStack() as stack:
        archive = stack.enter_context(closing(open_archive(root.paths, root.settings.pacs, source))) if source else None
        if archive is not None and not isinstance(archive, DicomWebArchive):
            raise RayTruthError(
                "Originals can be fetched by DICOMweb only",
                where=f"params.yaml, pacs, sources, {source}",
                do="add the DICOMweb service of this PACS as another source",
            )
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for one in planned.objects:
            try:
                outcome = _write(make(one, original_of(one.correction, archive)), folder / f"{one.sent.sop}.dcm")
            except NoObject as reason:
                outcome = str(reason)
            except Unanswered:
                outcome = "the PACS did not answer"
            outcomes[one.kind, outcome] += 1
    return WriteSummary(outcomes, planned.left_out)


def _write(file: bytes, path: Path) -> str:
    if path.exists():
        return ALREADY if _same(file, path) else CONFLICT
    with replacing(path) as temporary:
        temporary.touch(mode=0o600)
        temporary.write_bytes(file)
    return WRITTEN


def _same(file: bytes, path: Path) -> bool:
    try:
        return not differences(file, path.read_bytes())
    except (
        InvalidDicomError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        OSError,
    ):  # then the file is not one of ours
        return False


def _refuse(paths: Paths, folder: Path) -> None:
    folder = folder.resolve()
    if folder.exists() and not folder.is_dir():
        raise RayTruthError(
            "Corrections are written to a folder, but this is a file", where=str(folder), do="name a folder"
        )
    if folder.is_relative_to(paths.root) and not folder.is_relative_to(paths.private):
        raise RayTruthError(
            "Corrected objects hold identities and must not lie in the root outside data/private",
            where=str(folder),
            do="choose a folder outside the root, or in data/private",
        )
