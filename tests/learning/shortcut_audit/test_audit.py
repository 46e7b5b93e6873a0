"""The audit of a trained root: figures that hold together, written where people look."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.trained import Trained, trained_root

from dagster_project.core.atomic_io import read_json, write_table
from dagster_project.core.errors import RayTruthError
from dagster_project.intake.root import Root
from dagster_project.learning.evaluation.labelled import load_labelled_set
from dagster_project.learning.shortcut_audit.audit import Audit, audit_shortcuts
from dagster_project.learning.shortcut_audit.perturbations import POSITIVE_CONTROL, perturbations


@pytest.fixture(scope="module")
def trained(made_once: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return trained_root(made_once).copied_to(tmp_path_factory.mktemp("audit") / "root")


@pytest.fixture(scope="module")
def audit(trained: Trained) -> Audit:
    table = pd.read_parquet(trained.paths.headers("first"))
    table["station"] = np.where(table["header_region"].isin(["hand", "foot"]), "A", "B")
    write_table(trained.paths.headers("first"), table)
    return audit_shortcuts(Root(trained.paths, trained.settings))


def test_every_treatment_has_its_effect_and_the_control_shows(audit: Audit) -> None:
    assert [e.perturbation for e in audit.effects] == list(perturbations(0))
    effects = {e.perturbation: e for e in audit.effects}
    assert effects[POSITIVE_CONTROL].changed.value > 0.2
    assert effects[POSITIVE_CONTROL].difference.value < 0
    assert effects["mirrored"].changed.value == 0


def test_the_figures_hold_together(audit: Audit, trained: Trained) -> None:
    assert audit.images == len(load_labelled_set(Root(trained.paths, trained.settings)).test)
    ensemble = read_json(trained.paths.metrics("ensemble"))["accuracy"]["1"]["value"]
    assert audit.accuracy.value == pytest.approx(ensemble)
    for effect in audit.effects:
        assert effect.difference.value == pytest.approx(effect.accuracy.value - audit.accuracy.value), (
            effect.perturbation
        )
        assert abs(effect.difference.value) <= effect.changed.value + 1e-9
        for i in (effect.changed, effect.accuracy, effect.difference):
            assert i.low <= i.value + 1e-9
            assert i.value <= i.high + 1e-9


def test_a_room_of_one_region_is_told_by_the_region_alone(audit: Audit) -> None:
    station = next(t for t in audit.attribute_probes if t.attribute == "station")
    assert station.values == 2
    assert station.balanced_accuracy is not None
    assert station.permuted is not None
    assert station.balanced_accuracy > 0.6
    assert station.permuted > 0.56, "more than chance: the region tells"
    assert next(t for t in audit.attribute_probes if t.attribute == "batch").note


def test_it_is_written_where_people_look_and_again_to_the_byte(audit: Audit, trained: Trained) -> None:
    written = read_json(trained.paths.metrics("shortcut_audit"))
    assert written["images"] == audit.images
    folder = trained.paths.plots_dir / "shortcut_audit"
    names = {path.name for path in folder.iterdir()}
    assert names == {"effects.png", "effects.csv", "attribute_probes.png", "attribute_probes.csv", "examples.png"}
    before = {name: (folder / name).read_bytes() for name in names}
    audit_shortcuts(Root(trained.paths, trained.settings))
    assert read_json(trained.paths.metrics("shortcut_audit")) == written
    assert {name: (folder / name).read_bytes() for name in names} == before


def test_without_an_ensemble_it_says_what_to_do(trained: Trained, tmp_path: Path) -> None:
    copy = trained.copied_to(tmp_path / "copy")
    (copy.paths.ensemble / "card.json").unlink()
    with pytest.raises(RayTruthError, match="raytruth ensemble"):
        audit_shortcuts(Root(copy.paths, copy.settings))
