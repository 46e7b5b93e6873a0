"""The wheel in a fresh environment: everything it needs is inside, and the whole chain runs from it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from dagster_graphql import DagsterGraphQLClient
from support.daemon import dagster_on, wait_for
from support.wheel import CHECKOUT, Installed, build, install
from support.whole_chain import learning_root, with_one_encoder

from dagster_project.core.paths import Paths

pytestmark = pytest.mark.slow
TEMPLATES = ("params.yaml", "dvc.yaml", "dagster.yaml", "workspace.yaml")


@pytest.fixture(scope="module")
def wheel(made_once: Callable[..., Path]) -> Path:
    (built,) = made_once("wheel", lambda folder: build(folder)).glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(made_once: Callable[..., Path], wheel: Path) -> Installed:
    return Installed(made_once("wheel_environment", lambda folder: install(wheel, folder)))


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    listed = subprocess.run(
        ["git", "ls-files", "dagster_project", "raytruth_phantom"], cwd=CHECKOUT, capture_output=True, text=True
    ).stdout.split()
    wanted = {name: CHECKOUT / name for name in listed}
    wanted |= {f"dagster_project/templates/{name}": CHECKOUT / name for name in TEMPLATES}
    version = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
    about = f"raytruth-{version}.dist-info/"
    assert {name for name in held if not name.startswith(about)} == set(wanted)
    assert {name: held[name] for name in wanted} == {name: path.read_bytes() for name, path in wanted.items()}
    assert held[f"{about}licenses/LICENSE"] == (CHECKOUT / "LICENSE").read_bytes()


def test_the_environment_uses_the_wheel_and_cannot_read_the_checkout(installed: Installed, tmp_path: Path) -> None:
    ask = "import dagster_project, raytruth_phantom, importlib.metadata as m; "
    ask += "print(dagster_project.__file__, raytruth_phantom.__file__, m.distribution('raytruth').locate_file(''))"
    places = installed.run(installed.python, "-c", ask, cwd=tmp_path).split()
    assert len(places) == 3
    assert all(Path(place).resolve().is_relative_to(installed.folder.resolve()) for place in places), places
    with pytest.raises(AssertionError, match="the wheel reads the checkout"):
        installed.run(installed.python, "-c", f"open({str(CHECKOUT / 'params.yaml')!r})", cwd=tmp_path)


def test_the_whole_chain_and_the_ui_run_from_the_wheel(
    installed: Installed, hospital: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    raytruth, paths = installed.raytruth, Paths(tmp_path / "root")
    installed.run(raytruth, "init", paths.root, cwd=tmp_path)
    ours = (CHECKOUT / "params.yaml").read_text().splitlines()
    changed = [line for line in paths.settings.read_text().splitlines() if line not in ours]
    assert [line.split(" #")[0] for line in changed] == ["regions: regions.yaml"]

    installed.run(raytruth, "phantom", tmp_path / "phantom", "--patients", 3, cwd=tmp_path)
    assert list((tmp_path / "phantom" / "dicom").rglob("*.dcm"))

    quick = learning_root(tmp_path / "quick")
    paths.settings.write_text(re.sub(r"(?s)(crossfit):(.*?)epochs: \d+", r"\1:\2epochs: 2", quick.settings.read_text()))
    with_one_encoder(paths)
    shutil.copy(quick.pseudonym_key, paths.pseudonym_key)  # with its mode
    said = installed.run(raytruth, "--root", paths.root, "run", hospital / "dicom", cwd=tmp_path)
    assert "label_errors.parquet" in said.replace("\n", "")  # rich wraps long paths
    assert paths.champion.exists()
    assert (paths.root / "data" / "reports" / "worklist" / "cards.json").exists()

    with dagster_on(paths, tmp_path / "ui.log", raytruth=[str(raytruth)]) as served:
        client = DagsterGraphQLClient("127.0.0.1", port_number=served.port)
        loaded = wait_for("the graph", lambda: _assets(client))
    assert "label_errors" in loaded


def _assets(client: DagsterGraphQLClient) -> set[str]:
    """The assets that the UI shows."""
    nodes = client._execute("{ assetNodes { assetKey { path } } }")["assetNodes"]
    return {node["assetKey"]["path"][-1] for node in nodes}
