"""Damaged files of every transfer syntax: none stops or crashes anything, and each gets one documented verdict.

`python -m support.fuzz` does the same for as long as wanted.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.fuzz import judge, write
from support.mutations import KINDS, SYNTAXES, Mutation, Recipe, random_recipe, valid
from support.readers import outcome, source_file
from support.roots import settings_of

from dagster_project.core.atomic_io import read_table
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.ingest import ingest
from dagster_project.intake.ingestion.batch.store import load_headers, open_pixels
from dagster_project.intake.ingestion.headers.reasons import REASONS, verdict_of
from dagster_project.intake.ingestion.headers.sandbox import Limits
from dagster_project.intake.root import Root

FILES, BATCH = 120, "damaged"
LIMITS = Limits(1, 2048, 30)
MUTATIONS = st.lists(
    st.builds(Mutation, st.sampled_from(KINDS), st.floats(0, 1), st.integers(0, 2**32 - 1)), min_size=1, max_size=3
)
RECIPES = st.builds(Recipe, st.sampled_from(SYNTAXES), st.integers(0, 2), MUTATIONS.map(tuple))
# What the long run has found: the damage, and the verdict's reasons now
FOUND = {
    "gdcm aborts over a JPEG with bytes too many": (
        Recipe("jpeg", 0, (Mutation("insert", 0.6769258911869556, 2478899119),)),
        ["decoder_error"],
    ),
    "gdcm aborts over a JPEG with other bytes, of which an image can be made": (
        Recipe(
            "jpeg",
            1,
            (Mutation("insert", 0.6391282678391339, 2696987046), Mutation("drop", 0.6919675728839175, 2380740404)),
        ),
        ["false_length"],
    ),
}


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_before_any_damage_every_file_is_used(syntax: str, tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(valid(syntax, 0))
    found = outcome(source_file(tmp_path / "a.dcm"))
    assert found.reasons <= {"implicit_vr"}
    assert found.image is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_is_contained(name: str, tmp_path: Path) -> None:
    recipe, reasons = FOUND[name]
    (found,) = judge([write(recipe, tmp_path / "a.dcm")], LIMITS)
    assert found.reasons == reasons


@pytest.mark.slow
@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(RECIPES, min_size=FILES, max_size=FILES))
def test_every_damaged_file_gets_a_proper_verdict_in_time(recipes: list[Recipe]) -> None:
    with TemporaryDirectory() as folder:
        paths = [write(recipe, Path(folder) / f"{number}.dcm") for number, recipe in enumerate(recipes)]
        for recipe, found in zip(recipes, judge(paths, LIMITS), strict=True):
            assert found.reasons != ["too_slow"], recipe


def test_a_batch_of_damaged_files_has_one_verdict_a_file_and_one_image_a_row(empty_root: Paths, tmp_path: Path) -> None:
    random, source = Random(3), tmp_path / "source"
    source.mkdir()
    for number in range(FILES):
        write(random_recipe(random), source / f"{number}.dcm")
    summary = ingest(Root(empty_root, settings_of(empty_root)), source, BATCH)
    files = read_table(empty_root.files)
    assert sorted(Path(path).name for path in files["path"]) == sorted(path.name for path in source.iterdir())
    for row in files.itertuples():
        reasons = [reason for reason in row.reason.split(";") if reason]
        assert set(reasons) <= set(REASONS)
        assert row.verdict == verdict_of(reasons)
    headers = load_headers(empty_root, BATCH)
    assert headers["image_id"].is_unique
    assert summary.images == len(headers) == len(open_pixels(empty_root, BATCH))
    assert summary.verdicts["accept"] + summary.verdicts["accept_warn"] >= summary.images > 0
