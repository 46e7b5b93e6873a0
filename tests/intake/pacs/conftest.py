"""One Orthanc for all tests of a process, images of the synthetic hospital, roots that know where it is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from support.orthanc import PASSWORD, USER, Orthanc, free_port, need_orthanc, orthanc
from support.pacs import configure, described, redated

from dagster_project.cli.init import template
from dagster_project.core.paths import Paths
from raytruth_phantom.hospital import write_hospital


@pytest.fixture(scope="session")
def receiver_port() -> int:
    """Where the Orthanc believes that `raytruth receive` listens."""
    return free_port()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, receiver_port: int) -> Iterator[Orthanc]:
    need_orthanc()
    with orthanc(tmp_path_factory.mktemp("orthanc") / "store", receiver_port=receiver_port) as running:
        yield running


@pytest.fixture
def pacs(server: Orthanc) -> Orthanc:
    """The Orthanc, emptied."""
    server.empty()
    return server


@pytest.fixture(scope="session")
def images(made_once: Callable[[str, Callable[[Path], object]], Path]) -> list[Path]:
    """Radiographs of four patients of the synthetic hospital, all taken today, in several studies."""

    def make(folder: Path) -> None:
        write_hospital(folder, patients=4, seed=7, workers=1)
        for file in folder.rglob("*.dcm"):
            redated(file, date.today()).save_as(file)

    return sorted((made_once("pacs-hospital", make) / "dicom").rglob("*.dcm"))


@pytest.fixture
def root(tmp_path: Path) -> Paths:
    """A root whose params.yaml names no PACS yet."""
    paths = Paths(tmp_path / "root")
    paths.root.mkdir()
    shutil.copy(template("params.yaml"), paths.settings)
    return paths


@pytest.fixture(params=["dicomweb", "dimse"])
def source(request: pytest.FixtureRequest, root: Paths, pacs: Orthanc, credentials: None) -> Paths:
    """The root with Orthanc as its source `main`, by either protocol."""
    configure(root, sources={"main": described(request.param, pacs)})
    return root


@pytest.fixture
def web(root: Paths, pacs: Orthanc, credentials: None) -> Paths:
    """The root with Orthanc as its source `main`, by DICOMweb: for what both protocols share."""
    configure(root, sources={"main": described("dicomweb", pacs)})
    return root


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the source `main`."""
    monkeypatch.setenv("RAYTRUTH_PACS_MAIN_USER", USER)
    monkeypatch.setenv("RAYTRUTH_PACS_MAIN_PASSWORD", PASSWORD)
