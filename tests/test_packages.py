"""The dependency traps that cost us days: each of these installs cleanly and then breaks something far away."""

from __future__ import annotations

import importlib
import re
from importlib.metadata import distributions, version
from pathlib import Path

import pytest

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"


def test_every_installed_package_is_pinned() -> None:
    pinned = dict(line.split("==") for line in CONSTRAINTS.read_text().split())
    names = {re.sub(r"[-_.]+", "-", name).lower(): pin for name, pin in pinned.items()}
    installed = {re.sub(r"[-_.]+", "-", d.metadata["Name"]).lower(): d.version for d in distributions()}
    ours = {name: v for name, v in installed.items() if name not in ("raytruth", "pip", "setuptools", "wheel")}
    assert {name: v for name, v in ours.items() if names.get(name, "").split("+")[0] != v.split("+")[0]} == {}


def test_constraints_hold_versions_only() -> None:
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in CONSTRAINTS.read_text().split())


@pytest.mark.parametrize("name", ["torchvision", "timm", "lightly"])
def test_nothing_brought_a_package_that_breaks_beside_a_cpu_torch(name: str) -> None:
    with pytest.raises(ImportError):
        importlib.import_module(name)


@pytest.mark.parametrize(
    "name",
    [
        "evidently",
        "great_expectations",
        "pytorch_lightning",
        "monai.networks.nets",
        "torchmetrics",
        "cleanlab",
        "dvc.repo",
    ],
)
def test_it_imports(name: str) -> None:
    importlib.import_module(name)


def test_dagster_still_parses_asset_selections_given_as_text() -> None:
    """DVC's default hydra pins an antlr whose parsers cannot read Dagster's grammar."""
    import dagster as dg

    @dg.asset
    def one() -> None: ...

    @dg.asset(deps=[one])
    def two() -> None: ...

    chosen = dg.AssetSelection.from_string('key:"one"+').resolve([one, two])
    assert {key.to_user_string() for key in chosen} == {"one", "two"}


def test_the_dagster_family_is_of_one_release() -> None:
    assert version("dagster") == version("dagster-webserver") == version("dagster-graphql")
