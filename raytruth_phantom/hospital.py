"""Writes a synthetic hospital's export: DICOM files under dicom/ and truth.csv, which only evaluations may read."""

from __future__ import annotations

import csv
import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from raytruth_phantom.dicom import dataset, patient_id
from raytruth_phantom.oddities import write_oddity
from raytruth_phantom.patients import Patient, draw_patient
from raytruth_phantom.plan import BROKEN_KINDS, DUPLICATE_KINDS, Exposure, plan_hospital
from raytruth_phantom.quality_phantom import take_test_image
from raytruth_phantom.radiograph import Radiograph, take_radiograph
from raytruth_phantom.sites import SITES, Site
from raytruth_phantom.views import REGIONS

COLUMNS = (
    "sop_instance_uid",
    "file",
    "image",
    "region",
    "second_region",
    "given_region",
    "error_kind",
    "role",
    "group",
    "view",
)
_NO_REGION = ("text", "empty", "readme", "dicomdir")  # files without a region

Row = dict[str, str]


@dataclass(frozen=True)
class HospitalSummary:
    """What was written. `images` counts the usable radiographs; `roles` and `error_kinds` count rows of truth.csv."""

    files: int
    images: int
    patients: int
    roles: dict[str, int]
    error_kinds: dict[str, int]
    seconds: float


def write_hospital(
    out: Path,
    *,
    patients: int,
    seed: int,
    site: str = "north",
    label_noise: float = 0.05,
    missing: float = 0.02,
    out_of_domain: float = 0.03,
    workers: int | None = None,
) -> HospitalSummary:
    """Write `out`/dicom/<patient>/<study>/IM….dcm and `out`/truth.csv.

    `site`: north, or south for a hospital with another mix of regions, other rooms and other processing.
    `label_noise`, `missing`: shares (0..1) of wrong and of missing labels; `out_of_domain`: share of added images of
    no skeletal region. `workers`: processes, by default one per core; their number does not change a byte. Raises
    ValueError if an argument is out of range or `out` exists and is not empty.
    """
    started = time.monotonic()
    place = _checked(out, patients, site, label_noise, missing, out_of_domain, workers)
    plan = plan_hospital(
        place, patients=patients, seed=seed, label_noise=label_noise, missing=missing, out_of_domain=out_of_domain
    )
    by_patient: dict[int, list[tuple[int, Exposure]]] = {}
    for position, shot in enumerate(plan):
        by_patient.setdefault(shot.patient, []).append((position, shot))
    out.mkdir(parents=True, exist_ok=True)
    rows: dict[int, Row] = {}
    with _progress(len(plan)) as advance:
        for written in _in_processes(out, place, seed, list(by_patient.values()), workers or os.cpu_count() or 1):
            rows |= written
            advance(len(written))
    with (out / "truth.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows[position] for position in sorted(rows))
    roles = Counter(row["role"] for row in rows.values())
    return HospitalSummary(
        files=len(rows),
        images=len(rows) - roles["broken"],
        patients=patients,
        roles=dict(sorted(roles.items())),
        error_kinds=dict(sorted(Counter(row["error_kind"] for row in rows.values()).items())),
        seconds=round(time.monotonic() - started, 2),
    )


def _checked(
    out: Path, patients: int, site: str, label_noise: float, missing: float, out_of_domain: float, workers: int | None
) -> Site:
    if patients < 1:
        raise ValueError(f"patients is {patients}: a hospital needs at least 1")
    if site not in SITES:
        raise ValueError(f"unknown site {site!r}: use one of {', '.join(SITES)}")
    for name, rate in (("label_noise", label_noise), ("missing", missing), ("out_of_domain", out_of_domain)):
        if not 0 <= rate <= 1:
            raise ValueError(f"{name} is {rate}: give a share between 0 and 1")
    if workers is not None and workers < 1:
        raise ValueError(f"workers is {workers}: give at least 1, or None for one per core")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} exists and is not empty: choose a new folder or empty this one")
    return SITES[site]


def write_patient(out: Path, site: Site, seed: int, shots: list[tuple[int, Exposure]]) -> dict[int, Row]:
    """Expose and write all of one patient; `shots` are (position in the plan, exposure). Returns rows by position."""
    patient = draw_patient(f"{site.name}-{seed}-{shots[0][1].patient}")
    rows = {}
    for position, shot in shots:
        image = _take(shot, patient, site)
        rows[position] = _write(out, shot, image, dataset(shot, image, patient, site, seed), site, seed)
    return rows


def _take(shot: Exposure, patient: Patient, site: Site) -> Radiograph:
    if shot.view is None:
        return take_test_image(site, shot.key)
    return take_radiograph(
        patient,
        shot.view,
        shot.side,
        site,
        shot.key,
        repeated=shot.variant == "repeated",
        reprocessed=shot.variant == "reprocessed",
    )


def _write(out: Path, shot: Exposure, image: Radiograph, ds: Dataset, site: Site, seed: int) -> Row:
    folder = Path("dicom") / patient_id(site, seed, shot.patient) / ds.StudyInstanceUID[-12:]
    name = f"IM{ds.SOPInstanceUID[-8:]}" + ("COPY" if shot.variant == "same_file" else "")
    path = out / folder / f"{name}.dcm"
    broken = shot.variant in BROKEN_KINDS
    if broken:
        path, instance = write_oddity(shot.variant, ds, path)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        ds.save_as(path, enforce_file_format=True)
        instance = str(ds.SOPInstanceUID)
    known = shot.variant not in _NO_REGION
    return {
        "sop_instance_uid": instance,
        "file": path.relative_to(out).as_posix(),
        "image": shot.key + (f"~{shot.variant}" if shot.variant in ("reprocessed", "repeated", *BROKEN_KINDS) else ""),
        "region": shot.region if known else "",
        "second_region": shot.view.second if known and shot.view else "",
        "given_region": shot.label.given_region if known else "",
        "error_kind": shot.label.error_kind if known else "none",
        "role": _role(shot, broken),
        "group": f"patient_{shot.patient:05d}",
        "view": shot.view.name if known and shot.view else "",
    }


def _role(shot: Exposure, broken: bool) -> str:
    if broken:
        return "broken"
    if shot.variant in DUPLICATE_KINDS:
        return "duplicate"
    return "in_domain" if shot.region in REGIONS else "out_of_domain"


def _in_processes(
    out: Path, site: Site, seed: int, tasks: list[list[tuple[int, Exposure]]], workers: int
) -> Iterator[dict[int, Row]]:
    """Run `write_patient` over the patients, in this process if one is enough."""
    if min(workers, len(tasks)) == 1:
        yield from (write_patient(out, site, seed, task) for task in tasks)
        return
    # spawn: a fork of a process with threads (a server, a training run) may hang
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(tasks)), mp_context=context, initializer=_leave_interrupts_to_parent)
    try:
        for done in as_completed([pool.submit(write_patient, out, site, seed, task) for task in tasks]):
            yield done.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal's standard error, nothing elsewhere; yields a function that advances it."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("exposing", total=total)
        yield lambda n: bar.advance(task, n)
