"""The demonstration: Dagster runs the whole chain on a synthetic hospital, and the results are printed."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from dagster_project.cli.init import dagster_environment, init
from dagster_project.core.atomic_io import read_json, read_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.batch_registry import register
from dagster_project.intake.ingestion.headers.pseudonyms import load_pseudonyms
from dagster_project.intake.ingestion.headers.sources import list_files
from raytruth_phantom.hospital import write_hospital

out = Console()
_SEED = 2026
_SOUTH_SHARE = 3  # the drifted hospital has a third of the patients


def run_demo(directory: Path, patients: int) -> None:
    """Make `directory` a root, fill it from two synthetic hospitals, print the results.

    The models learn from the hospital `north`. A later batch from `south` has different images and shows drift. An
    interrupted demonstration continues, and nothing is trained twice.

    Raises RayTruthError if the folder is in use for something else.
    """
    paths = Paths(directory.resolve())
    if directory.exists() and any(directory.iterdir()) and not (directory / "hospital").exists():
        raise RayTruthError(
            "The demonstration needs a folder of its own", where=str(directory), do="name a new or empty one"
        )
    times: dict[str, float] = {}
    sizes = {"north": patients, "south": max(patients // _SOUTH_SHARE, 10)}
    for site, count in sizes.items():
        started = time.monotonic()
        _hospital(directory, site, count)
        times[f"synthetic hospital {site}"] = time.monotonic() - started
    if not paths.settings.exists():
        init(paths.root)
    os.environ.update(dagster_environment(paths))
    from dagster_project.definitions import execute  # imported here, because it reads the root from the environment

    for site in sizes:
        _register(paths, site, directory / "hospital" / site / "dicom")
        times |= {f"{step} {site}": s for step, s in execute("ingest_batch", site).items()}
        if site == "north" and not paths.headers("south").exists():  # otherwise training ended before south came
            times |= execute("learn")
        times |= {f"{step} {site}": s for step, s in execute("monitor_batch", site).items()}
    _report(paths, directory, times)


def _hospital(directory: Path, site: str, patients: int) -> None:
    """Write under another name first, so that an interrupted export starts again."""
    final, half = directory / "hospital" / site, directory / "hospital" / f".{site}"
    if final.exists():
        return
    shutil.rmtree(half, ignore_errors=True)
    write_hospital(half, patients=patients, seed=_SEED, site=site)
    half.rename(final)


def _register(paths: Paths, batch: str, source: Path) -> None:
    register(paths, load_pseudonyms(paths.pseudonym_key), batch, source, list_files(source))


def _report(paths: Paths, directory: Path, times: dict[str, float]) -> None:
    spent = Table(title="Wall time", title_justify="left")
    spent.add_column("stage")
    spent.add_column("seconds", justify="right")
    for name, seconds in times.items():
        spent.add_row(name, f"{seconds:.1f}")
    spent.add_row("all", f"{sum(times.values()):.1f}", style="bold")
    out.print(spent)

    evaluation, ensemble = read_json(paths.metrics("linear_evaluation")), read_json(paths.metrics("ensemble"))
    learned = Table(title="Accuracy on the test patients, against the given labels (about 5 % of them are wrong)")
    learned.title_justify = "left"
    for column in ("model", "1 % of labels", "10 % of labels", "100 % of labels"):
        learned.add_column(column)
    for encoder, found in evaluation.items():
        learned.add_row(encoder, *(f"{found['accuracy'][f]['value']:.3f}" for f in ("0.01", "0.1", "1")))
    learned.add_row("ensemble", "", "", f"{ensemble['accuracy']['1']['value']:.3f}", style="bold")
    out.print(learned)
    _report_errors(paths, directory)

    drift = read_json(paths.drift("south"))
    out.print(f"Drift of the batch `south`: {', '.join(drift['causes']) or 'none'}")
    out.print(f"Champion: {read_json(paths.champion)['model'][:12]}… (models/champion.json)\n")
    out.print(f"Look at  {paths.data_docs / 'north' / 'index.html'}  (checks of the headers)")
    out.print(f"         {paths.drift_page('south')}  (drift)")
    raytruth = Path(sys.executable).with_name("raytruth")
    out.print(f"         {raytruth} --root {paths.root} review  (labels to review, in a browser)")
    out.print("         make ui  (Dagster: every asset, check and image)")


def _report_errors(paths: Paths, directory: Path) -> None:
    """Compare the ranked list with the errors that the phantom planted; only this report reads them."""
    ranked = read_table(paths.label_errors)
    identities = read_table(paths.identities)[["image_id", "sop_instance_uid"]]
    truth = pd.read_csv(directory / "hospital" / "north" / "truth.csv", dtype=str, keep_default_na=False)
    truth = truth.drop_duplicates("sop_instance_uid")[["sop_instance_uid", "error_kind"]]
    known = ranked.merge(identities, on="image_id").merge(truth, on="sop_instance_uid").sort_values("rank")
    planted = known["error_kind"] != "none"
    found = Table(title=f"Planted label errors found ({planted.sum()} among {len(known)} images)", title_justify="left")
    for column in ("ranked images", "errors among them", "share of all errors", "share by chance"):
        found.add_column(column, justify="right")
    for share in (0.02, 0.05, 0.10, 0.20):
        looked = round(share * len(known))
        hits = int(planted.head(looked).sum())
        found.add_row(f"first {looked}", str(hits), f"{hits / max(planted.sum(), 1):.0%}", f"{share:.0%}")
    out.print(found)
    kinds = read_json(paths.metrics("label_errors"))["kinds"]
    out.print("Flagged: " + ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in kinds.items() if kind != "none"))
