"""Corrections into a folder: the objects that a push would send, and nothing else touched."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from support.conformance import errors_of
from support.corrections import put_identities, said_of, say
from support.dicoms import radiograph, save
from support.roots import settings_of, where_found
from typer.testing import CliRunner

from dagster_project.cli.main import app
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.root import Root
from dagster_project.label_quality.corrections.write import ALREADY, CONFLICT, WRITTEN, WriteSummary, write_corrections


@pytest.fixture
def files(root: Paths, tmp_path: Path) -> list[Path]:
    files = [save(radiograph(seed), tmp_path / "export" / f"{seed}.dcm") for seed in range(3)]
    put_identities(root, files)
    say(root, said_of(0), said_of(1, region="hand"), said_of(2, "out_of_domain"))
    return files


def write(root: Paths, folder: Path, *, with_images: bool = True) -> WriteSummary:
    return write_corrections(Root(root, settings_of(root)), folder, with_images=with_images)


def test_reports_and_instances_are_written_under_their_uids_for_their_owner_only(
    root: Paths, files: list[Path], tmp_path: Path
) -> None:
    before = [file.read_bytes() for file in files]
    summary = write(root, tmp_path / "out")
    assert summary.outcomes == {("report", WRITTEN): 2, ("instance", WRITTEN): 2}
    assert summary.complete
    assert dict(summary.left_out) == {"out of domain: there is no region to write": 1}
    written = sorted((tmp_path / "out").iterdir())
    objects = [pydicom.dcmread(path) for path in written]
    assert [f"{ds.SOPInstanceUID}.dcm" for ds in objects] == [path.name for path in written]
    assert sorted(ds.Modality for ds in objects) == ["DX", "DX", "SR", "SR"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "out", *written))
    assert [file.read_bytes() for file in files] == before
    assert not root.pushed.exists()


@pytest.mark.slow
def test_a_rerun_writes_what_is_missing_and_overwrites_nothing(root: Paths, files: list[Path], tmp_path: Path) -> None:
    write(root, tmp_path / "out")
    one, other, *_ = sorted((tmp_path / "out").iterdir())
    one.unlink()
    other.write_bytes(b"somebody's")
    outcomes = write(root, tmp_path / "out").outcomes
    assert sorted(outcome for kind, outcome in outcomes.elements()) == sorted([WRITTEN, ALREADY, ALREADY, CONFLICT])
    assert other.read_bytes() == b"somebody's"
    assert not write(root, tmp_path / "out").complete


def test_a_image_whose_file_is_gone_is_named(root: Paths, files: list[Path], tmp_path: Path) -> None:
    files[0].unlink()
    outcomes = write(root, tmp_path / "out", with_images=False).outcomes
    gone = "the file of the image is gone; name a PACS that has the image"
    assert outcomes == {("report", WRITTEN): 1, ("report", gone): 1}


def test_identities_are_not_written_into_the_root(root: Paths, files: list[Path], tmp_path: Path) -> None:
    for folder in (root.root / "out", root.root / "data" / "reports"):
        with pytest.raises(RayTruthError, match="must not lie in the root"):
            write(root, folder)
    assert where_found("CANARY", root.root, leave_out=("data/private",)) == []
    assert write(root, root.private / "out").complete
    with pytest.raises(RayTruthError, match="this is a file"):
        write(root, files[0])


def test_what_is_written_conforms(root: Paths, files: list[Path], tmp_path: Path) -> None:
    write(root, tmp_path / "out", with_images=False)
    for path in (tmp_path / "out").iterdir():
        assert errors_of(path) == []


def test_the_command_writes_and_contradicting_options_are_refused(
    root: Paths, files: list[Path], tmp_path: Path
) -> None:
    base = ["--root", str(root.root), "push-corrections"]
    done = CliRunner().invoke(app, [*base, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0
    assert "written" in done.output
    assert len(list((tmp_path / "out").iterdir())) == 2
    for words in (["--out", str(tmp_path / "x"), "--send"], []):
        refused = CliRunner().invoke(app, [*base, *words])
        assert refused.exit_code == 2
    assert not (tmp_path / "x").exists()
