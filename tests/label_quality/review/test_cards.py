"""Cards that an older version wrote are refused, and migrated without losing a draw."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.reviewing import ranked_root

from dagster_project.core.atomic_io import read_json, write_json
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.root import Root
from dagster_project.label_quality.review.cards import CARDS, load_sample, load_worklist, migrate_cards
from dagster_project.label_quality.review.random_sample import draw_sample
from dagster_project.label_quality.review.worklist import build_worklist

OLD = {
    "given_region": "given",
    "proposed_region": "proposed",
    "model_agreement": "agreement",
    "neighbourhood_noise": "unusual",
    "comparison": "beside",
}


def as_schema_1(folder: Path) -> None:
    """Rewrite the cards as the version before `schema` wrote them."""
    found = read_json(folder / CARDS)
    del found["schema"]
    found["model"] = found.pop("model_version")
    cards = [{OLD.get(name, name): value for name, value in card.items()} for card in found["cards"]]
    for card in cards:
        if "error_probability" in card:
            card["score"] = round(1 - card.pop("error_probability"), 4)
    write_json(folder / CARDS, found | {"cards": cards})


def test_old_cards_are_refused_then_migrated_to_the_same(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "root")
    root = Root(paths, ranked_root(paths, 10))
    build_worklist(root)
    draw_sample(root, 5, 1)
    folders = (paths.worklist, paths.random_sample)
    before = [read_json(folder / CARDS) for folder in folders]
    for folder in folders:
        as_schema_1(folder)
    for load in (load_worklist, lambda paths: load_sample(paths, 5, 1)):
        with pytest.raises(RayTruthError, match="another version") as error:
            load(paths)
        assert "no verdict is lost" in error.value.do
    assert [migrate_cards(folder) for folder in folders] == [10, 5]
    assert [read_json(folder / CARDS) for folder in folders] == before
    assert [migrate_cards(folder) for folder in folders] == [0, 0]
    assert migrate_cards(tmp_path) == 0
