"""The benchmark of turned and inverted images: every kind is planted, and the site itself stays as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.limbs import limbs_root

from benchmarks.learning.orientation import KINDS, measure, planted_site
from dagster_project.core.atomic_io import content_hash
from dagster_project.intake.training_set.build import gather_images, load_training_set

pytestmark = pytest.mark.slow


def test_every_kind_is_planted_and_measured(tmp_path: Path) -> None:
    root = limbs_root(tmp_path / "root", each=0).root
    before = content_hash(root.paths.pixels_dir)
    rows = [row for row in measure(root, 180, 0.05, seed=1) if row["region"] == "all"]
    assert [row["kind"] for row in rows] == list(KINDS)
    assert {row["planted"] for row in rows} == {9}
    assert {row["images"] for row in rows} == {180}
    assert all(row["area"] > 0.75 for row in rows), "half of the limbs look alike upside down"
    assert content_hash(root.paths.pixels_dir) == before


def test_the_planted_images_alone_differ(tmp_path: Path) -> None:
    root = limbs_root(tmp_path / "root", each=0).root
    (tmp_path / "site").mkdir()
    site, kinds = planted_site(root, tmp_path / "site", 90, 0.05, seed=1)
    table = load_training_set(site.paths)
    original = load_training_set(root.paths).set_index("image_id").loc[table["image_id"]].reset_index()
    same = gather_images(site.paths, table, 64) == gather_images(root.paths, original, 64)
    np.testing.assert_array_equal(same.all(axis=(1, 2)), kinds == "")
