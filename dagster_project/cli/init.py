"""A new working root: settings, folders, DVC, and the environment for Dagster."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from dagster_project.core.atomic_io import write_table, write_text
from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import load_verdicts
from dagster_project.core.paths import Paths
from dagster_project.intake.taxonomy.taxonomy import load_taxonomy

_PACKAGE = Path(__file__).parents[1]
_GITIGNORE = """# Identities, incoming files, Dagster's store: never in git. DVC tracks data and models.
/data/private/
/data/inbox/
/data/reports/
/data/.*
/models/.*
/.dagster/
"""
_DVCIGNORE = "/data/private\n/data/inbox\n/.dagster\n"


def template(name: str) -> Path:
    """A template file of RayTruth: `params.yaml`, `dvc.yaml`, `dagster.yaml` or `workspace.yaml`.

    In a checkout they are in the top folder, because the repository is a root; a wheel has them in the package.
    """
    packaged = _PACKAGE / "templates" / name
    return packaged if packaged.exists() else _PACKAGE.parent / name


def init(root: Path, regions: Path | None = None) -> Paths:
    """Make a working root in `root`, with the region classes of `regions` or RayTruth's fourteen.

    Raises RayTruthError if there is a root already, or the regions file is missing or malformed.
    """
    paths = Paths(root.resolve())
    if paths.settings.exists():
        raise RayTruthError(
            "This folder is a working root already", where=str(root), do="use it, or choose another folder"
        )
    source = regions or _PACKAGE / "intake" / "taxonomy" / "regions.yaml"
    load_taxonomy(source)
    for folder in (paths.private, paths.inbox, paths.metrics_dir, paths.dagster_home):
        folder.mkdir(parents=True, exist_ok=True)
    paths.private.chmod(0o700)
    paths.inbox.chmod(0o700)
    shutil.copyfile(source, paths.root / "regions.yaml")
    shutil.copyfile(template("dvc.yaml"), paths.dvc_yaml)
    shutil.copyfile(template("dagster.yaml"), paths.dagster_home / "dagster.yaml")
    write_text(paths.root / ".gitignore", _GITIGNORE)
    write_text(paths.root / ".dvcignore", _DVCIGNORE)
    write_table(paths.verdicts, load_verdicts(paths))
    _init_dvc(paths.root)
    settings = re.sub(
        r"(?m)^regions: \S+", "regions: regions.yaml", template("params.yaml").read_text(encoding="utf-8")
    )
    write_text(paths.settings, settings)  # last, because params.yaml makes the folder a root
    return paths


def dagster_environment(paths: Paths) -> dict[str, str]:
    """The environment for Dagster on a root: Dagster's home, the root, no telemetry."""
    paths.dagster_home.mkdir(parents=True, exist_ok=True)
    settings = paths.dagster_home / "dagster.yaml"
    if not settings.exists():
        shutil.copyfile(template("dagster.yaml"), settings)
    ours = {"DAGSTER_HOME": str(paths.dagster_home), "RAYTRUTH_ROOT": str(paths.root)}
    silent = {
        "DO_NOT_TRACK": "1",
        "DVC_NO_ANALYTICS": "1",
        "ITERATIVE_DO_NOT_TRACK": "1",
        "GX_ANALYTICS_ENABLED": "false",
    }
    return {**os.environ, **ours, **silent}


def _init_dvc(root: Path) -> None:
    """Set up DVC: with git if the root is the top of a git repository, without analytics, with a local remote."""
    os.environ["DVC_NO_ANALYTICS"] = "1"
    from dvc.repo import Repo

    if (root / ".dvc").exists():
        return
    with Repo.init(str(root), no_scm=not (root / ".git").exists()) as repo, repo.config.edit() as config:
        config["core"]["analytics"] = False
        config["core"]["remote"] = "local"
        config["remote"]["local"] = {"url": str(root / ".dvc" / "remote")}
    written = root / ".dvc" / "config"  # relative to its own folder, so that a root can be moved
    written.write_text(written.read_text().replace(str(root / ".dvc" / "remote"), "remote"))
    with (root / ".dvc" / ".gitignore").open("a") as f:
        f.write("/remote\n/raytruth.lock\n")
