"""Commands to create a root or a synthetic hospital, run the whole chain, and open the UI."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from dagster_project.cli.common import ROOTS, RootOption, app, open_root, out, show_table
from dagster_project.core.errors import RayTruthError


@app.command(rich_help_panel=ROOTS, epilog="Example: raytruth init /data/raytruth --regions my_regions.yaml")
def init(
    directory: Annotated[Path, typer.Argument(help="Folder of the new root.")],
    regions: Annotated[
        Path | None, typer.Option(help="File with region classes. Without it: RayTruth's fourteen regions.")
    ] = None,
) -> None:
    """Create a working root: settings, region classes, folders, DVC."""
    from dagster_project.cli.init import init as make_root

    paths = make_root(directory, regions)
    out.print(f"Created the working root {paths.root}. Next: raytruth --root {paths.root} run EXPORT")


@app.command(rich_help_panel=ROOTS, epilog="Example: raytruth phantom /tmp/hospital --patients 120 --seed 1")
def phantom(
    directory: Annotated[Path, typer.Argument(help="An empty or new folder.")],
    patients: Annotated[int, typer.Option(help="Number of patients.")] = 120,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    site: Annotated[str, typer.Option(help="north, or south: another hospital with drifted images.")] = "north",
) -> None:
    """Write a synthetic hospital's export: DICOM files and truth.csv."""
    from raytruth_phantom.hospital import write_hospital

    try:
        summary = write_hospital(directory, patients=patients, seed=seed, site=site)
    except ValueError as error:
        raise RayTruthError(str(error), where="raytruth phantom", do="see raytruth phantom --help") from None
    out.print(f"{summary.files} files of {summary.patients} patients under {directory / 'dicom'}")


@app.command(rich_help_panel=ROOTS, epilog="Example: raytruth --root /data/raytruth run /mnt/export/2026-11")
def run(
    context: typer.Context,
    sources: Annotated[list[Path], typer.Argument(help="Folders of DICOM files, one batch each.")],
    root: RootOption = None,
) -> None:
    """Run the whole chain: from DICOM folders to a ranked list of wrong labels."""
    opened = open_root(context, root)
    from dagster_project.pipeline import run as run_chain

    seconds = run_chain(opened, sources)
    show_table("done", ("stage", "seconds"), [(name, f"{value:.1f}") for name, value in seconds.items()])
    out.print(f"ranked labels: {opened.paths.label_errors}\nreview them: raytruth review")


@app.command(rich_help_panel=ROOTS, epilog="Example: raytruth --root /data/raytruth ui")
def ui(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="Port on loopback.")] = 3000,
    root: RootOption = None,
) -> None:
    """Open Dagster's UI on a root (loopback only), with the daemon that runs sensors and schedules."""
    paths = open_root(context, root).paths
    from dagster_project.cli.init import dagster_environment, template

    command = [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port), "-w"]
    quiet = {"PYTHONWARNINGS": "ignore:Function `dev_command`"}  # the successor needs another kind of project
    environment = dagster_environment(paths) | quiet
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # ignored, as behind `nohup`, Dagster would ignore SIGTERM too
    os.chdir(paths.dagster_home)  # elsewhere Dagster warns about any dagster.yaml that it does not use
    os.execve(sys.executable, [*command, str(template("workspace.yaml"))], environment)


@app.command(rich_help_panel=ROOTS, epilog="Example: raytruth demo demo")
def demo(
    directory: Annotated[Path, typer.Argument(help="A folder for the demonstration.")] = Path("demo"),
    patients: Annotated[int, typer.Option(help="Patients of the synthetic hospital.")] = 120,
) -> None:
    """Run the whole chain on a synthetic hospital, through Dagster."""
    from dagster_project.cli.demo import run_demo

    run_demo(directory, patients)
